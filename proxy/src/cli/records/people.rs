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

/// Kinds of rows that tell of somebody who uses the network.
const KINDS: [Kind; 8] = [
    Kind::Request,
    Kind::RequestOpen,
    Kind::TunnelOpen,
    Kind::TunnelClose,
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
    let kinds: Vec<Kind> = KINDS.into_iter().filter(is_asked).collect();
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
            if seen.people() >= FEWEST || rows >= LOOK {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    });
    searched.map_err(Failure::refused)?;
    Ok((1..FEWEST).contains(&seen.people()))
}

/// Whom rows tell of: people by name, else machines. A machine at which somebody signed in is nobody besides.
#[derive(Default)]
struct Seen {
    users: HashSet<String>,
    machines: HashSet<String>,
    theirs: HashSet<String>,
}

impl Seen {
    fn add(&mut self, user: Option<&str>, device: Option<&str>, client: Option<&str>) {
        let machine = device.or(client).map(str::to_owned);
        match user {
            Some(user) => {
                self.users.insert(user_key(user));
                self.theirs.extend(machine);
            }
            None => self.machines.extend(machine),
        }
    }

    fn people(&self) -> usize {
        self.users.len() + self.machines.difference(&self.theirs).count()
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
        for (group, user, client) in [
            // One person at two machines, by two spellings, and signed off.
            ("head", Some("Anna"), "192.0.2.1"),
            ("head", Some("anna"), "192.0.2.2"),
            ("head", None, "192.0.2.2"),
            ("year-7", Some("ben"), "192.0.2.3"),
            ("year-7", Some("cara"), "192.0.2.3"),
            ("year-8", Some("dan"), "192.0.2.4"),
            ("year-8", Some("eve"), "192.0.2.4"),
            ("year-8", None, "192.0.2.5"),
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
            ("year-8", false),
            ("nobody", false),
        ] {
            let query = asked(|query| query.group = Some(group.to_owned()));
            assert_eq!(few(&query), Some(expected), "{group}");
        }
        // Whoever is shown first does not matter, everybody is nobody, and rows of no person hide none.
        let first = asked(|query| {
            query.group = Some("year-8".to_owned());
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
