//! The report of a bundle: one page of HTML that needs nothing else, for people and for paper.
//!
//! Made of the same rows as the other forms. A plain sentence first, then what was asked, what was not recorded, what is withheld,
//! every row, what the words mean, and how to check it. Everything that comes from a row or a person is escaped.

use std::fmt::Write;

use arrow::array::RecordBatch;
use jiff::Timestamp;
use weir_evidence::{Checkpoint, Hash};

use super::forms::{Asked, Identified, Redactions, Versions};
use crate::adapt::Cells;
use crate::export::cell;
use crate::paths::moment;
use crate::record::Col;

/// Words that a reader of a bundle meets, and what they mean.
pub(super) const WORDS: [(&str, &str); 14] = [
    (
        "row",
        "one entry of the log: a request, the opening or closing of a tunnel, or something about recording itself",
    ),
    (
        "allow, block, warn",
        "what the policy answered (verdict); a warned page is shown after the person chose to go on",
    ),
    (
        "tunnel",
        "an encrypted connection of which only the name of the other side is visible, not what was looked at",
    ),
    (
        "request_open, tunnel_open",
        "the beginning of something that took longer; the row that closes it has the same event",
    ),
    (
        "navigation, sub_resource, background, prefetch",
        "what made the browser ask, as far as that was visible (initiator); a page brings \
      many requests with it that nobody asked for by hand",
    ),
    (
        "gap",
        "a time in which something may not have been recorded, and why",
    ),
    ("start, stop", "recording began, or ended in good order"),
    (
        "clock",
        "the clock of the machine was set, by more than two seconds",
    ),
    (
        "dispute",
        "somebody disagrees with a row; it stands beside that row",
    ),
    (
        "withheld",
        "the fields were there and are not shown; that they were the same in the log is still proved",
    ),
    (
        "tag",
        "a number that stands for a person in the log without their name",
    ),
    ("segment", "a file of rows that was closed and signed"),
    (
        "checkpoint",
        "a signed statement of the log at one moment, over every row before it",
    ),
    (
        "proved",
        "it can be computed from this bundle that the row stood in the signed log exactly like this",
    ),
];

/// Columns of the table of rows.
const SHOWN: [Col; 16] = [
    Col::time,
    Col::user,
    Col::identity,
    Col::confidence,
    Col::device,
    Col::client,
    Col::kind,
    Col::method,
    Col::host,
    Col::path,
    Col::term,
    Col::verdict,
    Col::rule,
    Col::category,
    Col::bytes_down,
    Col::event,
];

/// What the page is made of; all of it is in the bundle, so whoever checks one can make the page again.
pub struct Contents<'a> {
    /// `query.json`.
    pub asked: &'a Asked,
    /// The rows that were asked for.
    pub rows: &'a RecordBatch,
    /// The rows beside them.
    pub context: &'a RecordBatch,
    /// The rows that nothing proves.
    pub unproved: &'a RecordBatch,
    /// `redactions.json`.
    pub redactions: &'a Redactions,
    /// `identity.json`.
    pub identified: &'a [Identified],
    /// `versions.json`.
    pub versions: &'a Versions,
    /// Node and public key, by node, in the order of the keys.
    pub keys: &'a [(String, String)],
    /// Segments that meet the period, and how many have rows of the person; None when no person was asked for.
    pub segments: Option<(u64, u64)>,
    /// The last checkpoint of each log, by node.
    pub last: Vec<&'a Checkpoint>,
}

const STYLE: &str = "\
body{font:14px/1.45 sans-serif;color:#111;background:#fff;margin:2em auto;max-width:80em;padding:0 1em}\
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;break-after:avoid}\
.plain{font-size:1.15em;border-left:4px solid #555;padding-left:1em}\
table{border-collapse:collapse;width:100%;font-size:.85em}\
th,td{border:1px solid #bbb;padding:.2em .4em;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
thead{display:table-header-group}tr{break-inside:avoid}th{background:#eee}\
code{font-family:monospace;overflow-wrap:anywhere}dt{font-weight:bold}dd{margin:0 0 .4em 1.5em}\
@media print{body{margin:0;max-width:none;font-size:9pt}table{font-size:7pt}@page{size:A4 landscape;margin:12mm}}";

/// Name of a row's place in the page.
fn row_id(node: &str, seq: u64) -> String {
    format!("row-{node}-{seq}")
}

/// The page.
pub fn page(contents: &Contents<'_>) -> String {
    let asked = contents.asked;
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>{}</h1>\n",
        escaped(&title(asked)),
        escaped(&title(asked)),
    );
    // Writing to a string cannot fail.
    let _ = writeln!(
        page,
        "<p class=\"plain\">{}</p>",
        escaped(&sentence(contents))
    );
    about(&mut page, contents);
    statements(&mut page, contents.context);
    withheld(&mut page, contents);
    identification(&mut page, contents);
    rows(&mut page, "Rows", contents.rows, true);
    if contents.unproved.num_rows() > 0 {
        rows(
            &mut page,
            "Rows that are not proved, because they were not sealed",
            contents.unproved,
            false,
        );
    }
    words(&mut page);
    checking(&mut page, contents);
    page.push_str("</body>\n</html>\n");
    page
}

