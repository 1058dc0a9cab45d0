//! What sharing promises, on a virtual clock, plus one run with real threads.

use std::time::Duration;

use crate::simulation::{Asks, Line, cap};
use crate::{Cap, Direction};

mod lifecycle;
mod properties;
mod threads;

/// 20 Mbit/s.
const LINE: u64 = 2_500_000;

fn assert_near(what: &str, got: usize, expected: f64, tolerance: f64) {
    let off = (got as f64 - expected).abs() / expected;
    assert!(
        off <= tolerance,
        "{what}: {got} of {expected:.0}, off by {:.1} %",
        off * 100.0
    );
}

fn seconds(line: &Line) -> f64 {
    (line.now - line.start).as_secs_f64()
}

#[test]
fn aup_10_twenty_connections_get_no_more_than_one() {
    for gap in [0, 500, 3_000] {
        let mut line = Line::new(Some(LINE), Some(LINE));
        let asks = Asks {
            gap: Duration::from_micros(gap),
            ..Asks::default()
        };
        line.add("many", 20, &asks);
        line.add("one", 1, &asks);
        line.run(Duration::from_secs(3));
        let half = LINE as f64 * 3.0 / 2.0;
        assert_near(&format!("many, gap {gap}"), line.moved("many"), half, 0.05);
        assert_near(&format!("one, gap {gap}"), line.moved("one"), half, 0.05);
    }
}

#[test]
fn aup_10_small_requests_lose_nothing_to_large_ones() {
    let mut line = Line::new(Some(LINE), None);
    line.add(
        "large",
        20,
        &Asks {
            want: 1 << 20,
            ..Asks::default()
        },
    );
    line.add(
        "small",
        4,
        &Asks {
            want: 4 << 10,
            gap: Duration::ZERO,
            ..Asks::default()
        },
    );
    line.run(Duration::from_secs(3));
    assert_near("small", line.moved("small"), LINE as f64 * 1.5, 0.05);
}

#[test]
fn a_third_user_gets_a_third_as_soon_as_they_arrive() {
    let mut line = Line::new(Some(LINE), None);
    line.add("many", 20, &Asks::default());
    line.add("one", 1, &Asks::default());
    line.run(Duration::from_secs(2));
    line.reset();
    line.add("third", 3, &Asks::default());
    line.run(Duration::from_secs(2));
    for user in ["many", "one", "third"] {
        assert_near(user, line.moved(user), LINE as f64 * 2.0 / 3.0, 0.05);
    }
    line.remove("many");
    line.reset();
    line.run(Duration::from_secs(2));
    for user in ["one", "third"] {
        assert_near(user, line.moved(user), LINE as f64, 0.05);
    }
}

#[test]
fn sharing_stays_even_on_a_fast_line_and_with_slow_turns() {
    let gigabit = 125_000_000;
    let mut line = Line::new(Some(gigabit), None);
    let asks = Asks {
        want: 256 << 10,
        ..Asks::default()
    };
    line.add("many", 20, &asks);
    line.add("one", 1, &asks);
    line.run(Duration::from_secs(1));
    line.reset();
    line.run(Duration::from_secs(2));
    assert_near("one", line.moved("one"), gigabit as f64, 0.05);
    assert_near("all", line.total(), gigabit as f64 * 2.0, 0.02);
}

#[test]
fn an_idle_line_gives_all_of_it_to_whoever_asks() {
    for (line_rate, gap) in [
        (LINE, 500),
        (LINE, 4_000),
        (125_000_000, 500),
        (12_500, 500),
    ] {
        let mut line = Line::new(Some(line_rate), None);
        line.add(
            "idle",
            5,
            &Asks {
                total: 1_000,
                ..Asks::default()
            },
        );
        line.add(
            "alone",
            1,
            &Asks {
                gap: Duration::from_micros(gap),
                want: 1 << 20,
                ..Asks::default()
            },
        );
        line.run(Duration::from_secs(5));
        let burst = 16_384.0_f64.max(line_rate as f64 / 25.0);
        assert!(
            line.moved("alone") as f64 >= line_rate as f64 * 5.0 * 0.98 - 5_000.0,
            "{line_rate}: {}",
            line.total()
        );
        assert!(
            line.total() as f64 <= line_rate as f64 * 5.0 + burst + 262_144.0,
            "{line_rate}: {}",
            line.total()
        );
    }
}

#[test]
fn caps_of_users_groups_and_categories_hold_within_two_percent() {
    let mut line = Line::new(Some(LINE), None);
    let own = |key: &str| Asks {
        caps: vec![cap(key, 125_000), cap("group:pupils", 500_000)],
        ..Asks::default()
    };
    line.add("ada", 20, &own("user:ada"));
    line.add("ben", 1, &own("user:ben"));
    line.add(
        "eve",
        2,
        &Asks {
            caps: vec![cap("group:pupils", 500_000)],
            ..Asks::default()
        },
    );
    line.add(
        "staff",
        1,
        &Asks {
            caps: vec![cap("category:streaming", 250_000)],
            ..Asks::default()
        },
    );
    line.add("head", 1, &Asks::default());
    line.run(Duration::from_secs(20));
    let time = seconds(&line);
    assert_near("ada", line.moved("ada"), 125_000.0 * time, 0.02);
    assert_near("ben", line.moved("ben"), 125_000.0 * time, 0.02);
    assert_near(
        "eve has the rest of the group",
        line.moved("eve"),
        250_000.0 * time,
        0.02,
    );
    assert_near("streaming", line.moved("staff"), 250_000.0 * time, 0.02);
    assert_near(
        "head has the rest of the line",
        line.moved("head"),
        1_750_000.0 * time,
        0.02,
    );
}

