//! Of how many people an answer tells: filters that leave very few single somebody out, whatever they are called (LM-12).
//!
//! Decides by what the records hold, not by the filter: a group of one pupil, a network with one machine, one evening in an empty
//! school. Looks before anything is shown, and only until there are enough.

use std::collections::HashSet;
use std::ops::ControlFlow;

use weir_config::Loaded;
use weir_monitoring::query::{self, Order, Query};
use weir_monitoring::{Cells, Col, Kind};

use super::super::Failure;
use super::store;
use crate::identify::user_key;

/// Of fewer people nothing is told without a case: of two, each knows which rows are the other's.
pub(super) const FEWEST: usize = 3;
/// Rows that are looked at, at most; who is alone in so many is alone.
const LOOK: u64 = 1_000_000;

/// Kinds of rows that tell of somebody who uses the network. Anybody can have a request refused or a sign-in fail without being
/// anybody, and would make a crowd of one person.
const USE: [Kind; 4] = [
    Kind::Request,
    Kind::RequestOpen,
    Kind::TunnelOpen,
    Kind::TunnelClose,
];
/// Kinds that tell of somebody besides; looked at where nothing else is asked for.
const ELSE: [Kind; 4] = [
    Kind::SignInFailure,
    Kind::Refusal,
    Kind::Notice,
    Kind::Dispute,
];

/// The query that tells whose rows would be shown; None where no filter could single anybody out, or no row would tell of people.
pub(super) fn narrowed(query: &Query) -> Option<Query> {
    let is_narrow = query.group.is_some()
        || query.network.is_some()
        || query.host.is_some()
        || query.category.is_some()
        || query.rule.is_some()
        || query.verdict.is_some()
        || query.from.is_some()
        || query.to.is_some();
    let is_asked = |kind: &Kind| query.kinds.is_empty() || query.kinds.contains(kind);
    let asked = [USE, ELSE].map(|kinds| kinds.into_iter().filter(is_asked).collect::<Vec<Kind>>());
    let kinds = asked.into_iter().find(|kinds| !kinds.is_empty());
    let kinds = kinds.unwrap_or_default();
    (is_narrow && query.case.is_none() && !kinds.is_empty()).then(|| Query {
        kinds,
        // What is shown first does not say whose history it is.
        limit: None,
        order: Order::Oldest,
        withhold_people: false,
        ..query.clone()
    })
}

/// Whether the rows are of some people, and of fewer than [`FEWEST`].
pub(super) fn are_few(loaded: &Loaded, query: &Query) -> Result<bool, Failure> {
    let mut seen = Seen::default();
    let mut rows = 0;
    let searched = query::search(&store(loaded)?, query, &mut |batch| {
        let cells = Cells::new(batch);
        for row in 0..batch.num_rows() {
            seen.add(
                cells.str_at(Col::user, row),
                cells.str_at(Col::device, row),
                cells.str_at(Col::client, row),
            );
            rows += 1;
            // Machines are enough only once all rows have shown that nobody is named.
            if seen.users.len() >= FEWEST || rows >= LOOK {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    });
    searched.map_err(Failure::refused)?;
    Ok((1..FEWEST).contains(&seen.people()))
}

/// Whom rows tell of: people by name; machines only where nobody is named at all. Printers and recorders are always there, and
/// hide nobody.
#[derive(Default)]
struct Seen {
    users: HashSet<String>,
    machines: HashSet<String>,
}

impl Seen {
    fn add(&mut self, user: Option<&str>, device: Option<&str>, client: Option<&str>) {
        match user {
            Some(user) => {
                self.users.insert(user_key(user));
            }
            // More are not told apart.
            None if self.machines.len() < FEWEST => {
                self.machines.extend(device.or(client).map(str::to_owned));
            }
            None => {}
        }
    }

    fn people(&self) -> usize {
        match self.users.len() {
            0 => self.machines.len(),
            users => users,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use weir_monitoring::{EventIds, Record, Recorder, RecorderSettings};

    use super::super::super::tests::loaded;
    use super::*;

    fn asked(change: impl FnOnce(&mut Query)) -> Query {
        let mut query = Query::default();
        change(&mut query);
        query
    }

    #[test]
    fn an_answer_about_fewer_than_three_people_is_known_by_whom_it_holds_and_not_by_its_filter_lm_12()
     {
        let (_directory, loaded) = loaded();
        let recorder =
            Recorder::start(RecorderSettings::new(loaded.settings.records_directory())).unwrap();
        let ids = EventIds::new();
        let mut lane = recorder.lane();
        // Three strangers whose requests were refused, in the time that is asked for.
        for stray in ["198.51.100.1", "198.51.100.2", "198.51.100.3"] {
            let mut record = Record::new(Kind::Refusal, ids.next(), 1_789_372_800_000_000);
            record.client = Some(stray.parse().unwrap());
            record.groups = Some("head".into());
            lane.push(record);
        }
        for (group, user, client) in [
            // One person at two machines, by two spellings, and signed off.
            ("head", Some("Anna"), "192.0.2.1"),
            ("head", Some("anna"), "192.0.2.2"),
            ("head", None, "192.0.2.2"),
            ("year-7", Some("ben"), "192.0.2.3"),
            ("year-7", Some("cara"), "192.0.2.3"),
            ("year-8", Some("dan"), "192.0.2.4"),
            ("year-8", Some("eve"), "192.0.2.4"),
            // A printer makes nobody less alone.
            ("year-8", None, "192.0.2.5"),
            ("year-9", Some("fay"), "192.0.2.6"),
            ("year-9", Some("gus"), "192.0.2.6"),
            ("year-9", Some("hal"), "192.0.2.6"),
            ("guests", None, "192.0.2.7"),
            ("guests", None, "192.0.2.8"),
            ("guests", None, "192.0.2.9"),
            ("printers", None, "192.0.2.5"),
        ] {
            let mut record = Record::new(Kind::Request, ids.next(), 1_789_372_800_000_000);
            record.groups = Some(group.into());
            record.user = user.map(Into::into);
            record.client = Some(client.parse().unwrap());
            lane.push(record);
        }
        lane.flush();
        recorder.stop(Duration::from_secs(10)).unwrap();
        let few = |query: &Query| {
            let narrowed = narrowed(query);
            narrowed.map(|query| are_few(&loaded, &query).unwrap())
        };
        for (group, expected) in [
            ("head", true),
            ("year-7", true),
            ("year-8", true),
            ("year-9", false),
            ("guests", false),
            ("printers", true),
            ("nobody", false),
        ] {
            let query = asked(|query| query.group = Some(group.to_owned()));
            assert_eq!(few(&query), Some(expected), "{group}");
        }
        // Whoever is shown first does not matter, everybody is nobody, and rows of no person hide none.
        let first = asked(|query| {
            query.group = Some("year-9".to_owned());
            query.limit = Some(1);
        });
        assert_eq!(few(&first), Some(false));
        assert_eq!(few(&Query::default()), None);
        let own = asked(|query| {
            query.kinds = vec![Kind::Start, Kind::Read];
            query.from = Some("2026-01-01T00:00:00Z".parse().unwrap());
        });
        assert_eq!(few(&own), None);
    }
}
