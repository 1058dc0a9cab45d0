//! The HTML that Weir itself shows: block, warn, error. Plain words, no scripts, nothing
//! loaded from anywhere, every text escaped (threats §7, AF-26).
//!
//! Decides how a page looks; what it says comes from `reply`.

use std::fmt::Write;

/// What a page says.
#[derive(Debug, Default)]
pub(crate) struct Page<'a> {
    /// Heading and window title.
    pub(crate) title: &'a str,
    /// One or two sentences in plain words.
    pub(crate) words: &'a str,
    /// The facts below, as label and value.
    pub(crate) facts: &'a [(&'a str, &'a str)],
    /// The school's name.
    pub(crate) school: &'a str,
    /// How to ask for a review: a mail address, an address on the web, or words. Empty: nowhere.
    pub(crate) review: &'a str,
    /// Where a click on "continue" posts to, with the fields it carries.
    pub(crate) form: Option<Form<'a>>,
}

/// The one form a page can have: go on after a warning.
#[derive(Debug)]
pub(crate) struct Form<'a> {
    pub(crate) action: &'a str,
    pub(crate) fields: &'a [(&'a str, &'a str)],
}

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem;color:#1d2733;background:#fff}h1{font-size:1.5rem}dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem}dt{color:#51606f}dd{margin:0;overflow-wrap:anywhere}button{font:inherit;padding:.5rem 1rem}footer{margin-top:2rem;color:#51606f;font-size:.9rem}";

/// Escapes text for HTML content and quoted attributes. Bidirectional controls are
/// dropped: they could reorder what a reader sees (threats §6).
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => {}
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Renders a page.
pub(crate) fn render(page: &Page<'_>) -> String {
    let mut html = String::with_capacity(2048);
    let title = escape(page.title);
    // Writing to a String cannot fail.
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en-GB\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1><p>{}</p>",
        escape(page.words)
    );
    if !page.facts.is_empty() {
        html.push_str("<dl>");
        for (label, value) in page.facts {
            let _ = write!(html, "<dt>{}</dt><dd>{}</dd>", escape(label), escape(value));
        }
        html.push_str("</dl>");
    }
    if let Some(form) = &page.form {
        render_form(&mut html, form);
    }
    html.push_str("<p>");
    html.push_str(&review_line(page.review));
    let _ = write!(
        html,
        "</p></main><footer>Web use at {} is filtered and recorded. This page was made by the school's filter, not by the site.</footer></body></html>",
        escape(page.school)
    );
    html
}

fn render_form(html: &mut String, form: &Form<'_>) {
    let _ = write!(
        html,
        "<form method=\"post\" action=\"{}\">",
        escape(form.action)
    );
    for (name, value) in form.fields {
        let _ = write!(
            html,
            "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
            escape(name),
            escape(value)
        );
    }
    html.push_str("<button>Continue anyway</button></form>");
}

/// How to ask for a review, as HTML.
fn review_line(review: &str) -> String {
    let link = if review.starts_with("https://") || review.starts_with("http://") {
        Some(review.to_owned())
    } else if review.contains('@') && !review.contains(' ') {
        Some(format!("mailto:{review}"))
    } else {
        None
    };
    match link {
        Some(link) => format!(
            "If you think this is wrong, ask for a review: <a href=\"{}\">{}</a>. Quote the event number.",
            escape(&link),
            escape(review)
        ),
        None if review.is_empty() => "If you think this is wrong, tell a member of staff and quote the event number: they can have it reviewed.".to_owned(),
        None => format!(
            "If you think this is wrong, ask for a review: {}. Quote the event number.",
            escape(review)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_can_never_become_markup() {
        let page = render(&Page {
            title: "Blocked",
            words: "<script>alert(1)</script>",
            facts: &[("Site", "\"><img src=x onerror=alert(1)>")],
            school: "St <b>",
            review: "https://x/\"onclick=",
            form: Some(Form {
                action: "/x\"",
                fields: &[("to", "'><b>")],
            }),
        });
        assert!(!page.contains("<script"));
        assert!(!page.contains("<img"));
        assert!(!page.contains("<b>"));
        assert!(!page.contains("\"onclick"));
    }

    #[test]
    fn bidirectional_marks_cannot_reorder_a_page() {
        assert_eq!(escape("a\u{202e}b\u{0007}c"), "ab c");
    }

    #[test]
    fn every_page_says_how_to_ask_for_a_review() {
        for review in [
            "",
            "office@school.example",
            "https://school.example/review",
            "the school office",
        ] {
            let page = render(&Page {
                review,
                ..Page::default()
            });
            assert!(page.contains("If you think this is wrong"));
            assert!(page.contains(&escape(review)));
        }
    }
}
