//! The sites whose search pages are known, one row each: names, pages and the parameters with the terms. Whoever adds a row adds
//! an address to the table of the tests.

/// A site with a search, or a part of one.
#[derive(Debug)]
pub(super) struct Engine {
    /// For records.
    pub(super) name: &'static str,
    /// Names under many top-level domains: `google` is `google.com`, `google.co.uk` and everything below those.
    pub(super) brands: &'static [&'static str],
    /// Whole names; each with everything below it.
    pub(super) hosts: &'static [&'static str],
    /// Paths, each with everything below it; `/` is every page.
    pub(super) pages: &'static [&'static str],
    /// Parameters of the query.
    pub(super) parameters: &'static [&'static str],
}

const ANY: &[&str] = &["/"];

/// Names of parameters that hold search terms on sites that are not in the table.
pub(super) const USUAL: &[&str] = &[
    "q",
    "query",
    "search",
    "search_query",
    "searchquery",
    "search_term",
    "searchterm",
    "searchtext",
    "search_text",
    "searchword",
    "s",
    "p",
    "k",
    "kw",
    "wd",
    "text",
    "term",
    "terms",
    "keyword",
    "keywords",
    "phrase",
];

const fn host(
    name: &'static str,
    hosts: &'static [&'static str],
    pages: &'static [&'static str],
    parameters: &'static [&'static str],
) -> Engine {
    Engine {
        name,
        brands: &[],
        hosts,
        pages,
        parameters,
    }
}

const fn brand(
    name: &'static str,
    brands: &'static [&'static str],
    pages: &'static [&'static str],
    parameters: &'static [&'static str],
) -> Engine {
    Engine {
        name,
        brands,
        hosts: &[],
        pages,
        parameters,
    }
}

/// The table. Of one site's rows the first whose page fits counts.
pub(super) const ENGINES: &[Engine] = &[
    // `/url?q=` is a link that was followed, not a search.
    brand(
        "google",
        &["google"],
        &[
            "/search",
            "/complete",
            "/webhp",
            "/images",
            "/imghp",
            "/maps",
            "/scholar",
            "/books",
            "/s",
            "/suggest",
            "/trends",
        ],
        &["q", "as_q", "as_epq", "as_oq", "oq"],
    ),
    brand("bing", &["bing"], ANY, &["q", "qry", "pq"]),
    host("duckduckgo", &["duckduckgo.com", "duck.com"], ANY, &["q"]),
    brand(
        "yahoo",
        &["search.yahoo"],
        ANY,
        &["p", "q", "query", "command"],
    ),
    brand("ecosia", &["ecosia"], ANY, &["q"]),
    host(
        "youtube",
        &["youtube.com", "youtube-nocookie.com", "youtubekids.com"],
        &["/results", "/youtubei", "/search", "/complete"],
        &["search_query", "q", "query"],
    ),
    host("startpage", &["startpage.com"], ANY, &["query", "q"]),
    host("qwant", &["qwant.com"], ANY, &["q"]),
    host("brave", &["search.brave.com"], ANY, &["q"]),
    brand("yandex", &["yandex"], ANY, &["text", "part"]),
    host("yandex", &["ya.ru"], ANY, &["text"]),
    host(
        "baidu",
        &["baidu.com"],
        ANY,
        &["wd", "word", "kw", "query", "q"],
    ),
    host("sogou", &["sogou.com"], ANY, &["query", "keyword"]),
    host("so", &["so.com"], ANY, &["q"]),
    host("naver", &["search.naver.com"], ANY, &["query"]),
    host("daum", &["search.daum.net"], ANY, &["q"]),
    host("seznam", &["search.seznam.cz"], ANY, &["q"]),
    host("ask", &["ask.com"], ANY, &["q"]),
    host(
        "aol",
        &["search.aol.com", "search.aol.co.uk"],
        ANY,
        &["q", "query"],
    ),
    host("mojeek", &["mojeek.com", "mojeek.co.uk"], ANY, &["q"]),
    host("swisscows", &["swisscows.com"], ANY, &["query"]),
    host("kagi", &["kagi.com"], ANY, &["q"]),
    host("kiddle", &["kiddle.co"], ANY, &["q"]),
    host("perplexity", &["perplexity.ai"], ANY, &["q"]),
    host(
        "wikipedia",
        &["wikipedia.org", "wiktionary.org", "wikimedia.org"],
        ANY,
        &["search", "srsearch", "gsrsearch"],
    ),
    brand(
        "amazon",
        &["amazon"],
        ANY,
        &["k", "field-keywords", "keywords", "prefix"],
    ),
    brand("ebay", &["ebay"], ANY, &["_nkw", "kwd"]),
    host("tiktok", &["tiktok.com"], ANY, &["q", "keyword"]),
    host("x", &["x.com", "twitter.com"], ANY, &["q"]),
    host("reddit", &["reddit.com"], ANY, &["q", "query"]),
    brand("pinterest", &["pinterest"], ANY, &["q", "rs"]),
    host("facebook", &["facebook.com"], ANY, &["q"]),
    host("vimeo", &["vimeo.com"], ANY, &["q"]),
    host("twitch", &["twitch.tv"], ANY, &["term"]),
    host("giphy", &["giphy.com"], ANY, &["q"]),
    host("roblox", &["roblox.com"], ANY, &["keyword"]),
    host("archive", &["archive.org"], ANY, &["query", "search"]),
];
