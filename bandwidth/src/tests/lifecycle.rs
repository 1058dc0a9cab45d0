//! Coming, going and changing: reconnects, live rates, exemptions, cancelled waits, memory.

use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::{LINE, assert_near};
use crate::simulation::{Asks, Line, cap};
use crate::{Cap, Direction, FlowSpec, Shaper};

fn take(flow: &crate::Flow, want: usize, now: Instant) -> Poll<usize> {
    flow.poll_take(
        Direction::Down,
        want,
        now,
        &mut Context::from_waker(Waker::noop()),
    )
}

/// A user who opens a new connection for every grant and drops those that have to wait.
fn reconnecting(shaper: &Arc<Shaper>, caps: &[Cap], mut now: Instant, time: Duration) -> usize {
    let user = "sly".into();
    let end = now + time;
    let mut moved = 0;
    while now < end {
        let flow = shaper.flow(
            FlowSpec {
                user: &user,
                caps,
                exempt: false,
            },
            now,
        );
        if let Poll::Ready(bytes) = take(&flow, 64 << 10, now) {
            moved += bytes;
        }
        drop(flow);
        now += Duration::from_micros(200);
    }
    moved
}

#[test]
fn reconnecting_does_not_escape_a_cap() {
    let shaper = Arc::new(Shaper::new(None, None));
    let moved = reconnecting(
        &shaper,
        &[cap("user:sly", 125_000)],
        Instant::now(),
        Duration::from_secs(5),
    );
    assert!(
        moved as f64 <= 125_000.0 * 5.0 + 16_384.0 + 2_048.0,
        "{moved}"
    );
}

#[test]
fn reconnecting_does_not_gain_on_those_who_stay() {
    let mut line = Line::new(Some(LINE), None);
    line.add("loyal", 1, &Asks::default());
    line.run(Duration::from_secs(1));
    line.reset();
    let mut sly = 0;
    for _ in 0..400 {
        line.add("sly", 20, &Asks::default());
        line.run(Duration::from_millis(10));
        sly += line.moved("sly");
        line.remove("sly");
    }
    assert!(
        line.moved("loyal") as f64 >= LINE as f64 * 2.0 * 0.95,
        "{} against {sly}",
        line.moved("loyal")
    );
}

#[test]
fn a_new_line_rate_applies_to_live_flows() {
    let mut line = Line::new(None, None);
    line.add(
        "ada",
        3,
        &Asks {
            gap: Duration::from_millis(1),
            ..Asks::default()
        },
    );
    assert!(line.clients[0].flow.is_free(Direction::Down));
    line.run(Duration::from_millis(100));
    line.shaper.set_line(Some(LINE), None);
    assert!(!line.clients[0].flow.is_free(Direction::Down));
    line.run(Duration::from_secs(1));
    line.reset();
    line.run(Duration::from_secs(2));
    assert_near("limited", line.total(), LINE as f64 * 2.0, 0.02);
    line.shaper.set_line(Some(LINE / 10), None);
    line.run(Duration::from_secs(1));
    line.reset();
    line.run(Duration::from_secs(4));
    assert_near("slower", line.total(), LINE as f64 * 0.4, 0.02);
    line.shaper.set_line(None, None);
    line.reset();
    line.run(Duration::from_millis(100));
    assert!(
        line.total() > 10_000_000,
        "waiting flows are let go: {}",
        line.total()
    );
}

#[test]
fn a_cap_seen_with_a_new_rate_changes_it_for_live_flows() {
    let mut line = Line::new(None, None);
    line.add(
        "ada",
        2,
        &Asks {
            caps: vec![cap("group:pupils", 10_000)],
            ..Asks::default()
        },
    );
    line.run(Duration::from_secs(10));
    line.reset();
    line.add(
        "ben",
        1,
        &Asks {
            caps: vec![cap("group:pupils", 1_000_000)],
            ..Asks::default()
        },
    );
    line.run(Duration::from_secs(4));
    assert_near("both", line.total(), 4_000_000.0, 0.03);
    assert_near("ada", line.moved("ada"), 2_000_000.0, 0.05);
}

#[test]
fn aup_11_exempt_flows_pass_caps_and_still_share_the_line() {
    let mut line = Line::new(Some(LINE), None);
    line.add(
        "ada",
        1,
        &Asks {
            caps: vec![cap("user:ada", 1_000)],
            exempt: true,
            ..Asks::default()
        },
    );
    line.add("ben", 1, &Asks::default());
    line.run(Duration::from_secs(2));
    assert_near("updates", line.moved("ada"), LINE as f64, 0.05);
    let free = Line::new(None, None);
    let user = "ada".into();
    let spec = FlowSpec {
        user: &user,
        caps: &[cap("user:ada", 1_000)],
        exempt: true,
    };
    assert!(free.shaper.flow(spec, free.now).is_free(Direction::Down));
}

#[test]
fn a_flow_without_limits_takes_no_lock() {
    let shaper = Arc::new(Shaper::new(None, Some(LINE)));
    let now = Instant::now();
    let (done, finished) = mpsc::sync_channel(1);
    shaper.with(Direction::Down, |_, _| {
        let shaper = Arc::clone(&shaper);
        std::thread::spawn(move || {
            let user = "ada".into();
            let flow = shaper.flow(
                FlowSpec {
                    user: &user,
                    caps: &[],
                    exempt: false,
                },
                now,
            );
            let taken = take(&flow, 1 << 30, now);
            flow.refund(Direction::Down, 1 << 20);
            drop(flow);
            done.send(taken).expect("the test waits");
        });
        let taken = finished
            .recv_timeout(Duration::from_secs(10))
            .expect("needs no lock");
        assert_eq!(taken, Poll::Ready(1 << 30));
    });
}

