#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::paths::{Layout, moment};
use crate::testing::{Dice, Traffic, numbered, rows_of, settings, stop, store, wait_until};
use crate::{Cells, Col, Record, Recorder};

/// Records `records` so that they lie in several segments and, the last of them, in a live journal.
fn recorded(directory: &Path, records: &[Record], segment_rows: usize) -> Recorder {
    let mut own = settings(directory);
    own.segment_rows = segment_rows;
    let recorder = Recorder::start(own).unwrap();
    let mut lane = recorder.lane();
    for (at, record) in records.iter().enumerate() {
        lane.push(record.clone());
        if at % 250 == 249 {
            lane.flush();
            wait_until(&recorder, "drained", |health| health.queued == 0);
        }
    }
    lane.flush();
    wait_until(&recorder, "drained", |health| {
        health.queued == 0 && health.unsealed == 0
    });
    recorder
}

/// Varied records; `bytes_up` is the place in the list.
fn varied(count: u64) -> Vec<Record> {
    let mut traffic = Traffic::new(11, 12, 40);
    let varied = |at: u64| {
        let mut record = traffic.record();
        let dice = &mut traffic.dice;
        record.bytes_up = at;
        record.time = 1_790_000_000_000_000 + dice.below(count) as i64 * 1_000_000;
        record.kind = Kind::ALL[dice.below(6) as usize];
        record.verdict = Verdict::ALL[dice.below(4) as usize];
        if dice.chance(30) {
            record.user = None;
            record.device = Some(format!("desk-{}", dice.below(5)).into());
        }
        if dice.chance(10) {
            record.host = Some("notsite1.example".into());
            record.sni = Some("Deep.api.site1.example".to_lowercase().into());
        }
        if dice.chance(20) {
            record.categories = Some("category-1,category-10,ads".into());
        }
        if dice.chance(5) {
            record.note = Some("Wrong PASSWORD, three times".into());
        }
        record
    };
    (0..count).map(varied).collect()
}

/// A query whose filters are taken from one record, so that something matches.
fn query_like(record: &Record, dice: &mut Dice) -> Query {
    let mut query = Query::default();
    let text = |value: &Option<std::sync::Arc<str>>| value.as_deref().map(str::to_owned);
    if dice.chance(35) {
        query.user = text(&record.user);
    }
    if dice.chance(10) {
        query.device = text(&record.device);
    }
    if dice.chance(10) {
        query.network = text(&record.network);
    }
    if dice.chance(15) {
        query.group =
            Some(["pupils", "year-7", "year-8", "year"][dice.below(4) as usize].to_owned());
    }
    if dice.chance(10) {
        query.client = record.client;
    }
    if dice.chance(30) {
        let host = record.host.as_deref().unwrap();
        query.exact_host = dice.chance(40);
        let below = host.split_once('.').map_or(host, |(_, parent)| parent);
        query.host = Some(if dice.chance(50) {
            below.to_uppercase() + "."
        } else {
            host.to_owned()
        });
    }
    if dice.chance(15) {
        query.category = Some(
            ["category-1", "category-10", "ads", "category"][dice.below(4) as usize].to_owned(),
        );
    }
    if dice.chance(10) {
        query.rule = text(&record.rule);
    }
    if dice.chance(20) {
        query.verdict = Some(record.verdict);
    }
    if dice.chance(20) {
        query.kinds = vec![record.kind, Kind::Refusal];
    }
    if dice.chance(5) {
        query.event = Some(record.event);
    }
    if dice.chance(40) {
        query.from = Some(moment(record.time - dice.below(900_000_000) as i64));
    }
    if dice.chance(40) {
        query.to = Some(moment(record.time + dice.below(900_000_000) as i64));
    }
    if dice.chance(10) {
        query.text =
            Some(["password", "SITE1.", "/page/1", "gambling"][dice.below(4) as usize].to_owned());
    }
    query
}

/// What the query means, said a second time and differently.
fn is_wanted(record: &Record, query: &Query) -> bool {
    let same = |wanted: &Option<String>, value: &Option<std::sync::Arc<str>>| {
        wanted.is_none() || wanted.as_deref() == value.as_deref()
    };
    let listed = |value: &Option<std::sync::Arc<str>>, wanted: &str| {
        format!(",{},", value.as_deref().unwrap_or_default()).contains(&format!(",{wanted},"))
    };
    let path = record.path.as_deref().filter(|_| record.is_flagged());
    let texts = [
        record.user.as_deref(),
        record.device.as_deref(),
        record.host.as_deref(),
        record.sni.as_deref(),
        path,
        record.rule.as_deref(),
        record.category.as_deref(),
        record.list.as_deref(),
        record.entry.as_deref(),
        record.note.as_deref(),
    ];
    let covers = |name: Option<&str>| {
        let (Some(name), Some(wanted)) = (name, &query.host) else {
            return false;
        };
        let wanted = wanted.trim_end_matches('.').to_lowercase();
        let mut parents = vec![name];
        while let Some((_, parent)) = parents.last().unwrap().split_once('.') {
            parents.push(parent);
        }
        if query.exact_host {
            name == wanted
        } else {
            parents.contains(&wanted.as_str())
        }
    };
    same(&query.user, &record.user)
        && same(&query.device, &record.device)
        && same(&query.network, &record.network)
        && same(&query.rule, &record.rule)
        && query
            .group
            .as_ref()
            .is_none_or(|group| listed(&record.groups, group))
        && query.category.as_ref().is_none_or(|category| {
            listed(&record.categories, category) || record.category.as_deref() == Some(category)
        })
        && (query.client.is_none() || query.client == record.client)
        && (query.host.is_none() || covers(record.host.as_deref()) || covers(record.sni.as_deref()))
        && query
            .verdict
            .is_none_or(|verdict| verdict == record.verdict)
        && (query.kinds.is_empty() || query.kinds.contains(&record.kind))
        && query.event.is_none_or(|event| event == record.event)
        && query
            .from
            .is_none_or(|from| record.time >= from.as_microsecond())
        && query.to.is_none_or(|to| record.time < to.as_microsecond())
        && query.text.as_ref().is_none_or(|text| {
            texts
                .iter()
                .flatten()
                .any(|value| value.to_lowercase().contains(&text.to_lowercase()))
        })
}

