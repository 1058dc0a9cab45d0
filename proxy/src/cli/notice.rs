//! `weir notice`: who was given the monitoring notice, and who was not (LM-06).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::ControlFlow;

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;
use weir_config::Loaded;
use weir_monitoring::query::{self, Query};
use weir_monitoring::{Cells, Col, Informed};

use super::records::reading::{Asked, Given, Reading};
use super::records::{store, whole};
use super::screen::Screen;
use super::{Answer, Failure, audit, output, when};
use crate::identify::{address_key, user_key};
use crate::law::{self, Ledger, Line, WAS_TOLD};
use crate::users::{self, Users};

/// Most identities that a report tells of.
const MOST: usize = 1_000_000;
/// Longest text about how somebody was told, in characters.
const LONGEST: usize = 200;

/// What to do with the notice.
#[derive(Debug, Subcommand)]
pub(crate) enum NoticeCommand {
    /// Keep in the ledger that people, or whoever uses a device, were given the notice in force by other means than its page.
    Given {
        /// Names of users.
        users: Vec<String>,
        /// A registered device; may be given several times.
        #[arg(long = "device", value_name = "NAME")]
        devices: Vec<String>,
        /// How they were told, such as "signed at enrolment".
        #[arg(long)]
        how: String,
    },
    /// List whoever is seen in records and was not given the notice in force. Exit status 1: there are some.
    Coverage {
        #[command(flatten)]
        reading: Reading,
        /// From this moment on: RFC 3339, or a date (and time) at the school.
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Before this moment; a date alone is included as a whole.
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

impl NoticeCommand {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        match self {
            NoticeCommand::Given {
                users,
                devices,
                how,
            } => given(loaded, &users, &devices, how.trim(), out),
            NoticeCommand::Coverage {
                reading,
                from,
                to,
                json,
            } => {
                let zone = &when::zone(&loaded.policy)?;
                let from = from.as_deref().map(|text| when::from(text, zone));
                let to = to.as_deref().map(|text| when::to(text, zone));
                let query = Query {
                    from: from.transpose()?,
                    to: to.transpose()?,
                    ..Query::default()
                };
                // Who has not been told is asked about everybody, and nobody's history is shown.
                let asked = Asked {
                    person: None,
                    narrowed: None,
                    ..Asked::of("notice coverage", &query)
                };
                reading.around(loaded, &asked, |_| coverage(loaded, &query, json, out))
            }
        }
    }
}

fn given(
    loaded: &Loaded,
    users: &[String],
    devices: &[String],
    how: &str,
    out: &mut dyn Write,
) -> Result<Answer, Failure> {
    let plain =
        !how.is_empty() && how.chars().count() <= LONGEST && !how.contains(char::is_control);
    if !plain {
        let told =
            format!("--how says in one line of at most {LONGEST} characters how they were told");
        return Err(Failure::Arguments(told));
    }
    if let Some(outdated) = weir_config::law::outdated(how) {
        eprintln!("weir: warning: --how {outdated}");
    }
    let how = &*Screen::of(&loaded.settings).text(how);
    let identities = identities(loaded, users, devices)?;
    let settings = &loaded.settings;
    let notice = &settings.notice;
    let about = json!({ "identities": identities, "version": &*notice.version, "how": how });
    audit::note(&settings.state, "notice given", about)?;
    let path = Ledger::file(&settings.state);
    for identity in &identities {
        let line = Line {
            time: Timestamp::now(),
            identity: identity.clone(),
            version: notice.version.to_string(),
            language: notice.language.to_string(),
            how: format!("{WAS_TOLD}{how}"),
        };
        law::append(&path, &line)
            .map_err(|error| Failure::Refused(format!("{}: {error}", path.display())))?;
    }
    writeln!(
        out,
        "{} counted as given version {:?} of the notice. A running Weir takes this up within a second.",
        output::counted(identities.len() as u64, "identity", "identities"),
        notice.version
    )?;
    Ok(Answer::Yes)
}

/// As requests name them. A name that nobody has is a slip.
fn identities(
    loaded: &Loaded,
    users: &[String],
    devices: &[String],
) -> Result<Vec<String>, Failure> {
    let settings = &loaded.settings;
    let known = Users::load(&settings.users_file()).map_err(Failure::Configuration)?;
    let mut identities = Vec::new();
    for name in users {
        let of_device = || {
            let mut owners = settings
                .devices
                .iter()
                .filter_map(|one| one.user.as_deref());
            owners.find(|owner| users::key(owner) == users::key(name))
        };
        let user = known.get(name);
        let name = match (&user, of_device()) {
            (Some(user), _) => &*user.name,
            (None, Some(owner)) => owner,
            (None, None) => {
                return Err(Failure::Refused(format!(
                    "there is no user {name:?} (`weir users list`); nothing was kept"
                )));
            }
        };
        identities.push(format!("user:{name}"));
    }
    for name in devices {
        if !settings.devices.iter().any(|device| *device.name == **name) {
            return Err(Failure::Refused(format!(
                "there is no [[device]] {name:?}; nothing was kept"
            )));
        }
        identities.push(format!("device:{name}"));
    }
    if identities.is_empty() {
        return Err(Failure::Arguments(
            "name at least one user, or a device with --device".to_owned(),
        ));
    }
    Ok(identities)
}

fn coverage(
    loaded: &Loaded,
    query: &Query,
    json: bool,
    out: &mut dyn Write,
) -> Result<(Answer, Given), Failure> {
    let settings = &loaded.settings;
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut is_cut = false;
    let searched = query::search(&store(loaded)?, query, &mut |batch| {
        let cells = Cells::new(batch);
        for row in 0..batch.num_rows() {
            let Some(identity) = identity(&cells, row) else {
                continue;
            };
            if seen.len() < MOST || seen.contains_key(&identity) {
                *seen.entry(identity).or_default() += 1;
            } else {
                is_cut = true;
            }
        }
        ControlFlow::Continue(())
    });
    let searched = searched.map_err(Failure::refused)?;
    let ledger = Ledger::open(&settings.state);
    let now = law::now();
    let state = |identity: &str| ledger.state(identity, &settings.notice, now);
    let lacking: Vec<(&String, Informed, u64)> = seen
        .iter()
        .map(|(identity, rows)| (identity, state(identity), *rows))
        .filter(|(_, informed, _)| *informed != Informed::Given)
        .collect();
    let version = &*settings.notice.version;
    if json {
        let shown = |(identity, informed, rows): &(&String, Informed, u64)| json!({ "identity": identity, "notice": informed.as_str(), "rows": rows });
        let lacking: Vec<_> = lacking.iter().map(shown).collect();
        let told = json!({
            "version": version,
            "seen": seen.len(),
            "not_informed": lacking,
            "more": is_cut,
        });
        output::json(out, &told)?;
    } else {
        let rows: Vec<Vec<String>> = lacking
            .iter()
            .map(|(identity, informed, rows)| {
                vec![
                    output::safe(identity),
                    informed.as_str().to_owned(),
                    output::count(*rows),
                ]
            })
            .collect();
        if !rows.is_empty() {
            output::table(out, &["IDENTITY", "NOTICE", "ROWS"], &rows)?;
        }
        writeln!(
            out,
            "{} of {} seen in records were not given version {version:?} of the notice.",
            output::count(rows.len() as u64),
            output::counted(seen.len() as u64, "identity", "identities"),
        )?;
        if is_cut {
            writeln!(out, "There are more; narrow the time with --from and --to.")?;
        }
    }
    let whole = whole(&searched.unreadable);
    let given = Given::rows(searched.rows).with("not_informed", lacking.len());
    let answer = match lacking.is_empty() && !is_cut {
        true => whole,
        false => Answer::No,
    };
    Ok((answer, given))
}

/// Whose row it is, as the ledger names them; None for rows that are nobody's.
fn identity(cells: &Cells<'_>, row: usize) -> Option<String> {
    let kinds: BTreeSet<&str> = ["request", "tunnel_close", "request_open", "tunnel_open"].into();
    if !kinds.contains(cells.str_at(Col::kind, row)?) {
        return None;
    }
    if let Some(user) = cells.str_at(Col::user, row) {
        return Some(user_key(user));
    }
    if let Some(device) = cells.str_at(Col::device, row) {
        return Some(format!("device:{device}"));
    }
    let client = cells.str_at(Col::client, row)?.parse().ok()?;
    Some(address_key(client).to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use weir_monitoring::{EventIds, Kind, Record, Recorder, RecorderSettings};

    use super::*;
    use crate::cli::tests::{loaded, said_with};

    #[test]
    fn the_coverage_report_names_whoever_is_seen_and_was_not_told_lm_06() {
        let (_directory, loaded) = loaded();
        let state = &loaded.settings.state;
        Users::edit(&loaded.settings.users_file(), |users| {
            users.add("anna", &[], b"secret")
        })
        .unwrap();
        let recorder =
            Recorder::start(RecorderSettings::new(loaded.settings.records_directory())).unwrap();
        let ids = EventIds::new();
        let mut lane = recorder.lane();
        for (user, client) in [
            (Some("Anna"), "192.0.2.1"),
            (Some("ben"), "192.0.2.2"),
            (None, "192.0.2.3"),
        ] {
            let mut record = Record::new(Kind::Request, ids.next(), 1_789_372_800_000_000);
            record.user = user.map(Into::into);
            record.client = Some(client.parse().unwrap());
            lane.push(record);
        }
        lane.flush();
        recorder.stop(Duration::from_secs(10)).unwrap();
        let coverage = || {
            said_with(|out| {
                let command = NoticeCommand::Coverage {
                    reading: Reading::for_purpose("regulatory-compliance"),
                    from: None,
                    to: None,
                    json: false,
                };
                command.run(&loaded, out)
            })
        };
        let (answer, text) = coverage();
        assert_eq!(answer, Answer::No);
        assert!(text.contains("3 of 3 identities"), "{text}");
        let given = |users: &[&str]| {
            let users: Vec<String> = users.iter().map(ToString::to_string).collect();
            let command = NoticeCommand::Given {
                users,
                devices: Vec::new(),
                how: "signed at enrolment".to_owned(),
            };
            command.run(&loaded, &mut Vec::new())
        };
        assert!(matches!(given(&["bob"]), Err(Failure::Refused(_))));
        assert!(matches!(given(&[]), Err(Failure::Arguments(_))));
        given(&["ANNA"]).unwrap();
        let (_, text) = coverage();
        assert!(
            text.contains("2 of 3 identities") && !text.contains("anna"),
            "{text}"
        );
        assert!(text.contains("user:ben") && text.contains("address:192.0.2.3"));
        let audit = std::fs::read_to_string(state.join("audit.jsonl")).unwrap();
        assert!(audit.contains("notice coverage") && audit.contains("regulatory-compliance"));
        let ledger = std::fs::read_to_string(state.join("notice.jsonl")).unwrap();
        assert!(ledger.contains("user:anna") && ledger.contains("told: signed at enrolment"));
    }
}