fn title(asked: &Asked) -> String {
    let exhibit = asked.exhibit.as_ref();
    let exhibit = exhibit.map_or_else(String::new, |it| format!(" — exhibit {it}"));
    match &asked.subject {
        Some(subject) => format!("Records of {}{exhibit}", subject.user),
        None => format!("Records of web use{exhibit}"),
    }
}

fn sentence(contents: &Contents<'_>) -> String {
    let asked = contents.asked;
    let counts = &asked.counts;
    let whose = match &asked.subject {
        Some(subject) => format!("of {}", subject.user),
        None => "that match what was asked for".to_owned(),
    };
    let from = asked
        .query
        .from
        .map_or_else(|| "the beginning of the records".to_owned(), shown);
    let to = asked.query.to.map_or_else(|| "now".to_owned(), shown);
    let verdicts: Vec<String> = counts
        .verdicts
        .iter()
        .filter(|(verdict, _)| verdict.as_str() != "none")
        .map(|(verdict, count)| format!("{count} with the verdict {verdict}"))
        .collect();
    let verdicts = match verdicts.is_empty() {
        true => String::new(),
        false => format!(" ({})", verdicts.join(", ")),
    };
    let erased = match counts.erased {
        0 => String::new(),
        erased => format!(
            " {erased} further {} of this person erased, or removed because their time was over, and nothing but a number is left: \
             when they began is not known any more.",
            if erased == 1 { "row was" } else { "rows were" },
        ),
    };
    let whole = match (&asked.subject, super::is_narrow(&asked.query)) {
        (Some(_), false) => {
            " They are all of this person's rows in that time that were sealed; the checking program can show that none was left out."
        }
        (Some(_), true) => {
            " They are those of this person's rows that the narrower query asks for; every other one is accounted for by number and \
             time."
        }
        (None, _) => {
            " Each is proved to stand in the log like this; that no other row matches is not proved, because no person was asked for."
        }
    };
    format!(
        "This page shows {} {} {whose} from {from} to {to} (UTC){verdicts}.{whole}{erased} A row tells of a request that a browser or program \
         made; it does not by itself tell that a person saw or wanted something.",
        counts.rows,
        if counts.rows == 1 { "row" } else { "rows" },
    )
}

fn shown(time: Timestamp) -> String {
    format!("{time:.0}").replace('T', " ").replace('Z', "")
}

fn about(page: &mut String, contents: &Contents<'_>) {
    let asked = contents.asked;
    let query = serde_json::to_string(&asked.query).unwrap_or_default();
    let words = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let mut pairs: Vec<(&str, String)> = vec![
        ("Made", shown(asked.generated)),
        ("Purpose", asked.purpose.clone()),
        ("Case", words(&asked.case)),
        ("Exhibit", words(&asked.exhibit)),
        ("Asked for by", words(&asked.reader)),
        ("In the role", words(&asked.role)),
        ("Reason", words(&asked.reason)),
        ("Query", query),
        ("Rows", asked.counts.rows.to_string()),
        ("Rows beside them", asked.counts.context.to_string()),
        (
            "Rows of the person outside the period, by number only",
            asked.counts.outside.to_string(),
        ),
        (
            "Rows of the person not asked for, by number only",
            asked.counts.narrower.to_string(),
        ),
        (
            "Rows of the person that were erased, by number only",
            asked.counts.erased.to_string(),
        ),
        ("Rows not proved", asked.counts.unproved.to_string()),
    ];
    if let Some((segments, present)) = contents.segments {
        let told = format!("{segments} meet the period; the person has rows in {present} of them");
        pairs.push(("Segments", told));
    }
    let versions = contents.versions;
    pairs.push(("Versions of the policy", versions.policies.join(", ")));
    pairs.push(("Versions of the lists", versions.lists.join(", ")));
    pairs.push(("Versions of Weir", versions.builds.join(", ")));
    page.push_str("<h2>What was asked, and what came of it</h2>\n<table><tbody>\n");
    for (name, value) in pairs {
        let _ = writeln!(page, "<tr><th>{name}</th><td>{}</td></tr>", escaped(&value));
    }
    page.push_str("</tbody></table>\n");
    for remark in &asked.remarks {
        let _ = writeln!(page, "<p>{}</p>", escaped(remark));
    }
}

