//! The checked type of `[[mandatory]]`, and the slots that are there whatever the file says (AF-01, AF-02).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Slots that no configuration takes away: name and title.
pub(crate) const BUILT_IN: [(&str, &str); 2] = [
    ("iwf", "Internet Watch Foundation URL list"),
    ("ctiru", "Counter-Terrorism Internet Referral Unit list"),
];
/// Age at which a list of a slot that the file does not name no longer counts as protection.
const STALE_AFTER: Duration = Duration::from_secs(7 * 86_400);

/// `[[mandatory]]`, or a slot that is built in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MandatoryList {
    /// Unique; part of file names, records and rule names.
    pub name: Arc<str>,
    /// In words.
    pub title: Arc<str>,
    /// Where its plain text is put to be taken up; absolute.
    pub from: Option<PathBuf>,
    /// Age at which the list no longer counts as protection.
    pub stale_after: Duration,
}

/// What the file names, after the slots that are built in: naming one of those only adds to what is said of it.
pub(crate) fn with_built_in(named: Vec<MandatoryList>) -> Vec<MandatoryList> {
    let mut slots: Vec<MandatoryList> = BUILT_IN
        .into_iter()
        .map(|(name, title)| MandatoryList {
            name: name.into(),
            title: title.into(),
            from: None,
            stale_after: STALE_AFTER,
        })
        .collect();
    for list in named {
        match slots.iter_mut().find(|slot| slot.name == list.name) {
            Some(slot) => {
                (slot.from, slot.stale_after) = (list.from, list.stale_after);
                if !list.title.is_empty() {
                    slot.title = list.title;
                }
            }
            None if list.title.is_empty() => slots.push(MandatoryList {
                title: Arc::clone(&list.name),
                ..list
            }),
            None => slots.push(list),
        }
    }
    slots
}