#[test]
fn a_cap_is_shared_fairly_by_those_under_it() {
    let mut line = Line::new(None, None);
    let asks = Asks {
        caps: vec![cap("group:pupils", 600_000)],
        ..Asks::default()
    };
    line.add("many", 30, &asks);
    line.add("one", 1, &asks);
    line.run(Duration::from_secs(10));
    assert_near("one", line.moved("one"), 3_000_000.0, 0.05);
    assert_near("all", line.total(), 6_000_000.0, 0.02);
}

#[test]
fn a_user_held_by_their_own_cap_never_holds_up_others() {
    let mut line = Line::new(Some(LINE), None);
    let group = cap("group:pupils", 2_000_000);
    line.add(
        "capped",
        50,
        &Asks {
            caps: vec![cap("user:capped", 10_000), group.clone()],
            ..Asks::default()
        },
    );
    line.add(
        "other",
        1,
        &Asks {
            caps: vec![group],
            ..Asks::default()
        },
    );
    line.run(Duration::from_secs(4));
    assert!(
        line.moved("other") as f64 >= 2_000_000.0 * 4.0 * 0.97,
        "{}",
        line.moved("other")
    );
}

#[test]
fn a_users_capped_stream_does_not_slow_their_other_flows() {
    let mut line = Line::new(Some(LINE), None);
    let stream = Asks {
        caps: vec![cap("category:streaming", 100_000)],
        ..Asks::default()
    };
    line.add("ada", 10, &stream);
    line.add("ada", 1, &Asks::default());
    line.add("ben", 1, &Asks::default());
    line.run(Duration::from_secs(4));
    assert_near("ada", line.moved("ada"), LINE as f64 * 2.0, 0.05);
    assert_near("ben", line.moved("ben"), LINE as f64 * 2.0, 0.05);
}

#[test]
fn down_and_up_are_independent() {
    let mut line = Line::new(Some(LINE), Some(LINE / 4));
    line.add("ada", 4, &Asks::default());
    line.add(
        "ada",
        4,
        &Asks {
            dir: Direction::Up,
            ..Asks::default()
        },
    );
    line.add(
        "ben",
        1,
        &Asks {
            dir: Direction::Up,
            ..Asks::default()
        },
    );
    line.run(Duration::from_secs(4));
    let down: usize = line.clients.iter().take(4).map(|client| client.moved).sum();
    assert_near("ada down", down, LINE as f64 * 4.0, 0.05);
    assert_near("ada up", line.moved("ada") - down, LINE as f64 / 2.0, 0.05);
    assert_near("ben up", line.moved("ben"), LINE as f64 / 2.0, 0.05);
}

#[test]
fn a_cap_in_one_direction_leaves_the_other_free() {
    let mut line = Line::new(None, None);
    let up_only = Cap {
        key: "user:ada".into(),
        down: None,
        up: Some(50_000),
    };
    line.add(
        "ada",
        1,
        &Asks {
            caps: vec![up_only],
            dir: Direction::Up,
            ..Asks::default()
        },
    );
    let flow = &line.clients[0].flow;
    assert!(flow.is_free(Direction::Down));
    assert!(!flow.is_free(Direction::Up));
    line.run(Duration::from_secs(4));
    assert_near("up", line.moved("ada"), 50_000.0 * 4.0 + 16_384.0, 0.02);
}

#[test]
fn one_user_has_one_share_over_ipv4_ipv6_and_every_connection() {
    let mut line = Line::new(Some(LINE), None);
    // The key is the user's, whatever address each connection came from.
    line.add("ada", 5, &Asks::default());
    line.add("ada", 5, &Asks::default());
    line.add("ben", 1, &Asks::default());
    line.run(Duration::from_secs(3));
    assert_near("ada", line.moved("ada"), LINE as f64 * 1.5, 0.05);
}

#[test]
fn aup_10_a_lesson_and_a_safeguarding_page_stay_responsive_during_saturation() {
    let mut line = Line::new(Some(LINE), None);
    for user in 0..30 {
        line.add(&format!("bulk-{user}"), 10, &Asks::default());
    }
    line.run(Duration::from_secs(2));
    for page in 0..20 {
        let arrived = line.now;
        line.add(
            "pupil",
            1,
            &Asks {
                total: 40_000,
                ..Asks::default()
            },
        );
        line.run(Duration::from_secs(1));
        let done = line.clients.last().and_then(|client| client.finished);
        let took = done.map(|at| at - arrived);
        assert!(
            took.is_some_and(|took| took < Duration::from_millis(60)),
            "page {page}: {took:?}"
        );
    }
}

#[test]
fn aup_10_each_asking_user_waits_at_most_one_chunk_of_each_other() {
    let mut line = Line::new(Some(LINE), None);
    for user in 0..30 {
        line.add(&format!("user-{user}"), 1 + user % 7, &Asks::default());
    }
    line.run(Duration::from_secs(1));
    line.reset();
    line.run(Duration::from_secs(5));
    for user in 0..30 {
        let mut last = line.now - Duration::from_secs(5);
        for (time, index, _) in &line.grants {
            if *line.clients[*index].user == *format!("user-{user}") {
                assert!(
                    *time - last <= Duration::from_millis(160),
                    "user {user} waited {:?}",
                    *time - last
                );
                last = *time;
            }
        }
        assert!(last > line.start, "user {user} was served");
    }
}
