//! Mandatory lists in the running Weir: which slots there are, when a list is taken up by itself, and how a slot is told of.
//!
//! Decides the words of health, `weir check`, `weir explain` and the records about slots, never about an entry (AF-03). What
//! is on a list is decided in `weir_categories::sealed`, what becomes of a hit in `weir-policy`.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use weir_categories::sealed::{
    self, Fill, FillError, Filled, Protection, SIZE_MAX, Sealed, Slot, Stamp, State,
};
use weir_config::{MandatoryList, Settings};
use weir_monitoring::{End, Kind, Record};

use crate::cli::audit;
use crate::clock;
use crate::shared::Shared;
use crate::update::board::shown;

/// Begins the rule of a hit in records and on pages; no rule of a policy can begin so.
const RULE: &str = "mandatory:";

/// The time of ages and files, in seconds since 1970.
pub(crate) fn now() -> u64 {
    u64::try_from(Timestamp::now().as_second()).unwrap_or(0)
}

/// The slot of an entry of the configuration.
pub(crate) fn slot(list: &MandatoryList) -> Slot {
    Slot {
        name: Arc::clone(&list.name),
        title: Arc::clone(&list.title),
        stale_after: list.stale_after,
    }
}

/// What is in force of these settings. There is no error: what is wrong is in the slots' states.
pub(crate) fn load(settings: &Settings, last: Option<&Sealed>) -> Arc<Sealed> {
    let wanted: Vec<Slot> = settings.mandatory.iter().map(slot).collect();
    let directory = weir_config::lists::sealed(settings);
    Arc::new(sealed::load(&directory, &wanted, last))
}

/// The rule of a hit.
pub(crate) fn rule(state: &State) -> Arc<str> {
    format!("{RULE}{}", state.slot.name).into()
}

/// A plain text of a list, from a file or another reader; no more of it than may be.
pub(crate) fn read(from: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    from.take(SIZE_MAX + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// A crash must not leave the memory of a process that reads such lists on the disk (AF-03).
pub(crate) fn no_core_dumps() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = Rlimit {
        current: Some(0),
        maximum: getrlimit(Resource::Core).maximum,
    };
    if let Err(error) = setrlimit(Resource::Core, limit) {
        tracing::debug!(%error, "core dumps cannot be switched off");
    }
}

/// How a slot is, in one sentence: `not protected` unless a fresh list is in force (AF-02).
pub(crate) fn told(state: &State, now: u64) -> String {
    let Slot { name, title, .. } = &state.slot;
    let mut text = format!("{name} ({title}): ");
    let age = |seconds| shown(std::time::Duration::from_secs(seconds));
    if !state.is_protected(now) {
        text.push_str("not protected: ");
    }
    match (&state.held, state.age_seconds(now)) {
        (Some(held), Some(seconds)) => {
            let limit = match state.protection(now) {
                Protection::Stale => {
                    let limit = age(state.slot.stale_after.as_secs());
                    format!(", which is too old (stale_after {limit}); it stays enforced")
                }
                _ => String::new(),
            };
            let (entries, age) = (held.entries, age(seconds));
            text.push_str(&format!("{entries} entries, sealed {age} ago{limit}"));
            text.push_str(&match held.pages {
                0 => String::new(),
                pages => format!(
                    "; {pages} of them are single pages, which cannot be enforced inside encrypted tunnels (https)"
                ),
            });
        }
        _ if state.was_filled => text.push_str("there was a list, and nothing of it can be used"),
        _ => text.push_str("no list is installed"),
    }
    for alarm in alarms(state) {
        text.push_str("; ");
        text.push_str(&alarm);
    }
    text
}

/// What somebody should look at.
fn alarms(state: &State) -> Vec<String> {
    let refused = state.refused.as_ref().map(|refused| {
        let at = i64::try_from(refused.at).unwrap_or(i64::MAX);
        let at = Timestamp::from_second(at).unwrap_or(Timestamp::MAX);
        format!("the list offered at {at} was refused: {}", refused.why)
    });
    state.fault.clone().into_iter().chain(refused).collect()
}

/// The same for programs.
pub(crate) fn as_json(state: &State, now: u64) -> Value {
    let held = state.held.as_ref();
    json!({
        "list": &*state.slot.name,
        "title": &*state.slot.title,
        "protected": state.is_protected(now),
        "state": word(state.protection(now)),
        "entries": held.map(|held| held.entries),
        "entries_not_enforced_in_tunnels": held.map(|held| held.pages),
        "digest": held.map(|held| &held.digest),
        "age_seconds": state.age_seconds(now),
        "stale_after_seconds": state.slot.stale_after.as_secs(),
        "alarms": alarms(state),
    })
}

fn word(protection: Protection) -> &'static str {
    match protection {
        Protection::Protected => "protected",
        Protection::Alarmed => "protected, with an alarm",
        Protection::Stale => "not protected: too old",
        Protection::Empty => "not protected: no list",
        Protection::Lost => "not protected: the list is lost",
    }
}

