//! What made the client ask (LM-13), as far as the request's own fields tell.
//!
//! Decides the class of a request from what browsers say of it (Fetch Metadata, and the older fields for what is fetched in
//! advance). What no field tells, what fields tell in a way that no browser does, and what contradicts itself stays unknown: a
//! count of navigations may be held against a person, so none is guessed.
//!
//! To `http` addresses browsers send no Fetch Metadata, but `Upgrade-Insecure-Requests` with everything that is to be shown as a
//! document, frames within a page included. A frame has a `Referer`; so does a page that somebody went to by a link. Only
//! without one it is a navigation for sure.

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, Uri};
use weir_monitoring::Initiator;

const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const USER: HeaderName = HeaderName::from_static("sec-fetch-user");
const UPGRADE: HeaderName = HeaderName::from_static("upgrade-insecure-requests");
/// Fields in which clients say that they fetch in advance.
const PURPOSES: [HeaderName; 4] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-purpose"),
    HeaderName::from_static("x-moz"),
];

/// A field as a request has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said<'a> {
    Nothing,
    Once(&'a str),
    /// Several lines, or no text: no browser sends that.
    Unclear,
}

/// The class of a request.
pub(crate) fn of(method: &Method, fields: &HeaderMap) -> Initiator {
    let purposes = PURPOSES.each_ref().map(|name| said(fields, name));
    let user = said(fields, &USER);
    if purposes.contains(&Said::Unclear) || !matches!(user, Said::Nothing | Said::Once("?1")) {
        return Initiator::Unknown;
    }
    let is_advance = |said: &Said<'_>| matches!(said, Said::Once(text) if tells_advance(text));
    if purposes.iter().any(is_advance) {
        // Nobody clicked for what is fetched in advance.
        return match user {
            Said::Nothing => Initiator::Prefetch,
            _ => Initiator::Unknown,
        };
    }
    match (
        said(fields, &MODE),
        said(fields, &DEST),
        said(fields, &SITE),
    ) {
        (Said::Once(mode), Said::Once(dest), Said::Once(site)) => {
            by_metadata(method, mode, dest, site, user != Said::Nothing)
        }
        (Said::Nothing, Said::Nothing, Said::Nothing) if user == Said::Nothing => {
            match is_document(method, fields) && !fields.contains_key(header::REFERER) {
                true => Initiator::Navigation,
                false => Initiator::Unknown,
            }
        }
        _ => Initiator::Unknown,
    }
}

fn by_metadata(method: &Method, mode: &str, dest: &str, site: &str, user: bool) -> Initiator {
    let is_known_site = matches!(site, "none" | "same-origin" | "same-site" | "cross-site");
    let is_read = method == Method::GET || method == Method::POST;
    match (mode, dest) {
        _ if !is_known_site => Initiator::Unknown,
        // A page that loads itself anew while nobody is there looks like a script that sends somebody on.
        ("navigate", "document") if site == "same-origin" && !user => Initiator::Unknown,
        ("navigate", "document") if is_read => Initiator::Navigation,
        ("navigate", "iframe" | "frame" | "fencedframe" | "embed" | "object") if is_read => {
            Initiator::SubResource
        }
        // Somebody's own act goes to a document.
        _ if user || mode == "navigate" || site == "none" => Initiator::Unknown,
        ("cors" | "no-cors" | "same-origin", "empty" | "report" | "webidentity") => {
            Initiator::Background
        }
        ("websocket", "empty" | "websocket") => Initiator::Background,
        ("same-origin", "serviceworker") => Initiator::Background,
        (
            "cors" | "no-cors" | "same-origin",
            "audio" | "audioworklet" | "embed" | "font" | "image" | "json" | "manifest" | "object"
            | "paintworklet" | "script" | "sharedworker" | "style" | "track" | "video" | "worker"
            | "xslt",
        ) => Initiator::SubResource,
        _ => Initiator::Unknown,
    }
}

/// Whether the answer is to be shown as a page by a browser, in a frame perhaps: who may be given the notice in its place.
pub(crate) fn is_document(method: &Method, fields: &HeaderMap) -> bool {
    let takes_html =
        matches!(said(fields, &header::ACCEPT), Said::Once(types) if types.contains("text/html"));
    let is_shown = match (said(fields, &MODE), said(fields, &DEST)) {
        (Said::Once("navigate"), Said::Once("document")) => true,
        (Said::Nothing, Said::Nothing) => said(fields, &UPGRADE) == Said::Once("1"),
        _ => false,
    };
    method == Method::GET && takes_html && is_shown
}

