//! The real thing: threads that park, a pump thread that sleeps, wakers between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::simulation::cap;
use crate::{Direction, Flow, FlowSpec, Shaper};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Takes until `stop`; a lost wake-up would leave it parked for good.
fn consume(flow: &Flow, stop: &AtomicBool, moved: &AtomicUsize) {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    while !stop.load(Ordering::Relaxed) {
        match flow.poll_take(
            Direction::Down,
            64 << 10,
            Instant::now(),
            &mut Context::from_waker(&waker),
        ) {
            Poll::Ready(bytes) => {
                let unused = bytes / 10;
                flow.refund(Direction::Down, unused);
                moved.fetch_add(bytes - unused, Ordering::Relaxed);
            }
            Poll::Pending => thread::park(),
        }
    }
}

fn pump(shaper: &Shaper, stop: &AtomicBool) {
    shaper.set_pump_waker(Waker::from(Arc::new(Unpark(thread::current()))));
    while !stop.load(Ordering::Relaxed) {
        match shaper.pump(Instant::now()) {
            Some(sleep) => thread::park_timeout(sleep),
            None => thread::park(),
        }
    }
}

#[test]
fn threads_share_the_line_evenly_and_none_is_forgotten() {
    const RATE: u64 = 2_000_000;
    let shaper = Arc::new(Shaper::new(Some(RATE), None));
    let stop = AtomicBool::new(false);
    let moved = [const { AtomicUsize::new(0) }; 3];
    let began = Instant::now();
    let lasted = thread::scope(|scope| {
        let pumping = scope.spawn(|| pump(&shaper, &stop));
        let mut threads = vec![pumping.thread().clone()];
        for (user, flows) in [(0, 6), (1, 1), (2, 2)] {
            for _ in 0..flows {
                let (shaper, stop, moved) = (&shaper, &stop, &moved[user]);
                let flow_of = move || {
                    let name = format!("user-{user}").into();
                    let caps = [cap("everyone", RATE * 2)];
                    shaper.flow(
                        FlowSpec {
                            user: &name,
                            caps: &caps,
                            exempt: false,
                        },
                        Instant::now(),
                    )
                };
                let consumer = scope.spawn(move || consume(&flow_of(), stop, moved));
                threads.push(consumer.thread().clone());
            }
        }
        thread::sleep(Duration::from_secs(2));
        stop.store(true, Ordering::Relaxed);
        let lasted = began.elapsed();
        threads.iter().for_each(Thread::unpark);
        lasted
    });
    let moved = moved.map(|count| count.load(Ordering::Relaxed) as f64);
    let line = RATE as f64 * lasted.as_secs_f64();
    let total: f64 = moved.iter().sum();
    assert!(total <= line * 1.02 + 100_000.0, "{moved:?} of {line}");
    assert!(total >= line * 0.8, "{moved:?} of {line}");
    for user in moved {
        assert!(
            (user - total / 3.0).abs() <= total / 3.0 * 0.15,
            "{moved:?}"
        );
    }
    assert_eq!(shaper.gauges(Direction::Down).flows, 0);
}
