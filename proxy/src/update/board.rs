//! What the running Weir knows of its list sources, for health and metrics.
//!
//! Decides which source is an alarm.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use weir_config::ListSource;

use super::state::State;

/// One source as it was last seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) source: ListSource,
    pub(crate) state: State,
}

/// The sources that are kept up to date. Read and replaced as a whole.
#[derive(Default)]
pub(crate) struct Board(Mutex<Arc<[Seen]>>);

impl Board {
    /// All of them.
    pub(crate) fn seen(&self) -> Arc<[Seen]> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts up others.
    pub(crate) fn put(&self, seen: Vec<Seen>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen.into();
    }

    /// A sentence for every source that somebody should look at.
    pub(crate) fn alarms(&self, now: Timestamp) -> Vec<String> {
        let seen = self.seen();
        seen.iter().filter_map(|seen| seen.alarm(now)).collect()
    }
}

impl Seen {
    /// What is wrong with it, if anything is.
    pub(crate) fn alarm(&self, now: Timestamp) -> Option<String> {
        let name = &self.source.name;
        let stale = self.state.is_stale(&self.source, now);
        if self.state.fault.is_none() && !stale {
            return None;
        }
        let age = match self.state.age(now) {
            Some(age) => format!("last good {} ago", shown(age)),
            None => "never fetched".to_owned(),
        };
        let stale = if stale && self.state.good.is_some() {
            ", which is too old"
        } else {
            ""
        };
        let fault = self.state.fault.as_ref();
        let fault = fault.map_or(String::new(), |fault| format!(": {fault}"));
        Some(format!(
            "list {name} is not up to date ({age}{stale}){fault}"
        ))
    }
}

/// A time as people say it, in its largest unit.
pub(crate) fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "min")];
    match units.iter().find(|(unit, _)| seconds >= 2 * unit) {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::update::tests::source;

    #[test]
    fn a_source_is_an_alarm_when_its_last_look_failed_or_is_long_ago() {
        let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        let board = Board::default();
        let mut seen = Seen {
            source: source("refresh = '1h'"),
            state: State::default(),
        };
        assert_eq!(seen.alarm(at(0)), None);
        seen.state.tried = Some(at(0));
        seen.state.fault = Some("the answer is status 500".to_owned());
        board.put(vec![seen.clone()]);
        assert_eq!(
            board.alarms(at(60)),
            ["list ads is not up to date (never fetched): the answer is status 500"]
        );
        (seen.state.fault, seen.state.good) = (None, Some(at(0)));
        assert_eq!(seen.alarm(at(3 * 3600)), None);
        let told = seen.alarm(at(4 * 3600)).unwrap();
        assert_eq!(
            told,
            "list ads is not up to date (last good 4 h ago, which is too old)"
        );
    }

    #[test]
    fn times_are_told_in_their_largest_unit() {
        let told = |seconds| shown(Duration::from_secs(seconds));
        assert_eq!(told(0), "0 s");
        assert_eq!(told(119), "119 s");
        assert_eq!(told(7199), "119 min");
        assert_eq!(told(172_800), "2 d");
    }
}