/// Writes a row and a log line for every slot that is not as it was; at the start for every one that was ever filled.
pub(crate) fn tell(shared: &Shared, before: Option<&Sealed>, after: &Sealed) {
    let now = now();
    let mut lane = shared.lane();
    for state in after.slots() {
        let old =
            before.and_then(|before| before.slots().find(|old| old.slot.name == state.slot.name));
        let is_same = match old {
            Some(old) => old == state,
            None => !state.was_filled && state.fault.is_none() && state.refused.is_none(),
        };
        if is_same {
            continue;
        }
        let digest = state.held.as_ref().map(|held| held.digest.as_str());
        let note = format!(
            "mandatory list {}; digest {}",
            told(state, now),
            digest.unwrap_or("none")
        );
        let is_well = state.protection(now) == Protection::Protected;
        if is_well {
            tracing::info!("{note}");
        } else {
            tracing::error!("{note}");
        }
        let mut row = Record::new(Kind::Reload, shared.events.next(), clock::wall_micros());
        row.list = Some(Arc::clone(&state.slot.name));
        row.note = Some(note.into());
        row.end = if is_well { End::Complete } else { End::Refused };
        lane.push(row);
    }
    lane.flush();
}

/// What the files of mandatory lists look like, by name.
pub(crate) type Files = BTreeMap<String, Stamp>;

/// What is seen of the files of mandatory lists, and of the plain texts that are to be taken up.
#[derive(Default)]
pub(crate) struct Watch {
    /// When what is in force was read; none before the first look that finds any.
    files: Files,
    /// By slot: at the last look, and those that were offered.
    texts: BTreeMap<Arc<str>, Stamp>,
    offered: BTreeMap<Arc<str>, Stamp>,
}

impl Watch {
    /// Takes up plain texts that are new; gives what the files of the lists look like when that is not what is in force.
    /// At the first look no list counts as in force: one may have been sealed since the start. Blocks.
    pub(crate) fn look(&mut self, settings: &Settings) -> Option<Files> {
        let directory = weir_config::lists::sealed(settings);
        for list in &settings.mandatory {
            if let Some(from) = &list.from {
                self.look_for_text(settings, &directory, list, from);
            }
        }
        let files = sealed::stamps(&directory);
        (self.files != files).then_some(files)
    }

    /// The lists whose files looked like this are in force.
    pub(crate) fn taken(&mut self, files: Files) {
        self.files = files;
    }

    fn look_for_text(
        &mut self,
        settings: &Settings,
        directory: &Path,
        list: &MandatoryList,
        from: &Path,
    ) {
        let Some(stamp) = Stamp::of(from) else {
            self.texts.remove(&list.name);
            return;
        };
        // Twice the same: whoever writes it is done.
        let is_still = self.texts.insert(Arc::clone(&list.name), stamp) == Some(stamp);
        if !is_still || self.offered.get(&list.name) == Some(&stamp) {
            return;
        }
        self.offered.insert(Arc::clone(&list.name), stamp);
        if sealed::last_offered(directory, &list.name) == Some(stamp) {
            return;
        }
        let outcome = take_up(settings, directory, list, from, stamp);
        if let Err(FillError::Lock(_)) = &outcome {
            // A command is at it.
            self.offered.remove(&list.name);
        }
        if let Err(error) = outcome {
            tracing::error!("mandatory list {}: {error}", list.name);
        }
    }
}

fn take_up(
    settings: &Settings,
    directory: &Path,
    list: &MandatoryList,
    from: &Path,
    stamp: Stamp,
) -> Result<Filled, FillError> {
    let text = read(std::fs::File::open(from)?)?;
    let prepared = Fill::prepare(directory, &slot(list), &text, Some(stamp), now());
    drop(text);
    let note = |about| {
        let noted = audit::note(&settings.state, "lists seal (configured file)", about);
        noted.map_err(|failure| io::Error::other(failure.to_string()))
    };
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            note(json!({ "list": &*list.name, "refused": error.to_string() }))?;
            return Err(error);
        }
    };
    note(numbers(&list.name, prepared.filled()))?;
    prepared.commit()
}

/// What the audit file keeps of a list that was taken: numbers, and a digest that says nothing without the key. Not how much
/// of it was there before: that would tell whoever seals guesses how many of them are listed (AF-03).
pub(crate) fn numbers(list: &str, filled: &Filled) -> Value {
    json!({
        "list": list,
        "entries": filled.entries,
        "pages": filled.pages,
        "lines": filled.lines,
        "faults": filled.faults,
        "digest": filled.digest,
    })
}
