//! The console's pages: plain HTML that reads well without styles, scripts or colours.

use std::time::Duration;

use crate::control::{Health, Notice, Recorded};

/// The first page: how things are and what else there is.
pub(crate) fn index(health: &Health) -> String {
    let mut page = Page::new("Weir");
    page.text(&format!(
        "State: {}. Version {}, running for {}.",
        health.state().as_str(),
        health.version,
        span(Duration::from_secs(health.uptime_seconds)),
    ));
    page.checks(health);
    page.fixed(
        "<h2>More</h2>\n<ul>\n\
         <li><a href=\"/notice\">What is recorded about people who use this network</a></li>\n\
         <li><a href=\"/healthz\">Health for machines (JSON)</a></li>\n\
         <li><a href=\"/metrics\">Metrics for Prometheus</a></li>\n</ul>\n",
    );
    page.finish()
}

/// What is recorded, in words for everyone who uses the network (LM-06, LM-19).
pub(crate) fn notice(notice: &Notice) -> String {
    let mut page = Page::new("What is recorded");
    page.recorded(notice);
    page.finish()
}

/// What the notice needs where it is shown before somebody's first page. Addresses are the caller's, and escaped here.
#[derive(Clone, Copy, Debug)]
pub struct NoticeForm<'a> {
    /// Address of [`crate::STYLE`].
    pub style: &'a str,
    /// Where the click posts to.
    pub action: &'a str,
    /// Names and values of what it carries.
    pub fields: &'a [(&'a str, &'a str)],
}

/// The same as a page of its own with a button by which somebody says that they have read it.
pub fn notice_page(notice: &Notice, form: &NoticeForm<'_>) -> String {
    let mut page = Page::styled("Before you go on: what is recorded", form.style);
    page.recorded(notice);
    page.form(form);
    page.finish()
}

impl Page {
    fn recorded(&mut self, notice: &Notice) {
        let page = self;
        if !notice.own.is_empty() {
            page.fixed("<div lang=\"");
            page.escaped(&notice.language);
            page.fixed("\">\n");
            notice.own.iter().for_each(|text| page.text(text));
            page.fixed("</div>\n");
        }
        page.text(&format!(
        "Web traffic at {} passes through Weir, a filter. It decides what may be opened, shares \
         the line fairly, and keeps a record.",
        notice.school
    ));
        page.heading("Recorded for every request");
        page.fields(&notice.always);
        page.heading("Recorded only when something is blocked or warned about");
        page.fields(&notice.when_blocked);
        if !notice.kept_by_rules.is_empty() {
            page.heading("Recorded under a rule of its own");
            page.list(&notice.kept_by_rules);
        }
        page.heading("On what authority");
        page.text(&notice.basis);
        page.heading("Never recorded");
        page.text(
            "What pages say, what you type into them, pictures of your screen, passwords and \
         cookies.",
        );
        page.heading("How you are recognised");
        page.list(&notice.identification);
        page.heading("Why");
        page.list(&notice.purposes);
        page.heading("How long, and who looks");
        page.text(&format!(
            "Records are kept for {}, then removed; the pages and search terms in them for {}. Only \
         people nominated by the school search them, and every search states its purpose and is \
         recorded itself. What a case holds is kept for as long as it is held.",
            span(notice.retention),
            span(notice.content_retention)
        ));
        page.heading("Questions");
        page.contact(&notice.contact);
        page.text(&format!(
            "This is version {} of the notice; it belongs to policy version {}.",
            notice.notice_version, notice.version
        ));
    }

    fn form(&mut self, form: &NoticeForm<'_>) {
        self.fixed("<form method=\"post\" action=\"");
        self.escaped(form.action);
        self.fixed("\">\n");
        for (name, value) in form.fields {
            self.fixed("<input type=\"hidden\" name=\"");
            self.escaped(name);
            self.fixed("\" value=\"");
            self.escaped(value);
            self.fixed("\">\n");
        }
        self.fixed("<button>I have read this</button>\n</form>\n");
    }
}

/// For addresses that are no page.
pub(crate) fn not_found() -> String {
    let mut page = Page::new("Not found");
    page.fixed("<p>There is no such page. <a href=\"/\">Back to the start</a>.</p>\n");
    page.finish()
}

/// A page under construction. Text from outside enters through [`Page::escaped`] only; HTML
/// as such must be in the program.
struct Page(String);

impl Page {
    fn new(title: &'static str) -> Page {
        Page::styled(title, "/style.css")
    }