/// Places of the wanted records in the order asked for.
fn expected(records: &[Record], query: &Query) -> Vec<u64> {
    let mut wanted: Vec<(i64, u64)> = records
        .iter()
        .filter(|record| is_wanted(record, query))
        .map(|record| (record.time, record.bytes_up))
        .collect();
    wanted.sort_unstable();
    if query.order == Order::Newest {
        wanted.reverse();
    }
    let limit = query.limit.unwrap_or(u64::MAX) as usize;
    wanted
        .into_iter()
        .map(|(_, place)| place)
        .take(limit)
        .collect()
}

/// Places of the rows found, those about the records themselves left out.
fn found(directory: &Path, query: &Query, window: usize) -> Vec<u64> {
    let mut places = Vec::new();
    let searched = run(
        &store(directory),
        &Matcher::new(query),
        query,
        window,
        &mut |batch| {
            let cells = Cells::new(batch);
            let of_traffic = |row: &usize| cells.str_at(Col::kind, *row) != Some("start");
            places.extend(
                (0..batch.num_rows())
                    .filter(of_traffic)
                    .map(|row| cells.u64_at(Col::bytes_up, row)),
            );
            ControlFlow::Continue(())
        },
    );
    assert_eq!(searched.unwrap().unreadable, []);
    places
}

#[test]
fn a_search_finds_what_a_plain_reading_of_the_query_finds_in_journal_and_segments() {
    let directory = tempfile::tempdir().unwrap();
    let records = varied(3_000);
    let recorder = recorded(directory.path(), &records, 700);
    let layout = Layout::new(directory.path());
    // The keeper seals behind the writer.
    let sealed = || -> usize {
        let periods = layout.list_periods().unwrap();
        let segments = periods
            .iter()
            .map(|(_, period)| layout.list_segments(period).unwrap().len());
        segments.sum()
    };
    let started = std::time::Instant::now();
    while sealed() < 4 && started.elapsed() < std::time::Duration::from_secs(20) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(sealed(), 4);
    let mut dice = Dice::new(21);
    let mut matches = 0;
    for round in 0..150 {
        let mut query = query_like(&records[dice.below(3_000) as usize], &mut dice);
        query.order = if dice.chance(50) {
            Order::Oldest
        } else {
            Order::Newest
        };
        query.limit = dice.chance(30).then(|| dice.below(400));
        if query.limit.is_some() {
            // The start row, much later than the traffic, would count too.
            query.to = query.to.or(Some(moment(1_790_010_000_000_000)));
        }
        let expected = expected(&records, &query);
        matches += expected.len();
        let window = [150, 700, WINDOW][round % 3];
        assert_eq!(
            found(directory.path(), &query, window),
            expected,
            "{query:?} by {window}"
        );
    }
    assert!(matches > 5_000, "{matches}");
    stop(&recorder);
}

#[test]
fn pages_and_filters_that_cannot_match_are_left_out_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let mut traffic = Traffic::new(3, 300, 3_000);
    let mut records: Vec<Record> = (0..40_000).map(|_| traffic.record()).collect();
    for (place, record) in (0..).zip(&mut records) {
        record.bytes_up = place;
    }
    let recorder = recorded(directory.path(), &records, 1 << 20);
    stop(&recorder);
    let mut dice = Dice::new(4);
    for _ in 0..40 {
        let like = &records[dice.below(40_000) as usize];
        let user = like.user.as_deref().map(str::to_owned);
        let host = like.host.as_deref().map(str::to_owned);
        let queries = [
            Query {
                user: user.clone(),
                ..Query::default()
            },
            Query {
                user,
                from: Some(moment(like.time - 500_000)),
                to: Some(moment(like.time + 1)),
                ..Query::default()
            },
            Query {
                event: Some(like.event),
                ..Query::default()
            },
            Query {
                host,
                exact_host: true,
                ..Query::default()
            },
            Query {
                host: Some("never.example".to_owned()),
                exact_host: true,
                ..Query::default()
            },
        ];
        for query in queries {
            assert_eq!(
                found(directory.path(), &query, WINDOW),
                expected(&records, &query),
                "{query:?}"
            );
        }
    }
}

