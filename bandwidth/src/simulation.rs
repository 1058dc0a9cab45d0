//! A line under a virtual clock: flows that ask, move for a while and ask again, and a timer of one millisecond.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::{Cap, Direction, Flow, FlowSpec, Shaper};

pub(crate) const TICK: Duration = Duration::from_micros(250);
/// What tokio's timer resolves.
const TIMER: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(crate) struct Flag(AtomicBool);

impl Flag {
    pub(crate) fn new(up: bool) -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(up)))
    }

    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A flow that always has more to move.
pub(crate) struct Client {
    pub(crate) user: Arc<str>,
    pub(crate) flow: Flow,
    dir: Direction,
    want: usize,
    /// How long moving a grant takes before the next is asked for.
    gap: Duration,
    /// Bytes left to move.
    left: usize,
    busy_until: Instant,
    woken: Arc<Flag>,
    pub(crate) moved: usize,
    pub(crate) finished: Option<Instant>,
}

/// What a client asks for; the default is an endless download.
#[derive(Clone)]
pub(crate) struct Asks {
    pub(crate) dir: Direction,
    pub(crate) want: usize,
    pub(crate) gap: Duration,
    pub(crate) total: usize,
    pub(crate) caps: Vec<Cap>,
    pub(crate) exempt: bool,
}

impl Default for Asks {
    fn default() -> Self {
        Self {
            dir: Direction::Down,
            want: 64 << 10,
            gap: Duration::from_micros(500),
            total: usize::MAX,
            caps: Vec::new(),
            exempt: false,
        }
    }
}

pub(crate) struct Line {
    pub(crate) shaper: Arc<Shaper>,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) clients: Vec<Client>,
    /// When, which client, how many.
    pub(crate) grants: Vec<(Instant, usize, usize)>,
    pump_woken: Arc<Flag>,
    pump_at: Option<Instant>,
}

pub(crate) fn cap(key: &str, down: u64) -> Cap {
    Cap {
        key: key.into(),
        down: Some(down),
        up: None,
    }
}

impl Line {
    pub(crate) fn new(down: Option<u64>, up: Option<u64>) -> Self {
        let shaper = Arc::new(Shaper::new(down, up));
        let pump_woken = Flag::new(true);
        shaper.set_pump_waker(Waker::from(Arc::clone(&pump_woken)));
        let start = Instant::now();
        Self {
            shaper,
            start,
            now: start,
            clients: Vec::new(),
            grants: Vec::new(),
            pump_woken,
            pump_at: None,
        }
    }

    pub(crate) fn add(&mut self, user: &str, flows: usize, asks: &Asks) {
        let user: Arc<str> = user.into();
        for _ in 0..flows {
            let spec = FlowSpec {
                user: &user,
                caps: &asks.caps,
                exempt: asks.exempt,
            };
            self.clients.push(Client {
                user: Arc::clone(&user),
                flow: self.shaper.flow(spec, self.now),
                dir: asks.dir,
                want: asks.want,
                gap: asks.gap,
                left: asks.total,
                busy_until: self.now,
                woken: Flag::new(true),
                moved: 0,
                finished: None,
            });
        }
    }

    pub(crate) fn remove(&mut self, user: &str) {
        self.clients.retain(|client| &*client.user != user);
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += TICK;
            self.pump();
            for index in 0..self.clients.len() {
                self.poll(index);
            }
        }
    }

    /// Bytes a user has moved since the last [`Line::reset`].
    pub(crate) fn moved(&self, user: &str) -> usize {
        self.clients
            .iter()
            .filter(|client| &*client.user == user)
            .map(|client| client.moved)
            .sum()
    }

    pub(crate) fn total(&self) -> usize {
        self.clients.iter().map(|client| client.moved).sum()
    }

    pub(crate) fn reset(&mut self) {
        for client in &mut self.clients {
            client.moved = 0;
        }
        self.grants.clear();
    }

    /// The most that the chosen grants exceed `rate * time` over any window, in bytes.
    pub(crate) fn worst_excess(&self, rate: u64, chosen: impl Fn(&Client) -> bool) -> f64 {
        // Excess of the window that ends here and starts where it hurts most.
        let (mut worst, mut running, mut last) = (0.0_f64, 0.0_f64, self.start);
        for (time, index, bytes) in &self.grants {
            if !self.clients.get(*index).is_some_and(&chosen) {
                continue;
            }
            running =
                (running - rate as f64 * (*time - last).as_secs_f64()).max(0.0) + *bytes as f64;
            last = *time;
            worst = worst.max(running);
        }
        worst
    }

    fn pump(&mut self) {
        if self.pump_woken.take() || self.pump_at.is_some_and(|at| at <= self.now) {
            let sleep = self.shaper.pump(self.now);
            // A timer wakes on its own grid, never early.
            self.pump_at = sleep.map(|sleep| {
                let since = (self.now + sleep - self.start)
                    .as_nanos()
                    .div_ceil(TIMER.as_nanos());
                self.start + TIMER * u32::try_from(since).expect("invariant: simulations are short")
            });
        }
    }

    fn poll(&mut self, index: usize) {
        let client = &mut self.clients[index];
        while client.finished.is_none() && client.busy_until <= self.now && client.woken.take() {
            let waker = Waker::from(Arc::clone(&client.woken));
            let want = client.want.min(client.left);
            match client.flow.poll_take(
                client.dir,
                want,
                self.now,
                &mut Context::from_waker(&waker),
            ) {
                Poll::Pending => {}
                Poll::Ready(bytes) => {
                    assert!((1..=want).contains(&bytes), "{bytes} of {want}");
                    client.moved += bytes;
                    client.left -= bytes;
                    client.busy_until = self.now + client.gap;
                    client.finished = (client.left == 0).then_some(self.now);
                    client.woken.0.store(true, Ordering::Relaxed);
                    self.grants.push((self.now, index, bytes));
                }
            }
        }
    }
}

/// What each of `demands` gets of `capacity` when nobody can have more without another having less.
pub(crate) fn max_min(capacity: f64, demands: &HashMap<Arc<str>, f64>) -> HashMap<Arc<str>, f64> {
    let mut sorted: Vec<_> = demands.iter().collect();
    sorted.sort_by(|a, b| a.1.total_cmp(b.1));
    let (mut left, mut users) = (capacity, sorted.len() as f64);
    let mut shares = HashMap::new();
    for (user, demand) in sorted {
        let share = demand.min(left / users);
        left -= share;
        users -= 1.0;
        shares.insert(Arc::clone(user), share);
    }
    shares
}
