//! Random lines: never above the rate, as even as can be, nobody forgotten.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use crate::bucket::{burst, chunk};
use crate::simulation::{Asks, Line, cap, max_min};
use crate::{Direction, FlowSpec};

#[derive(Clone, Debug)]
struct User {
    flows: usize,
    own: Option<u64>,
    gap: u64,
    want: usize,
}

fn users() -> impl Strategy<Value = Vec<User>> {
    let own = proptest::option::of(20_000..2_000_000_u64);
    let user = (1..12_usize, own, 0..2_000_u64, 11..18_u32);
    let user = user.prop_map(|(flows, own, gap, want)| User {
        flows,
        own,
        gap,
        want: 1 << want,
    });
    proptest::collection::vec(user, 1..8)
}

fn line_of(users: &[User], rate: Option<u64>, group: Option<u64>) -> Line {
    let mut line = Line::new(rate, None);
    for (index, user) in users.iter().enumerate() {
        let own = user.own.map(|rate| cap(&format!("user:{index}"), rate));
        let group = group.map(|rate| cap("group", rate));
        let asks = Asks {
            caps: own.into_iter().chain(group).collect(),
            gap: Duration::from_micros(user.gap),
            want: user.want,
            ..Asks::default()
        };
        line.add(&index.to_string(), user.flows, &asks);
    }
    line
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_window_ever_exceeds_rate_and_burst(users in users(), rate in 50_000..5_000_000_u64, group in 50_000..5_000_000_u64) {
        let mut line = line_of(&users, Some(rate), Some(group));
        line.run(Duration::from_secs(2));
        let allowed = |rate: u64, passed: usize| burst(rate) as f64 + (chunk(rate) * (1 + passed)) as f64 + 1.0;
        let excess = line.worst_excess(rate, |_| true);
        prop_assert!(excess <= allowed(rate, 0), "line: {excess} over");
        let flows = line.clients.len();
        let excess = line.worst_excess(group, |_| true);
        prop_assert!(excess <= allowed(group, flows), "group: {excess} over");
        for (index, user) in users.iter().enumerate() {
            let Some(own) = user.own else { continue };
            let excess = line.worst_excess(own, |client| *client.user == *index.to_string());
            prop_assert!(excess <= allowed(own, user.flows), "user {index}: {excess} over");
        }
    }

    #[test]
    fn shares_are_max_min_fair_and_the_line_is_never_idle(users in users(), rate in 500_000..5_000_000_u64) {
        let time = 6.0;
        let mut line = line_of(&users, Some(rate), None);
        line.run(Duration::from_secs(1));
        line.reset();
        line.run(Duration::from_secs_f64(time));
        // What a user could move alone: their cap, or what the gaps of their flows leave.
        let alone = |user: &User| {
            let grant = user.want.min(chunk(rate)).min(user.own.map_or(usize::MAX, chunk)) as f64;
            let pace = (user.gap.div_ceil(250) * 250).max(250) as f64 / 1e6;
            let flows = if user.gap == 0 { f64::INFINITY } else { user.flows as f64 * grant / pace };
            flows.min(user.own.map_or(f64::INFINITY, |own| own as f64))
        };
        let demands: HashMap<Arc<str>, f64> =
            users.iter().enumerate().map(|(index, user)| (index.to_string().into(), alone(user))).collect();
        let shares = max_min(rate as f64, &demands);
        // A lone connection with small wishes and long pauses cannot use every turn; only larger ones are judged.
        let steady = users.iter().all(|user| user.want >= 16 << 10 && user.gap <= 1_000 || user.own.is_some_and(|own| own < 100_000));
        let expected: f64 = shares.values().sum();
        if steady {
            for (user, share) in &shares {
                let got = line.moved(user) as f64 / time;
                prop_assert!((got - share).abs() <= 0.05 * share + 4_000.0, "user {user} of {users:?}: {got} for {share}");
            }
            prop_assert!(line.total() as f64 / time >= expected * 0.97, "{} of {expected}", line.total() as f64 / time);
        }
    }

    #[test]
    fn nobody_starves(users in users(), rate in 200_000..5_000_000_u64, group in 200_000..5_000_000_u64) {
        let mut line = line_of(&users, Some(rate), Some(group));
        line.run(Duration::from_secs(1));
        line.reset();
        line.run(Duration::from_secs(4));
        for (index, client) in line.clients.iter().enumerate() {
            prop_assert!(client.moved > 0, "flow {index} of {users:?}");
        }
    }

    /// Whatever is asked, refunded, given up, dropped and reconfigured: afterwards whoever waits is served, and nothing is left.
    #[test]
    fn no_order_of_events_loses_a_waiter(events in proptest::collection::vec((0..9_u8, 0..6_usize, 1..200_000_usize), 1..120)) {
        let mut line = Line::new(Some(300_000), Some(300_000));
        for (event, which, size) in events {
            let user = format!("user-{which}");
            let caps = vec![cap(&format!("cap-{}", which % 3), size as u64), cap("all", 150_000)];
            match event {
                0..=2 => line.add(&user, 1 + which, &Asks { caps, total: size, want: size, ..Asks::default() }),
                3 => line.add(&user, 1, &Asks { total: size, dir: Direction::Up, ..Asks::default() }),
                4 => line.remove(&user),
                5 => line.shaper.set_line((which > 0).then_some(size as u64), Some(100_000)),
                6 => {
                    if let Some(client) = line.clients.get(which) {
                        client.flow.refund(Direction::Down, size);
                    }
                }
                _ => line.run(Duration::from_micros(size as u64)),
            }
        }
        line.shaper.set_line(Some(10_000_000), Some(10_000_000));
        let generous: Vec<_> = ["cap-0", "cap-1", "cap-2", "all"].map(|key| cap(key, 5_000_000)).into();
        let user = "last".into();
        let last = line.shaper.flow(FlowSpec { user: &user, caps: &generous, exempt: false }, line.now);
        line.run(Duration::from_secs(12));
        let waiting = line.clients.iter().filter(|client| client.finished.is_none()).count();
        prop_assert_eq!(waiting, 0);
        drop(last);
        line.clients.clear();
        let _next = line.shaper.pump(line.now + Duration::from_secs(60));
        for dir in Direction::BOTH {
            prop_assert_eq!(line.shaper.gauges(dir), crate::Gauges::default());
        }
    }
}
