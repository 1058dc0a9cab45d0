//! The proof from the records: what every request was decided by, and when each change took hold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use weir_tests::process::Weir;
use weir_tests::records::{Row, rows};

use super::load::{Asked, Load, Sent};
use super::model::{Decision, Model};
use super::school::{School, State};

/// Rows that a client's request leaves.
const OF_CLIENTS: [&str; 6] = [
    "request",
    "request_open",
    "tunnel_open",
    "tunnel_close",
    "refusal",
    "sign_in_failure",
];

/// A school at work, whose lists are changed in every way, some changes so close on each other that no one waits for them.
fn changed_under_load(rounds: usize) -> (School, Vec<Sent>, Vec<Row>) {
    let (mut school, targets) = School::new();
    let weir = school.site.start();
    school.in_force(&weir);
    let load = Load::start(&targets);
    for round in 0..rounds {
        change(&mut school, &weir, &load, round);
    }
    // Something is asked under the last version, too.
    std::thread::sleep(Duration::from_millis(1500));
    let sent = load.stop();
    let (status, _) = weir.stop(Duration::from_secs(20));
    assert!(status.success(), "it drained");
    let purpose = ["--purpose", "effective-operation", "--case", "tests"];
    let args = [&["records", "export", "--format", "jsonl"], &purpose[..]].concat();
    let all = rows(&school.site.succeed(&args));
    (school, sent, all)
}

fn change(school: &mut School, weir: &Weir, load: &Load, round: usize) {
    let settled = |school: &mut School| {
        school.in_force(weir);
        // Some traffic under this version before the next.
        std::thread::sleep(Duration::from_millis(150));
        assert!(load.is_well(), "a client met something that it must not");
    };
    school.add("social", &["l0.test", "www.l1.test"]);
    settled(school);
    school.edit("gambling", "games", &["l2.test", "l3.test"], false);
    settled(school);
    school.update();
    settled(school);
    let name = school.far_gambling();
    school.remove("gambling", &[&name]);
    settled(school);
    // Three commands in a row, and nobody waits for the first two.
    let (one, two) = (
        format!("l{}.test", 4 + 2 * round),
        format!("l{}.test", 5 + 2 * round),
    );
    school.add("games", &[&one]);
    school.add("social", &[&two]);
    school.remove("education", &[&one, &two]);
    settled(school);
    school.undo();
    settled(school);
    school.import_back();
    settled(school);
    school.edit("games", "gambling", &["l2.test", "l3.test"], true);
    settled(school);
    let imported = school.imported();
    school.forget();
    settled(school);
    school.remember(&imported);
    settled(school);
    school.remove("social", &["l0.test", "www.l1.test"]);
    settled(school);
}

#[test]
fn every_request_is_decided_by_one_version_whole_while_lists_are_edited_imported_and_rolled_back() {
    let (school, sent, rows) = changed_under_load(2);
    let events = events(&rows);
    let pairs = paired(&sent, &events);
    assert!(pairs.len() > 1000, "{} requests are no load", pairs.len());
    versions_are_told_apart(&school.states);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for (sent, event) in &pairs {
        match judged(&school.states, sent, event) {
            Ok(version) => *seen.entry(version).or_default() += 1,
            Err(fault) => faults.push(format!("{fault}\n  {sent:?}\n  {}", event[0].0)),
        }
    }
    faults.truncate(5);
    assert!(
        faults.is_empty(),
        "of {}:\n{}",
        pairs.len(),
        faults.join("\n")
    );
    for state in school.states.iter().filter(|state| state.awaited) {
        assert!(
            seen.contains_key(&*state.version),
            "nobody asked under {}",
            state.what
        );
    }
    reloads_tell_their_versions(&school.states, &rows, seen.keys());
    eprintln!(
        "{} requests, {} changes, {} versions; whole under each: {:?}; in force after {:?}",
        pairs.len(),
        school.states.len() - 1,
        seen.len(),
        seen.values(),
        delays(&school.states, &rows)
    );
}

#[test]
fn a_change_of_lists_is_in_force_within_a_second_of_its_command() {
    let (school, _, rows) = changed_under_load(1);
    for (what, delay) in delays(&school.states, &rows) {
        assert!(delay < Duration::from_secs(1), "{what}: {delay:?}");
    }
}