#[test]
fn what_was_granted_and_not_moved_goes_back_to_the_others() {
    let shaper = Arc::new(Shaper::new(Some(LINE), None));
    let now = Instant::now();
    let user = "ada".into();
    let flow = shaper.flow(
        FlowSpec {
            user: &user,
            caps: &[],
            exempt: false,
        },
        now,
    );
    let mut moved = 0;
    // Each grant moves one byte: the burst of 100 000 lasts for as many grants.
    for _ in 0..100_000 {
        let Poll::Ready(bytes) = take(&flow, 64 << 10, now) else {
            panic!("refused after {moved}");
        };
        flow.refund(Direction::Down, bytes - 1);
        moved += 1;
    }
    flow.refund(Direction::Down, usize::MAX);
    assert_eq!(
        take(&flow, 100, now),
        Poll::Ready(100),
        "the last byte came back as well"
    );
    assert_eq!(
        take(&flow, 100, now),
        Poll::Pending,
        "and no more than that"
    );
    assert_eq!(moved, 100_000);
}

#[test]
fn a_grant_that_nobody_collects_is_given_back_when_the_flow_leaves() {
    let shaper = Arc::new(Shaper::new(Some(LINE), None));
    let now = Instant::now();
    let (ada, ben) = ("ada".into(), "ben".into());
    let first = shaper.flow(
        FlowSpec {
            user: &ada,
            caps: &[],
            exempt: false,
        },
        now,
    );
    while take(&first, 64 << 10, now).is_ready() {}
    let second = shaper.flow(
        FlowSpec {
            user: &ben,
            caps: &[],
            exempt: false,
        },
        now,
    );
    assert!(take(&second, 64 << 10, now).is_pending());
    assert_eq!(shaper.gauges(Direction::Down).waiting, 2);
    drop(first);
    assert_eq!(shaper.gauges(Direction::Down).waiting, 1);
    let later = now + Duration::from_millis(20);
    assert!(shaper.pump(later).is_none(), "granted, nobody waits");
    drop(second);
    let third = shaper.flow(
        FlowSpec {
            user: &ada,
            caps: &[],
            exempt: false,
        },
        later,
    );
    let mut moved = 0;
    while let Poll::Ready(bytes) = take(&third, 64 << 10, later) {
        moved += bytes;
    }
    assert!(
        moved >= 20_000,
        "what the line earned in 20 ms is still there: {moved}"
    );
}

#[test]
fn a_wait_given_up_keeps_its_place() {
    let shaper = Arc::new(Shaper::new(Some(LINE), None));
    let mut now = Instant::now();
    let user = "ada".into();
    let flow = shaper.flow(
        FlowSpec {
            user: &user,
            caps: &[],
            exempt: false,
        },
        now,
    );
    let mut moved = 0;
    while let Poll::Ready(bytes) = take(&flow, 64 << 10, now) {
        moved += bytes;
    }
    now += Duration::from_millis(10);
    let _next = shaper.pump(now);
    assert_eq!(
        take(&flow, 10, now),
        Poll::Ready(10),
        "a smaller wish is met from the grant"
    );
    assert_eq!(shaper.gauges(Direction::Down).waiting, 0);
    moved += 10;
    while let Poll::Ready(bytes) = take(&flow, 64 << 10, now) {
        moved += bytes;
    }
    assert!(moved >= 125_000, "burst, 10 ms and no byte lost: {moved}");
}

#[test]
fn nothing_is_kept_once_all_have_left_and_paid() {
    let mut line = Line::new(Some(LINE), Some(LINE));
    for user in 0..200 {
        let caps = vec![
            cap(&format!("user:{user}"), 20_000),
            cap("group:pupils", 1_000_000),
        ];
        line.add(
            &format!("user-{user}"),
            3,
            &Asks {
                caps,
                ..Asks::default()
            },
        );
    }
    line.run(Duration::from_secs(1));
    assert_eq!(line.shaper.gauges(Direction::Down).flows, 600);
    assert_eq!(line.shaper.gauges(Direction::Down).caps, 201);
    line.clients.clear();
    let later = line.now + Duration::from_secs(10);
    assert_eq!(line.shaper.pump(later), None);
    for dir in Direction::BOTH {
        assert_eq!(line.shaper.gauges(dir), crate::Gauges::default());
    }
}

#[test]
fn those_who_come_and_go_leave_nothing_behind_on_a_busy_line() {
    let mut line = Line::new(Some(LINE), None);
    line.add("busy", 5, &Asks::default());
    for visitor in 0..2_000 {
        let asks = Asks {
            total: 500,
            caps: vec![cap(&format!("user:{visitor}"), 50_000)],
            ..Asks::default()
        };
        line.add(&format!("visitor-{visitor}"), 1, &asks);
        line.run(Duration::from_millis(2));
        line.remove(&format!("visitor-{visitor}"));
        line.grants.clear();
    }
    let found = line.shaper.gauges(Direction::Down);
    assert!(found.seats < 100 && found.caps < 20, "{found:?}");
}