/// Gaps, starts, stops and the like.
fn statements(page: &mut String, context: &RecordBatch) {
    page.push_str("<h2>What was recorded about recording itself in that time, and disputes</h2>\n");
    if context.num_rows() == 0 {
        page.push_str("<p>Nothing: no gap, start, stop or step of the clock.</p>\n");
        return;
    }
    page.push_str("<table><thead><tr><th>from</th><th>to</th><th>kind</th><th>in words</th><th>row</th></tr></thead><tbody>\n");
    let cells = Cells::new(context);
    for row in 0..context.num_rows() {
        let time = cells.time_at(row);
        let lasted = i64::try_from(cells.u64_at(Col::duration, row)).unwrap_or(i64::MAX);
        let node = cells.str_at(Col::node, row).unwrap_or_default();
        let seq = cells.u64_at(Col::seq, row);
        let _ = writeln!(
            page,
            "<tr id=\"{}\"><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{} {seq}</td></tr>",
            escaped(&row_id(node, seq)),
            shown(moment(time)),
            shown(moment(time.saturating_add(lasted))),
            escaped(cells.str_at(Col::kind, row).unwrap_or_default()),
            escaped(cells.str_at(Col::note, row).unwrap_or_default()),
            escaped(node),
        );
    }
    page.push_str("</tbody></table>\n");
}

fn withheld(page: &mut String, contents: &Contents<'_>) {
    let redactions = contents.redactions;
    page.push_str("<h2>What is withheld, and why</h2>\n");
    if redactions.groups.is_empty() && redactions.rows.is_empty() {
        page.push_str("<p>Nothing.</p>\n");
        return;
    }
    page.push_str("<ul>\n");
    for group in &redactions.groups {
        let _ = writeln!(
            page,
            "<li>The fields of the group <b>{}</b> in {} rows: {}</li>",
            escaped(&group.group),
            group.rows,
            escaped(&group.reason)
        );
    }
    for rows in &redactions.rows {
        let _ = writeln!(page, "<li>{} {}</li>", rows.rows, escaped(&rows.reason));
    }
    page.push_str("</ul>\n");
}

fn identification(page: &mut String, contents: &Contents<'_>) {
    if contents.identified.is_empty() {
        return;
    }
    page.push_str(
        "<h2>How the person was identified</h2>\n<table><thead><tr><th>by</th><th>name</th><th>device</th><th>network</th>\
         <th>address</th><th>rows</th><th>first</th><th>last</th><th>oldest identification</th></tr></thead><tbody>\n",
    );
    for way in contents.identified {
        let text = |value: &Option<String>| escaped(value.as_deref().unwrap_or("-"));
        let age = way.oldest_identification;
        let age = age.map_or_else(|| "-".to_owned(), |age| format!("{age} s before"));
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{age}</td></tr>",
            escaped(&way.identity),
            text(&way.user),
            text(&way.device),
            text(&way.network),
            text(&way.client),
            way.rows,
            shown(way.first),
            shown(way.last),
        );
    }
    page.push_str("</tbody></table>\n");
}

fn rows(page: &mut String, heading: &str, rows: &RecordBatch, has_ids: bool) {
    let _ = writeln!(page, "<h2>{heading}</h2>\n<table><thead><tr><th>row</th>");
    for col in SHOWN {
        let _ = write!(page, "<th>{}</th>", col.name());
    }
    page.push_str("</tr></thead><tbody>\n");
    let cells = Cells::new(rows);
    for row in 0..rows.num_rows() {
        let node = cells.str_at(Col::node, row).unwrap_or_default();
        let seq = cells.u64_at(Col::seq, row);
        let _ = match has_ids {
            true => write!(page, "<tr id=\"{}\">", escaped(&row_id(node, seq))),
            false => write!(page, "<tr>"),
        };
        let _ = write!(page, "<td>{seq}</td>");
        for col in SHOWN {
            let _ = write!(page, "<td>{}</td>", escaped(&cell(rows, col, row)));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table>\n");
}

fn words(page: &mut String) {
    page.push_str("<h2>What the words mean</h2>\n<dl>\n");
    for (word, meaning) in WORDS {
        let _ = writeln!(
            page,
            "<dt>{}</dt><dd>{}</dd>",
            escaped(word),
            escaped(meaning)
        );
    }
    page.push_str("</dl>\n<p>Every field is explained in glossary.txt.</p>\n");
}

fn checking(page: &mut String, contents: &Contents<'_>) {
    page.push_str(
        "<h2>How to check this</h2>\n<p>Run <code>weir-verify</code> on the directory that this page lies in: it needs no network and \
         no key, says in words what is proved and what is not, and answers 1 when anything does not hold. Compare the key below with \
         one that was handed over some other way, and give it with <code>--key</code>; a checkpoint that was kept elsewhere before, \
         with <code>--checkpoint</code>.</p>\n<table><thead><tr><th>log of</th><th>public key</th><th>SHA-256 of its line</th></tr>\
         </thead><tbody>\n",
    );
    for (node, key) in contents.keys {
        let fingerprint: String = Hash::of(key.as_bytes())
            .0
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td><code>{}</code></td><td><code>{fingerprint}</code></td></tr>",
            escaped(node),
            escaped(key)
        );
    }
    page.push_str("</tbody></table>\n");
    for last in &contents.last {
        let _ = writeln!(
            page,
            "<p>Last checkpoint of <code>{}</code>: number {}, {} rows, signed {}, root <code>{}</code></p>",
            escaped(&last.origin),
            last.number,
            last.size,
            shown(moment(last.time)),
            last.root
        );
    }
}

/// A text that HTML shows as it is, inside quotes too.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