    fn styled(title: &'static str, style: &str) -> Page {
        let mut page = Page(String::with_capacity(4096));
        page.fixed("<!doctype html>\n<html lang=\"en-GB\">\n<head>\n<meta charset=\"utf-8\">\n");
        page.fixed("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        page.element("title", title);
        page.fixed("<link rel=\"stylesheet\" href=\"");
        page.escaped(style);
        page.fixed("\">\n</head>\n<body>\n<main>\n");
        page.element("h1", title);
        page
    }

    fn finish(mut self) -> String {
        self.fixed("</main>\n</body>\n</html>\n");
        self.0
    }

    fn fixed(&mut self, html: &'static str) {
        self.0.push_str(html);
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.fixed("&amp;"),
                '<' => self.fixed("&lt;"),
                '>' => self.fixed("&gt;"),
                '"' => self.fixed("&quot;"),
                '\'' => self.fixed("&#39;"),
                // Neither control characters nor marks that turn the direction of text may
                // change how the rest reads (threat model §6).
                c if c.is_control() => self.0.push(char::REPLACEMENT_CHARACTER),
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    self.0.push(char::REPLACEMENT_CHARACTER);
                }
                c => self.0.push(c),
            }
        }
    }

    fn element(&mut self, tag: &'static str, text: &str) {
        self.open(tag);
        self.escaped(text);
        self.fixed("</");
        self.fixed(tag);
        self.fixed(">\n");
    }

    fn open(&mut self, tag: &'static str) {
        self.fixed("<");
        self.fixed(tag);
        self.fixed(">");
    }

    fn heading(&mut self, text: &'static str) {
        self.element("h2", text);
    }

    fn text(&mut self, text: &str) {
        self.element("p", text);
    }

    fn list(&mut self, items: &[String]) {
        if items.is_empty() {
            return self.text("Nothing is configured.");
        }
        self.fixed("<ul>\n");
        for item in items {
            self.element("li", item);
        }
        self.fixed("</ul>\n");
    }

    fn fields(&mut self, fields: &[Recorded]) {
        if fields.is_empty() {
            return self.text("Nothing.");
        }
        self.fixed("<dl>\n");
        for field in fields {
            self.element("dt", &field.field);
            self.element("dd", &field.meaning);
        }
        self.fixed("</dl>\n");
    }

    fn checks(&mut self, health: &Health) {
        self.fixed("<table>\n<caption>Parts of the proxy</caption>\n<thead><tr>");
        self.fixed("<th scope=\"col\">Part</th><th scope=\"col\">State</th>");
        self.fixed("<th scope=\"col\">Detail</th></tr></thead>\n<tbody>\n");
        for check in &health.checks {
            self.fixed("<tr><th scope=\"row\">");
            self.escaped(check.name);
            self.fixed("</th>\n");
            self.element("td", check.state.as_str());
            self.element("td", &check.detail);
            self.fixed("</tr>\n");
        }
        self.fixed("</tbody>\n</table>\n");
    }

    /// A mail address becomes a link; anything else stays text, so that no configured word
    /// becomes a link that does something.
    fn contact(&mut self, contact: &str) {
        if contact.is_empty() {
            return self.text("Ask a member of staff.");
        }
        let link = if is_web(contact) {
            ""
        } else if is_mail(contact) {
            "mailto:"
        } else {
            return self.text(contact);
        };
        self.fixed("<p><a href=\"");
        self.fixed(link);
        self.escaped(contact);
        self.fixed("\">");
        self.escaped(contact);
        self.fixed("</a></p>\n");
    }
}

fn is_web(contact: &str) -> bool {
    contact.starts_with("https://") || contact.starts_with("http://")
}

fn is_mail(contact: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@._+-".contains(c);
    contact.contains('@') && contact.chars().all(plain)
}

/// A length of time in its largest whole unit.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "<script>alert('x')</script>\"&\n\u{202e}";

    fn facts() -> Notice {
        let recorded = |field: &str| Recorded {
            field: field.into(),
            meaning: HOSTILE.into(),
        };
        Notice {
            school: HOSTILE.into(),
            contact: HOSTILE.into(),
            own: vec![HOSTILE.into()],
            language: HOSTILE.into(),
            notice_version: HOSTILE.into(),
            kept_by_rules: vec![HOSTILE.into()],
            basis: HOSTILE.into(),
            always: vec![recorded("host")],
            when_blocked: vec![recorded("path")],
            purposes: vec![HOSTILE.into()],
            identification: vec!["By login".into()],
            retention: Duration::from_secs(90 * 86_400),
            content_retention: Duration::from_secs(30 * 86_400),
            version: HOSTILE.into(),
        }
    }

    #[test]
    fn nothing_from_outside_becomes_markup() {
        let page = notice(&facts());
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains('\u{202e}') && !page.contains("('x')"));
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"));
    }

    #[test]
    fn the_notice_says_what_is_recorded_for_how_long_and_never() {
        let page = notice(&facts());
        for promised in [
            "<dt>host</dt>",
            "<dt>path</dt>",
            "90 days",
            "30 days",
            "Never recorded",
            "By login",
        ] {
            assert!(page.contains(promised), "{promised} is missing");
        }
    }

    #[test]
    fn only_addresses_become_links() {
        let shown = |contact: &str| {
            notice(&Notice {
                contact: contact.into(),
                ..facts()
            })
        };
        assert!(shown("it@school.example").contains("href=\"mailto:it@school.example\""));
        assert!(shown("https://school.example/ask?a&b").contains("ask?a&amp;b\">https"));
        assert!(!shown("javascript:alert(1)").contains("href=\"javascript"));
        assert!(!shown("a@b?subject=x").contains("mailto"));
        assert!(shown("").contains("Ask a member of staff."));
    }

    #[test]
    fn a_span_is_told_in_its_largest_whole_unit() {
        let cases = [
            (1, "1 second"),
            (119, "1 minute"),
            (7200, "2 hours"),
            (90 * 86_400, "90 days"),
        ];
        for (seconds, told) in cases {
            assert_eq!(span(Duration::from_secs(seconds)), told);
        }
    }
}