#[test]
fn a_search_while_rows_are_written_and_sealed_sees_each_row_once_and_misses_none() {
    let directory = tempfile::tempdir().unwrap();
    let mut own = settings(directory.path());
    own.segment_rows = 1_500;
    let recorder = Recorder::start(own).unwrap();
    let mut lane = recorder.lane();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..50_000 {
                lane.push(numbered("ann", number));
                if number % 50 == 49 {
                    lane.flush();
                    std::thread::sleep(std::time::Duration::from_millis(3));
                }
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
            lane.flush();
        });
        for _ in 0..40 {
            let written = recorder.health().written;
            let mut seen = BTreeSet::new();
            for row in rows_of(directory.path(), &Query::default()) {
                assert!(seen.insert(row.seq), "row {} twice", row.seq);
            }
            assert!(seen.len() as u64 >= written);
            assert_eq!(
                seen.last().copied().unwrap_or(0),
                seen.len() as u64,
                "a row is missing"
            );
        }
        is_over.store(true, Ordering::Relaxed);
    });
    stop(&recorder);
}

#[test]
fn an_unreadable_segment_is_named_and_ends_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = recorded(directory.path(), &varied(500), 200);
    stop(&recorder);
    let layout = Layout::new(directory.path());
    let period = layout.list_periods().unwrap().pop().unwrap().1;
    let (name, path) = layout.list_segments(&period).unwrap().remove(0);
    std::fs::write(&path, b"not a segment").unwrap();
    let mut rows = 0;
    let searched = search(&store(directory.path()), &Query::default(), &mut |batch| {
        rows += batch.num_rows();
        ControlFlow::Continue(())
    });
    let searched = searched.unwrap();
    let lost = name.last.unwrap();
    assert_eq!(rows as u64, 502 - lost);
    assert_eq!(searched.unreadable.len(), 1);
    assert!(searched.unreadable[0].name.ends_with(&name.to_string()));
}

#[test]
fn a_directory_without_records_has_none() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(
        rows_of(&directory.path().join("never"), &Query::default()),
        []
    );
}

#[test]
fn a_search_ends_when_it_is_told_to() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = recorded(directory.path(), &varied(900), 400);
    let mut calls = 0;
    let query = Query::default();
    run(
        &store(directory.path()),
        &Matcher::new(&query),
        &query,
        50,
        &mut |_| {
            calls += 1;
            if calls == 3 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        },
    )
    .unwrap();
    assert_eq!(calls, 3);
    stop(&recorder);
}

#[test]
fn a_query_reads_back_from_its_statement_and_refuses_unknown_filters() {
    let query = Query {
        user: Some("ann".to_owned()),
        client: Some("192.0.2.1".parse().unwrap()),
        verdict: Some(Verdict::Block),
        kinds: vec![Kind::TunnelClose],
        event: Some(EventId(0xabc)),
        from: Some("2026-09-01T00:00:00Z".parse().unwrap()),
        limit: Some(5),
        order: Order::Newest,
        ..Query::default()
    };
    let text = serde_json::to_string(&query).unwrap();
    assert!(
        text.contains("\"0000000000000abc\"") && text.contains("\"2026-09-01T00:00:00Z\""),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<Query>(&text).unwrap(), query);
    assert!(serde_json::from_str::<Query>("{\"usr\":\"ann\"}").is_err());
}

#[test]
fn a_mangled_segment_ends_no_search_by_a_fault_and_hides_no_row_silently() {
    let directory = tempfile::tempdir().unwrap();
    let records = varied(600);
    stop(&recorded(directory.path(), &records, 1 << 20));
    let layout = Layout::new(directory.path());
    let period = layout.list_periods().unwrap().pop().unwrap().1;
    let path = layout.list_segments(&period).unwrap().pop().unwrap().1;
    let whole = std::fs::read(&path).unwrap();
    let mut dice = Dice::new(78);
    let mut unreadable = 0;
    for (round, record) in records.iter().enumerate().take(400) {
        let mut bytes = whole.clone();
        let at = dice.below(bytes.len() as u64) as usize;
        let end = (at + 1 + dice.below(16) as usize).min(bytes.len());
        bytes[at..end]
            .iter_mut()
            .for_each(|byte| *byte ^= dice.roll() as u8);
        if round % 10 == 0 {
            bytes.truncate(at);
        }
        let of_person = Query {
            user: record.user.as_deref().map(str::to_owned),
            ..Query::default()
        };
        let query = query_like(record, &mut dice);
        for query in [query, of_person, Query::default()] {
            let searched = |bytes: &[u8]| {
                std::fs::write(&path, bytes).unwrap();
                search(&store(directory.path()), &query, &mut |_| {
                    ControlFlow::Continue(())
                })
                .unwrap()
            };
            let (expected, found) = (searched(&whole), searched(&bytes));
            assert!(found.rows == expected.rows || !found.unreadable.is_empty());
            unreadable += found.unreadable.len();
        }
    }
    assert!(unreadable > 0);
}