/// Rows of one request or tunnel together, by the client's port, each port's in their order.
fn events(rows: &[Row]) -> BTreeMap<u64, Vec<Vec<&Row>>> {
    assert!(
        rows.iter().all(|row| row.text("kind") != "gap"),
        "no row was lost"
    );
    let mut by_event: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    let of_clients = rows
        .iter()
        .filter(|row| OF_CLIENTS.contains(&&*row.text("kind")));
    for row in of_clients {
        by_event.entry(row.text("event")).or_default().push(row);
    }
    let mut by_port: BTreeMap<u64, Vec<Vec<&Row>>> = BTreeMap::new();
    for rows in by_event.into_values() {
        by_port
            .entry(rows[0].number("client_port"))
            .or_default()
            .push(rows);
    }
    for events in by_port.values_mut() {
        events.sort_by_key(|rows| (micros(rows[0]), rows[0].number("seq")));
    }
    by_port
}

/// Every request with its rows: as many rows as requests, of each connection and in its order.
fn paired<'a>(
    sent: &'a [Sent],
    events: &'a BTreeMap<u64, Vec<Vec<&'a Row>>>,
) -> Vec<(&'a Sent, &'a [&'a Row])> {
    let mut by_port: BTreeMap<u64, Vec<&Sent>> = BTreeMap::new();
    for one in sent {
        by_port.entry(one.port.into()).or_default().push(one);
    }
    assert!(
        by_port.keys().eq(events.keys()),
        "each connection that asked is in the records, and no other"
    );
    let mut pairs = Vec::new();
    for (port, mut asked) in by_port {
        asked.sort_by_key(|sent| sent.begun);
        let events = &events[&port];
        assert_eq!(
            asked.len(),
            events.len(),
            "requests and rows of port {port}"
        );
        let rows = events.iter().map(|rows| &**rows);
        pairs.extend(asked.into_iter().zip(rows));
    }
    pairs
}

/// A version's name stands for one content, and a content for one name.
fn versions_are_told_apart(states: &[State]) {
    for one in states {
        for other in states {
            let (same, alike) = (one.version == other.version, one.model == other.model);
            assert_eq!(same, alike, "{} and {}", one.what, other.what);
        }
    }
    assert!(states.iter().filter(|state| state.awaited).count() >= 20);
}

/// Whether the row is what one version that was in force then says, whole; gives the version.
fn judged<'a>(states: &'a [State], sent: &Sent, rows: &[&Row]) -> Result<&'a str, String> {
    let row = rows[0];
    let version = row.text("lists_version");
    let replaced = |at: usize| {
        let later = states
            .iter()
            .skip(at + 1)
            .filter_map(|state| state.in_force);
        later.min().is_some_and(|when| when < sent.begun)
    };
    let mut possible = (0..states.len()).filter(|at| {
        let begun = states[*at].begun.0;
        (begun <= sent.answered || *at == 0) && !replaced(*at)
    });
    let state = possible.find(|at| states[*at].version == version);
    let state = match state {
        Some(at) => &states[at],
        None => return Err(format!("version {version:?} was not in force then")),
    };
    let expected = expected(&state.model, sent);
    for row in rows {
        told(row, sent, &expected)?;
        if row.text("lists_version") != version {
            return Err("its rows name two versions".to_owned());
        }
    }
    let kinds: Vec<String> = rows.iter().map(|row| row.text("kind")).collect();
    if kinds != expected.kinds {
        return Err(format!("rows {kinds:?} and not {:?}", expected.kinds));
    }
    if sent.status != expected.status {
        return Err(format!(
            "status {} and not {}",
            sent.status, expected.status
        ));
    }
    match &sent.asked {
        Asked::Hello { reached, .. } if *reached != expected.reached => Err(format!(
            "reached the origin: {reached:?}, and not {:?}",
            expected.reached
        )),
        _ => Ok(&state.version),
    }
}

/// What the client and the records must show.
struct Expected {
    decision: Decision,
    status: u16,
    kinds: Vec<&'static str>,
    reached: Option<bool>,
}