/// Whether a form was sent from a page of this very place, as browsers say it with each, and for an answer that is shown: what
/// Fetch Metadata says of it, where a browser sends that, must agree.
pub(crate) fn is_sent_from(fields: &HeaderMap, place: &str) -> bool {
    let Said::Once(origin) = said(fields, &header::ORIGIN) else {
        return false;
    };
    let agrees = |name: HeaderName, wanted: &str| match said(fields, &name) {
        Said::Nothing => true,
        Said::Once(text) => text == wanted,
        Said::Unclear => false,
    };
    if !agrees(SITE, "same-origin") || !agrees(MODE, "navigate") || !agrees(DEST, "document") {
        return false;
    }
    let origin: Option<Uri> = origin.parse().ok();
    origin.is_some_and(|origin| {
        let authority = origin.authority().map(|authority| authority.as_str());
        origin.scheme_str() == Some("http")
            && authority.is_some_and(|authority| authority.eq_ignore_ascii_case(place))
    })
}

/// Whether a script or frame of another page asks, as far as browsers say so: what it may not see is not even sent.
pub(crate) fn is_embedded(fields: &HeaderMap) -> bool {
    fields.contains_key(header::ORIGIN)
        || !matches!(said(fields, &MODE), Said::Nothing | Said::Once("navigate"))
        || !matches!(said(fields, &DEST), Said::Nothing | Said::Once("document"))
}

fn tells_advance(text: &str) -> bool {
    let mut words = text.split([';', ',', ' ']).map(str::trim);
    words.any(|word| {
        ["prefetch", "prerender", "preview"]
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known))
    })
}

