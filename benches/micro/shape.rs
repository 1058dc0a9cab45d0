//! What it costs to ask whether bytes may move: `free` (no limit), `unshared` (a line, three caps, nobody waits),
//! `contended` (200 flows of 50 users wait for one line; the time of one grant with everything that led to it).
//!
//! The clock is the bench's own, so that no bench waits for time to pass.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use weir_bandwidth::{Cap, Direction, Flow, FlowSpec, Shaper};

/// One read of a body, bytes.
const READ: usize = 16 * 1024;
const USERS: usize = 50;
const FLOWS_EACH: usize = 4;
/// 100 Mbit/s, in bytes a second.
const LINE: u64 = 12_500_000;
/// Far more than is asked for, in bytes a second.
const WIDE: u64 = 100_000_000_000;

fn flow(shaper: &Arc<Shaper>, user: usize, caps: &[Cap], now: Instant) -> Flow {
    let user = Arc::from(format!("pupil{user}"));
    let spec = FlowSpec {
        user: &user,
        caps,
        exempt: false,
    };
    shaper.flow(spec, now)
}

fn caps(rate: u64) -> [Cap; 3] {
    ["user:pupil0", "group:pupils", "category:streaming"].map(|key| Cap {
        key: Arc::from(key),
        down: Some(rate),
        up: Some(rate),
    })
}

/// A clock that goes on by a step at each look.
struct Steps {
    now: Cell<Instant>,
    step: Duration,
}

impl Steps {
    fn of(step: Duration) -> Steps {
        Steps {
            now: Cell::new(Instant::now()),
            step,
        }
    }

    fn next(&self) -> Instant {
        let now = self.now.get() + self.step;
        self.now.set(now);
        now
    }
}

fn alone(criterion: &mut Criterion, name: &str, line: Option<u64>, caps: &[Cap]) {
    let clock = Steps::of(Duration::from_micros(10));
    let shaper = Arc::new(Shaper::new(line, line));
    let flow = flow(&shaper, 0, caps, clock.next());
    let mut context = Context::from_waker(Waker::noop());
    criterion.bench_function(&format!("shape/{name}"), |bencher| {
        bencher.iter(|| {
            let taken =
                flow.poll_take(Direction::Down, black_box(READ), clock.next(), &mut context);
            assert!(taken.is_ready(), "nothing else takes");
        });
    });
    criterion.bench_function(&format!("shape/{name}/join"), |bencher| {
        bencher.iter(|| self::flow(&shaper, 1, caps, clock.next()));
    });
}

/// Wakes by noting whose turn it is.
struct Turn {
    number: usize,
    turns: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        let mut turns = self.turns.lock().expect("invariant: no holder panics");
        turns.push(self.number);
    }
}

/// A line with everybody waiting for it.
struct Crowd {
    shaper: Arc<Shaper>,
    flows: Vec<(Flow, Waker)>,
    turns: Arc<Mutex<Vec<usize>>>,
    now: Instant,
}

impl Crowd {
    fn new() -> Crowd {
        let mut crowd = Crowd {
            shaper: Arc::new(Shaper::new(Some(LINE), Some(LINE))),
            flows: Vec::new(),
            turns: Arc::default(),
            now: Instant::now(),
        };
        for number in 0..USERS * FLOWS_EACH {
            let flow = flow(&crowd.shaper, number / FLOWS_EACH, &caps(WIDE), crowd.now);
            let turns = Arc::clone(&crowd.turns);
            crowd
                .flows
                .push((flow, Waker::from(Arc::new(Turn { number, turns }))));
            crowd.ask(number);
        }
        crowd
    }

    /// Takes what flow `number` is given, until it waits again. Returns the grants.
    fn ask(&self, number: usize) -> u64 {
        let (flow, waker) = &self.flows[number];
        let mut context = Context::from_waker(waker);
        let mut grants = 0;
        while flow
            .poll_take(Direction::Down, READ, self.now, &mut context)
            .is_ready()
        {
            grants += 1;
        }
        grants
    }

    /// Lets time pass until the next who may move, and moves them. Returns the grants.
    fn pass(&mut self) -> u64 {
        if let Some(wait) = self.shaper.pump(self.now) {
            self.now += wait;
            self.shaper.pump(self.now);
        }
        let turns = std::mem::take(&mut *self.turns.lock().expect("invariant: no holder panics"));
        turns.into_iter().map(|number| self.ask(number)).sum()
    }

    fn grants(&mut self, wanted: u64) -> Duration {
        let begin = Instant::now();
        let mut granted = 0;
        while granted < wanted {
            granted += self.pass();
        }
        // The last pass may have granted more than were asked for.
        begin
            .elapsed()
            .mul_f64(wanted as f64 / granted.max(1) as f64)
    }
}

fn shape(criterion: &mut Criterion) {
    alone(criterion, "free", None, &[]);
    alone(criterion, "unshared", Some(WIDE), &caps(WIDE));
    let mut crowd = Crowd::new();
    criterion.bench_function("shape/contended", |bencher| {
        bencher.iter_custom(|count| crowd.grants(count));
    });
}

criterion_group!(benches, shape);
criterion_main!(benches);