fn expected(model: &Model, sent: &Sent) -> Expected {
    let first = model.decide(&sent.host);
    let stopped = |decision: Decision, status, reached| Expected {
        decision,
        status,
        kinds: vec!["request"],
        reached,
    };
    if !first.is_allowed() {
        return stopped(first, 403, None);
    }
    let mut decision = first;
    let (kinds, reached) = match &sent.asked {
        Asked::Page => (vec!["request"], None),
        Asked::Tunnel => (vec!["tunnel_open", "tunnel_close"], None),
        Asked::Hello { sni, .. } => {
            // The stricter of two names wins; traffic that passes is of both.
            let second = model.decide(sni);
            if !second.is_allowed() {
                return stopped(second, 200, Some(false));
            }
            decision.categories.extend(second.categories);
            (vec!["tunnel_open", "tunnel_close"], Some(true))
        }
    };
    Expected {
        decision,
        status: 200,
        kinds,
        reached,
    }
}

fn told(row: &Row, sent: &Sent, expected: &Expected) -> Result<(), String> {
    let Decision {
        verdict,
        rule,
        category,
        categories,
        found,
    } = &expected.decision;
    let (list, entry) = match found {
        Some((list, entry)) => (*list, entry.as_str()),
        None => ("", ""),
    };
    let status = expected.status.to_string();
    let must = [
        ("host", &*sent.host),
        ("verdict", verdict),
        ("rule", rule),
        ("category", category),
        ("list", list),
        ("entry", entry),
        ("status", &status),
    ];
    for (field, text) in must {
        if row.text(field) != text {
            return Err(format!("{field} is {:?} and not {text:?}", row.text(field)));
        }
    }
    let all = row.text("categories");
    let all: BTreeSet<String> = all.split(',').map(str::to_owned).collect();
    if all != *categories {
        return Err(format!("categories are {all:?} and not {categories:?}"));
    }
    if !sent.event.is_empty() && sent.event != row.text("event") {
        return Err(format!("the page shows event {}", sent.event));
    }
    Ok(())
}

/// Each reload that was done names a version of the test's, and traffic has seen none that no reload brought.
fn reloads_tell_their_versions<'a>(
    states: &[State],
    rows: &[Row],
    seen: impl Iterator<Item = &'a &'a str>,
) {
    let known: BTreeSet<&str> = states.iter().map(|state| &*state.version).collect();
    let reloads = rows.iter().filter(|row| row.text("kind") == "reload");
    let mut brought: BTreeSet<String> = reloads.map(|row| row.text("lists_version")).collect();
    for version in &brought {
        assert!(
            known.contains(&**version),
            "{version:?} is no version of the test's"
        );
    }
    brought.insert(states[0].version.clone());
    for version in seen {
        assert!(
            brought.contains(*version),
            "{version} came without a reload"
        );
    }
}

/// From the end of each change that the test waited for to the first request that was decided by it.
fn delays(states: &[State], rows: &[Row]) -> Vec<(String, Duration)> {
    let of_clients = rows
        .iter()
        .filter(|row| OF_CLIENTS.contains(&&*row.text("kind")));
    let told: Vec<(u64, String)> = of_clients
        .map(|row| (micros(row), row.text("lists_version")))
        .collect();
    let awaited = states.iter().skip(1).filter(|state| state.awaited);
    let delay = |state: &State| {
        let begun = since_epoch(state.begun.1);
        let fits = |(when, version): &&(u64, String)| *when >= begun && *version == state.version;
        let first = told.iter().filter(fits).map(|(when, _)| *when).min();
        let first = first.unwrap_or(u64::MAX);
        let delay = first.saturating_sub(since_epoch(state.done.1));
        (state.what.clone(), Duration::from_micros(delay))
    };
    awaited.map(delay).collect()
}

fn since_epoch(when: SystemTime) -> u64 {
    when.duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

/// When a row begins, in microseconds since the epoch.
fn micros(row: &Row) -> u64 {
    let text = row.text("time");
    let number = |from: usize, to: usize| -> i64 { text[from..to].parse().expect("a time") };
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    // Days since the epoch, of years that begin in March.
    let (y, m) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let seconds = days * 86_400 + number(11, 13) * 3600 + number(14, 16) * 60 + number(17, 19);
    let fraction = text[19..].trim_start_matches('.').trim_end_matches('Z');
    let fraction: u64 = format!("{fraction:0<6}")[..6].parse().expect("a fraction");
    seconds as u64 * 1_000_000 + fraction
}
