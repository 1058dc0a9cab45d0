//! What the notice says: made from the configuration in force, so that it cannot say something else than what happens (LM-06,
//! LM-19). The console shows it, and so does the page before somebody's first.
//!
//! Decides the facts; how they look is the console's.

use weir_config::{LoginMode, UnknownNetwork};
use weir_console::{Notice, Recorded};
use weir_monitoring::Grade;

use crate::shared::Shared;
use crate::snapshot::Snapshot;

/// The notice now.
pub(crate) fn notice(shared: &Shared, snapshot: &Snapshot) -> Notice {
    let settings = &snapshot.settings;
    let fields = |grade: Grade| {
        weir_monitoring::columns()
            .iter()
            .filter(|column| column.grade == grade)
            .map(|column| Recorded {
                field: column.name.to_owned(),
                meaning: column.doc.to_owned(),
            })
            .collect()
    };
    let now = super::now();
    let standing = shared.law.standing();
    let basis = standing.in_force(now);
    let rules = super::named_rules(&snapshot.policy_file);
    let rules = rules.into_iter().filter(|(_, is_over)| !is_over);
    Notice {
        school: settings.school.clone(),
        contact: settings.review_contact.clone().unwrap_or_default(),
        own: paragraphs(&settings.notice.text),
        language: settings.notice.language.to_string(),
        notice_version: settings.notice.version.to_string(),
        always: fields(Grade::Event),
        when_blocked: match basis {
            Some(_) => fields(Grade::Content),
            None => Vec::new(),
        },
        kept_by_rules: match basis {
            Some(_) => rules.map(|(told, _)| told).collect(),
            None => Vec::new(),
        },
        basis: match basis {
            Some(basis) => basis.told(),
            None => "No authorisation to record content is in force.".to_owned(),
        },
        purposes: purposes(snapshot),
        identification: identification(snapshot),
        retention: settings.records.retain,
        content_retention: settings.records.retain_content.min(settings.records.retain),
        version: snapshot.policy_version.to_string(),
    }
}

fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for line in text.lines().map(str::trim) {
        match paragraphs.last_mut() {
            Some(last) if !line.is_empty() => {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(line);
            }
            _ => paragraphs.push(String::new()),
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

fn identification(snapshot: &Snapshot) -> Vec<String> {
    let settings = &snapshot.settings;
    let mut identification = Vec::new();
    if settings
        .listeners
        .iter()
        .any(|listener| listener.login != LoginMode::Off)
    {
        identification.push("by your school name and password".to_owned());
    }
    if !settings.devices.is_empty() {
        identification.push("by the machine you use, where it cannot sign in".to_owned());
    }
    identification.push(match settings.unknown_network {
        UnknownNetwork::Strictest => "otherwise by network address, as a guest".to_owned(),
        UnknownNetwork::Refuse => {
            "otherwise by network address; unknown networks are refused".to_owned()
        }
    });
    identification
}

fn purposes(snapshot: &Snapshot) -> Vec<String> {
    let mut purposes: Vec<String> = snapshot
        .policy_file
        .rules
        .iter()
        .map(|rule| rule.purpose.as_str().replace('-', " "))
        .collect();
    purposes.sort();
    purposes.dedup();
    purposes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_part_the_paragraphs_of_the_schools_own_text() {
        assert_eq!(
            paragraphs("One\nline.\n\n\n Two. \n"),
            ["One line.", "Two."]
        );
        assert!(paragraphs("").is_empty());
    }
}