fn said<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Said<'a> {
    let mut lines = fields.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Said::Nothing,
        (Some(line), None) => line
            .to_str()
            .map_or(Said::Unclear, |text| Said::Once(text.trim())),
        (Some(_), Some(_)) => Said::Unclear,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http::HeaderValue;

    fn fields(text: &str) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for line in text.split('|').filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once('=').unwrap();
            let name = match name {
                "mode" | "dest" | "site" | "user" => format!("sec-fetch-{name}"),
                name => name.to_owned(),
            };
            let name: HeaderName = name.parse().unwrap();
            fields.append(name, HeaderValue::from_str(value).unwrap());
        }
        fields
    }

    #[test]
    fn lm_13_the_initiator_is_what_the_fields_say_and_unknown_where_they_do_not_or_contradict_themselves()
     {
        use Initiator::{Background, Navigation, Prefetch, SubResource, Unknown};
        let plain = "upgrade-insecure-requests=1|accept=text/html,*/*";
        let cases = [
            // Somebody goes to a page: by the address bar, a link, a form.
            (
                "GET",
                "mode=navigate|dest=document|site=none|user=?1",
                Navigation,
            ),
            (
                "GET",
                "mode=navigate|dest=document|site=cross-site|user=?1",
                Navigation,
            ),
            (
                "POST",
                "mode=navigate|dest=document|site=same-origin|user=?1",
                Navigation,
            ),
            (
                "GET",
                "mode=navigate|dest=document|site=cross-site",
                Navigation,
            ),
            // A page that loads itself anew, with nobody at it.
            (
                "GET",
                "mode=navigate|dest=document|site=same-origin",
                Unknown,
            ),
            // What a page pulls.
            (
                "GET",
                "mode=no-cors|dest=image|site=cross-site",
                SubResource,
            ),
            ("GET", "mode=cors|dest=font|site=same-origin", SubResource),
            (
                "GET",
                "mode=no-cors|dest=script|site=same-site",
                SubResource,
            ),
            (
                "GET",
                "mode=no-cors|dest=style|site=same-origin",
                SubResource,
            ),
            (
                "GET",
                "mode=navigate|dest=iframe|site=cross-site",
                SubResource,
            ),
            // Scripts: polling, beacons, sockets.
            ("GET", "mode=cors|dest=empty|site=same-origin", Background),
            (
                "POST",
                "mode=no-cors|dest=empty|site=cross-site",
                Background,
            ),
            (
                "POST",
                "mode=no-cors|dest=report|site=same-origin",
                Background,
            ),
            (
                "GET",
                "mode=websocket|dest=empty|site=same-origin",
                Background,
            ),
            (
                "GET",
                "mode=same-origin|dest=serviceworker|site=same-origin",
                Background,
            ),
            // In advance.
            (
                "GET",
                "mode=no-cors|dest=script|site=same-origin|purpose=prefetch",
                Prefetch,
            ),
            (
                "GET",
                "mode=navigate|dest=document|site=none|sec-purpose=prefetch;prerender",
                Prefetch,
            ),
            ("GET", "x-moz=prefetch", Prefetch),
            ("GET", "x-purpose=preview", Prefetch),
            ("GET", "purpose=Prefetch", Prefetch),
            // To http addresses.
            ("GET", plain, Navigation),
            (
                "GET",
                &format!("{plain}|referer=http://a.example/"),
                Unknown,
            ),
            ("POST", plain, Unknown),
            (
                "GET",
                "upgrade-insecure-requests=1|accept=image/png",
                Unknown,
            ),
            ("GET", "accept=text/html", Unknown),
            ("GET", "", Unknown),
            ("GET", "purpose=something", Unknown),
            // Contradictions, and what no browser sends.
            ("GET", "mode=navigate|dest=image|site=none|user=?1", Unknown),
            (
                "GET",
                "mode=no-cors|dest=document|site=same-origin",
                Unknown,
            ),
            (
                "GET",
                "mode=no-cors|dest=image|site=same-origin|user=?1",
                Unknown,
            ),
            ("GET", "mode=no-cors|dest=image|site=none", Unknown),
            (
                "GET",
                "mode=navigate|dest=document|site=none|user=?0",
                Unknown,
            ),
            (
                "GET",
                "mode=navigate|dest=document|site=elsewhere|user=?1",
                Unknown,
            ),
            (
                "DELETE",
                "mode=navigate|dest=document|site=none|user=?1",
                Unknown,
            ),
            ("GET", "mode=navigate|dest=document", Unknown),
            (
                "GET",
                "mode=navigate|mode=cors|dest=document|site=none",
                Unknown,
            ),
            ("GET", "sec-purpose=prefetch|sec-purpose=prefetch", Unknown),
            (
                "GET",
                "mode=navigate|dest=document|site=none|user=?1|sec-purpose=prefetch",
                Unknown,
            ),
            (
                "GET",
                "user=?1|upgrade-insecure-requests=1|accept=text/html",
                Unknown,
            ),
            ("GET", "mode=cors|dest=hologram|site=same-origin", Unknown),
        ];
        for (method, text, expected) in cases {
            let method: Method = method.parse().unwrap();
            assert_eq!(of(&method, &fields(text)), expected, "{method} {text}");
        }
    }

    #[test]
    fn only_a_browser_that_wants_to_show_a_page_is_given_one_lm_06() {
        let shown = |text: &str| is_document(&Method::GET, &fields(text));
        assert!(shown("upgrade-insecure-requests=1|accept=text/html"));
        assert!(shown(
            "mode=navigate|dest=document|site=none|accept=text/html"
        ));
        for text in [
            "accept=*/*",
            "accept=text/html",
            "upgrade-insecure-requests=1",
            "mode=navigate|dest=iframe|site=none|accept=text/html",
            "mode=cors|dest=empty|site=none|upgrade-insecure-requests=1|accept=text/html",
        ] {
            assert!(!shown(text), "{text}");
        }
        assert!(!is_document(
            &Method::POST,
            &fields("upgrade-insecure-requests=1|accept=text/html")
        ));
    }

    #[test]
    fn what_a_script_or_a_frame_asks_for_is_told_from_what_is_shown_as_a_page_lm_06() {
        for text in ["", "mode=navigate|dest=document|site=none", "accept=*/*"] {
            assert!(!is_embedded(&fields(text)), "{text}");
        }
        for text in [
            "origin=http://a.example",
            "origin=null",
            "mode=cors|dest=empty|site=cross-site",
            "mode=no-cors|dest=image|site=cross-site",
            "mode=navigate|dest=iframe|site=cross-site",
        ] {
            assert!(is_embedded(&fields(text)), "{text}");
        }
    }

    #[test]
    fn a_form_counts_only_when_it_comes_from_its_own_page_lm_06() {
        let from = |text: &str| is_sent_from(&fields(text), "a.example:8080");
        assert!(from("origin=http://a.example:8080"));
        assert!(from(
            "origin=http://a.example:8080|mode=navigate|dest=document|site=same-origin|user=?1"
        ));
        for text in [
            "",
            "origin=http://a.example:8080|site=cross-site",
            "origin=http://a.example:8080|mode=no-cors|dest=empty|site=same-origin",
            "origin=http://a.example:8080|site=same-origin|site=same-origin",
            "origin=null",
            "origin=http://a.example",
            "origin=https://a.example:8080",
            "origin=http://b.example:8080",
            "origin=http://a.example:8080|origin=http://a.example:8080",
        ] {
            assert!(!from(text), "{text}");
        }
    }
}
