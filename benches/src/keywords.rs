//! Made-up keywords and addresses for benches and measurements: as many as a school could ever list, in many languages.

/// Syllables of words, by language; words of the last three have no spaces between them in text.
const SYLLABLES: [&[&str]; 10] = [
    &[
        "ba", "con", "der", "ex", "fil", "gra", "hu", "in", "jo", "ket", "lo", "men", "nor", "pos",
        "ra", "sti", "tion", "ver",
    ],
    &[
        "à", "bé", "çon", "deux", "éle", "fran", "gué", "hôt", "île", "jeu", "ment", "né", "oû",
        "pré", "qué", "ré", "tê", "vré",
    ],
    &[
        "ab", "bür", "chen", "dör", "ein", "fuß", "gräß", "hei", "keit", "lös", "mäd", "nis", "öf",
        "schl", "tum", "über", "zwi",
    ],
    &[
        "wo", "ście", "łą", "żó", "nik", "prze", "ków", "ła", "mię", "ność", "czy", "ją", "szcz",
        "ęć", "rzą", "dło",
    ],
    &[
        "ба",
        "вод",
        "гра",
        "дей",
        "жён",
        "зна",
        "ков",
        "лю",
        "мен",
        "ность",
        "пре",
        "раз",
        "ство",
        "тель",
        "чит",
        "щий",
    ],
    &[
        "άν", "βα", "γρα", "δύ", "εί", "θέ", "κό", "λο", "μα", "νί", "πρό", "στη", "τος", "φα",
        "χή",
    ],
    &[
        "أس", "بال", "تجا", "جمي", "حرو", "سلا", "شرا", "عرب", "فيل", "كتا", "لحة", "مدر", "نار",
        "هجو", "يون",
    ],
    &[
        "武", "器", "毒", "品", "赌", "场", "买", "卖", "网", "站", "方", "法", "自", "由", "学",
        "校", "电", "影", "游", "戏", "机", "书",
    ],
    &[
        "ナイ", "フ", "ドラ", "ッグ", "カジ", "ノ", "ゲー", "ム", "危", "険", "薬", "物", "買",
        "方", "法", "ばく", "ち",
    ],
    &[
        "ปืน",
        "ยา",
        "เสพ",
        "ติด",
        "พนัน",
        "เกม",
        "หนัง",
        "ซื้อ",
        "ขาย",
        "บ้าน",
        "โรง",
        "เรียน",
    ],
];

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % end
    }
}

/// `count` distinct keywords of one to three words; one in ten may be part of a longer word.
pub fn keywords(count: usize) -> Vec<String> {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut found = std::collections::BTreeSet::new();
    while found.len() < count {
        // Half are English, as lists are.
        let language = numbers.below(SYLLABLES.len() * 2) % SYLLABLES.len();
        let language = if numbers.below(2) == 0 { 0 } else { language };
        let syllables = SYLLABLES.get(language).copied().unwrap_or_default();
        let words: Vec<String> = (0..=numbers.below(3))
            .map(|_| {
                let parts = 2 + numbers.below(3);
                let parts =
                    (0..parts).filter_map(|_| syllables.get(numbers.below(syllables.len())));
                parts.copied().collect()
            })
            .collect();
        let star = if numbers.below(10) == 0 { "*" } else { "" };
        found.insert(format!("{}{star}", words.join(" ")));
    }
    found.into_iter().collect()
}

/// A page that is asked for: host, path, query.
pub type Page = (&'static str, &'static str, Option<&'static str>);

/// What browsers ask for, by kind: nothing but the host, pages and their parts, searches, and searches in other scripts.
pub const PAGES: [(&str, &[Page]); 4] = [
    (
        "host",
        &[("www.bbc.co.uk", "/", None), ("example.com", "/", None)],
    ),
    (
        "page",
        &[
            (
                "www.bbc.co.uk",
                "/bitesize/topics/zgvmxnb/articles/z3c6tfr",
                None,
            ),
            ("www.bbc.co.uk", "/news/uk-england-essex-12345678", None),
            (
                "static.files.bbci.co.uk",
                "/core/website/assets/static/webpack/158.4d1a5d6c2e5f0d0a.js",
                None,
            ),
            (
                "en.wikipedia.org",
                "/wiki/History_of_the_Industrial_Revolution",
                None,
            ),
            (
                "upload.wikimedia.org",
                "/wikipedia/commons/thumb/4/4d/Cat_November_2010-1a.jpg/250px-Cat.jpg",
                None,
            ),
            (
                "www.youtube.com",
                "/watch",
                Some("v=dQw4w9WgXcQ&list=PL1234567890abcdef&index=3"),
            ),
            (
                "i.ytimg.com",
                "/vi/dQw4w9WgXcQ/hqdefault.jpg",
                Some("sqp=-oaymwEcCNACELwBSFXyq4qpAw4&rs=AOn4CLB"),
            ),
            (
                "fonts.gstatic.com",
                "/s/roboto/v30/KFOmCnqEu92Fr1Mu4mxKKTU1Kg.woff2",
                None,
            ),
            (
                "www.google-analytics.com",
                "/g/collect",
                Some(
                    "v=2&tid=G-ABCDEF1234&gtm=45je41h0&_p=1700000000000&cid=12345.67890&ul=en-gb&sr=1920x1080&dl=https%3A%2F%2Fwww.school.example%2Flessons%2Fmaths%2Ffractions&dt=Fractions%20-%20Maths",
                ),
            ),
            (
                "shop.example",
                "/products/blue-school-bag-20-litre.html",
                Some("utm_source=mail&utm_medium=newsletter&id=48151623"),
            ),
        ],
    ),
    (
        "search",
        &[
            (
                "www.google.com",
                "/search",
                Some(
                    "q=how+do+volcanoes+erupt+for+kids&sca_esv=1234567890abcdef&hl=en-GB&source=hp&ei=AbCdEfGhIjKl&oq=how+do+volc&gs_lp=Egdnd3Mtd2l6&sclient=gws-wiz",
                ),
            ),
            (
                "www.bing.com",
                "/search",
                Some("q=gcse+maths+past+papers&form=QBLH&sp=-1&lq=0"),
            ),
            (
                "duckduckgo.com",
                "/",
                Some("q=essex+county+council+school+holidays&ia=web"),
            ),
        ],
    ),
    (
        "search-other-scripts",
        &[
            (
                "www.google.com",
                "/search",
                Some(
                    "q=%D0%BF%D0%BE%D0%B3%D0%BE%D0%B4%D0%B0+%D0%B2+%D0%BB%D0%BE%D0%BD%D0%B4%D0%BE%D0%BD%D0%B5&hl=ru",
                ),
            ),
            (
                "www.baidu.com",
                "/s",
                Some("wd=%E5%AD%A6%E6%A0%A1%E5%81%87%E6%9C%9F&ie=utf-8"),
            ),
            (
                "www.google.pl",
                "/search",
                Some("q=szko%C5%82a+podstawowa+%C5%82%C3%B3d%C5%BA"),
            ),
        ],
    ),
];
