//! Files beside the records, against what checkpoints say of them: the authorisations, the ledger of the notice, the versions of
//! the lists (LM-01, LM-06, LM-34).
//!
//! Decides: a file whose beginning is another than the newest checkpoint that names it says is a fault. That it was written anew
//! between two checkpoints, and what was added after the last, is told. What is in it is not judged.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Component, Path};

use weir_evidence::digests_of_beginnings;

use crate::log::{Kept, Told};
use crate::report::{Place, Report};

/// Files that lie there for as long as records name them.
const PASSING: &str = "policies/";

/// Checks the files that the log of a node names; without the state directory it says that they were not.
pub(crate) fn check(told: &Told, node: &str, state: Option<&Path>, report: &mut Report) {
    if told.kept.is_empty() {
        return;
    }
    let Some(state) = state else {
        let named: Vec<&str> = told.kept.keys().map(String::as_str).take(3).collect();
        report.remarks.push(format!(
            "checkpoints speak of {} files beside the records ({} …), which were not checked: --state says where they lie",
            told.kept.len(),
            named.join(", ")
        ));
        return;
    };
    let (mut good, mut gone) = (BTreeMap::new(), 0);
    for (name, kept) in &told.kept {
        let Some(newest) = kept.iter().max_by_key(|it| it.number) else {
            continue;
        };
        let place = Place::checkpoint(newest.number).of_file(name);
        match judge(state, name, kept) {
            Ok(Some(judged)) => {
                if !judged.is_right {
                    let what =
                        "it is not what the checkpoint says: it was altered or cut off since";
                    report.fault(node, place, what);
                    continue;
                }
                judged.tell(name, newest.number, report);
                *good.entry(told_as(name)).or_insert(0_u64) += 1;
            }
            Ok(None) if name.starts_with(PASSING) => gone += 1,
            Ok(None) => report.fault(node, place, "it is not there, and a checkpoint names it"),
            Err(error) => report.fault(node, place, format!("it cannot be read: {error}")),
        }
    }
    if !good.is_empty() {
        let good: Vec<String> = good
            .iter()
            .map(|(name, count)| match count {
                1 => (*name).to_owned(),
                count => format!("{count} times {name}"),
            })
            .collect();
        report.remarks.push(format!(
            "of the files beside the records these are what the log says: {}",
            good.join(", ")
        ));
    }
    if gone > 0 {
        report.remarks.push(format!(
            "{gone} versions of lists that checkpoints name are not there: their time is over, or they were removed"
        ));
    }
}

fn told_as(name: &str) -> &str {
    match name.starts_with(PASSING) {
        true => "versions of the lists",
        false => name,
    }
}

/// What became of one file.
struct Judged {
    /// Whether it begins as the newest checkpoint that names it says.
    is_right: bool,
    /// The last earlier checkpoint that says another beginning.
    before: Option<u64>,
    /// Bytes behind what any checkpoint says.
    after: u64,
}

impl Judged {
    fn tell(&self, name: &str, newest: u64, report: &mut Report) {
        if let Some(before) = self.before {
            report.remarks.push(format!(
                "{name} was written anew between checkpoint {before} and {newest}: it does not begin any more as {before} says"
            ));
        }
        if self.after > 0 {
            report.remarks.push(format!(
                "the last {} bytes of {name} came after checkpoint {newest}: nothing proves when and by whom",
                self.after
            ));
        }
    }
}

/// None when it is not there.
fn judge(state: &Path, name: &str, kept: &[Kept]) -> io::Result<Option<Judged>> {
    let is_below = |part: Component<'_>| matches!(part, Component::Normal(_));
    if !Path::new(name).components().all(is_below) {
        return Err(io::Error::other("this is no name of a file beside records"));
    }
    let file = match File::open(state.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let length = file.metadata()?.len();
    let mut by_end: Vec<&Kept> = kept.iter().collect();
    by_end.sort_by_key(|it| it.bytes);
    let ends: Vec<u64> = by_end.iter().map(|it| it.bytes).collect();
    let found = digests_of_beginnings(io::BufReader::new(file), &ends)?;
    let is_said = |(it, found): (&&Kept, &Option<_>)| (it.number, *found == Some(it.digest));
    let said: BTreeMap<u64, bool> = by_end.iter().zip(&found).map(is_said).collect();
    let newest = said.last_key_value();
    let others = said.iter().rev().skip(1);
    let end = kept.iter().max_by_key(|it| it.number);
    Ok(Some(Judged {
        is_right: newest.is_some_and(|(_, is_said)| *is_said),
        before: others
            .filter(|(_, is_said)| !**is_said)
            .map(|(number, _)| *number)
            .next(),
        after: length.saturating_sub(end.map_or(0, |it| it.bytes)),
    }))
}
