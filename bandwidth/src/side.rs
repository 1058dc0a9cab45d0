//! One direction of the whole line: its gates, the flows before them, and when a timer has to look again.
//!
//! Decides the order of gates and when a request has passed them all. Locking and waking are the caller's.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::time::Instant;

use crate::CREDIT_CHUNKS;
use crate::bucket::{Bucket, Rate};
use crate::fair::{FairQueue, FlowId, SeatId};
use crate::slab::{Id, Slab};

type GateId = Id;

/// The gate that every flow passes last.
const LINE: GateId = 0;

/// A rate that flows can read without the lock: 0 is no limit.
pub(crate) type SharedRate = Arc<AtomicU64>;

/// One limit: its tokens and the users before it.
#[derive(Debug)]
struct Gate {
    /// None for the line, which is never dropped.
    key: Option<Arc<str>>,
    bucket: Bucket,
    published: SharedRate,
    queue: FairQueue,
    flows: usize,
    /// The timer that stands for this gate, if any.
    armed: Option<Instant>,
}

impl Gate {
    fn new(key: Option<Arc<str>>, rate: Rate) -> Self {
        let published = Arc::new(AtomicU64::new(rate.unwrap_or(0)));
        Self {
            key,
            bucket: Bucket::new(rate),
            published,
            queue: FairQueue::new(),
            flows: 0,
            armed: None,
        }
    }

    fn credit(&self) -> u64 {
        if self.bucket.rate().is_none() {
            return 0;
        }
        CREDIT_CHUNKS.saturating_mul(self.bucket.chunk() as u64)
    }

    fn set_rate(&mut self, rate: Rate) {
        self.bucket.set_rate(rate);
        self.published.store(rate.unwrap_or(0), Ordering::Relaxed);
    }

    fn refill(&mut self, now: Instant) {
        self.bucket.refill(now);
        let all = self.bucket.is_full() && !self.queue.has_waiting();
        self.queue.prune(self.credit(), all);
    }

    fn charge(&mut self, seat: SeatId, bytes: usize) {
        let counted = if self.bucket.rate().is_some() {
            bytes
        } else {
            0
        };
        self.bucket.charge(counted);
        self.queue.charge(seat, counted as u64, self.credit());
    }

    fn give_back(&mut self, seat: SeatId, bytes: usize) {
        if self.bucket.rate().is_some() {
            self.bucket.give_back(bytes);
            self.queue.refund(seat, bytes as u64);
        }
    }
}

/// A gate on a flow's way and the user's seat at it.
#[derive(Clone, Copy, Debug)]
struct Stop {
    gate: GateId,
    seat: SeatId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// In the queue of the `stage`-th stop, charged at those before it.
    Waiting {
        stage: usize,
        bytes: usize,
    },
    Granted {
        bytes: usize,
    },
}

#[derive(Debug)]
struct Member {
    route: Arc<[Stop]>,
    state: State,
    waker: Option<Waker>,
    /// What of the last grant may still be given back.
    refundable: usize,
}

/// How many of what one direction holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SideGauges {
    pub(crate) flows: usize,
    pub(crate) waiting: usize,
    pub(crate) caps: usize,
    pub(crate) seats: usize,
}

#[derive(Debug)]
pub(crate) struct Side {
    gates: Slab<Gate>,
    by_key: HashMap<Arc<str>, GateId>,
    members: Slab<Member>,
    waiting: usize,
    timers: BinaryHeap<Reverse<(Instant, GateId)>>,
    /// When the timer task will look again by itself.
    announced: Option<Instant>,
    /// Gates without flows and when their debt will be paid.
    leaving: BinaryHeap<Reverse<(Instant, GateId)>>,
    /// Gates that may have become open for those who wait there.
    due: Vec<GateId>,
}

impl Side {
    pub(crate) fn new(line: Rate) -> Self {
        let mut gates = Slab::new();
        let id = gates.insert(Gate::new(None, line));
        debug_assert_eq!(id, LINE);
        Self {
            gates,
            by_key: HashMap::new(),
            members: Slab::new(),
            waiting: 0,
            timers: BinaryHeap::new(),
            announced: None,
            leaving: BinaryHeap::new(),
            due: Vec::new(),
        }
    }

    pub(crate) fn line(&self) -> SharedRate {
        Arc::clone(&self.gates.at(LINE).published)
    }

    pub(crate) fn set_line(&mut self, rate: Rate) {
        self.set_rate(LINE, rate);
    }

    /// Enters a flow of `user` under these caps; answers its number and the caps' rates.
    pub(crate) fn join(
        &mut self,
        user: &Arc<str>,
        caps: &[(Arc<str>, Rate)],
        now: Instant,
    ) -> (FlowId, Box<[SharedRate]>) {
        self.sweep(now);
        let mut gates: Vec<GateId> = Vec::with_capacity(caps.len() + 1);
        for (key, rate) in caps {
            let gate = self.gate_of(key, *rate);
            if !gates.contains(&gate) {
                gates.push(gate);
            }
        }
        gates.sort_by_key(|gate| self.gates.at(*gate).bucket.rate().unwrap_or(u64::MAX));
        let rates = gates
            .iter()
            .map(|gate| Arc::clone(&self.gates.at(*gate).published))
            .collect();
        gates.push(LINE);
        let route = gates
            .into_iter()
            .map(|gate| self.sit(gate, user, now))
            .collect();
        let member = Member {
            route,
            state: State::Idle,
            waker: None,
            refundable: 0,
        };
        (self.members.insert(member), rates)
    }

    /// Takes a flow out and gives back what it was charged and never handed. Answers its waker, to be dropped without
    /// the lock: a waker may own a task that owns a flow.
    pub(crate) fn leave(&mut self, id: FlowId) -> Option<Waker> {
        let member = self.members.remove(id)?;
        match member.state {
            State::Idle => {}
            State::Granted { bytes } => self.give_back(&member.route, bytes),
            State::Waiting { stage, bytes } => {
                self.waiting -= 1;
                let (passed, rest) = member.route.split_at(stage);
                self.give_back(passed, bytes);
                if let Some(stop) = rest.first() {
                    self.gates.at_mut(stop.gate).queue.cancel(stop.seat, id);
                    self.arm(stop.gate);
                }
            }
        }
        for stop in member.route.iter() {
            self.stand_up(*stop);
        }
        member.waker
    }

    /// Asks for up to `want` bytes; none means that the flow waits and its waker will be called.
    pub(crate) fn take(
        &mut self,
        id: FlowId,
        want: usize,
        now: Instant,
        waker: &Waker,
        woken: &mut Vec<Waker>,
    ) -> Option<usize> {
        self.ask(id, want, now, woken);
        self.settle(now, woken);
        let member = self.members.at_mut(id);
        let State::Granted { bytes } = member.state else {
            member.waker = Some(waker.clone());
            return None;
        };
        member.state = State::Idle;
        let taken = bytes.min(want);
        member.refundable = taken;
        let route = Arc::clone(&member.route);
        if taken < bytes {
            self.give_back(&route, bytes - taken);
        }
        Some(taken)
    }

    /// Gives back bytes of the flow's last grant that were not moved.
    pub(crate) fn refund(&mut self, id: FlowId, unused: usize) {
        let member = self.members.at_mut(id);
        let unused = unused.min(member.refundable);
        member.refundable -= unused;
        let route = Arc::clone(&member.route);
        if unused > 0 {
            self.give_back(&route, unused);
        }
    }

    /// Serves every gate whose time has come; answers when the next one's comes.
    pub(crate) fn pump(&mut self, now: Instant, woken: &mut Vec<Waker>) -> Option<Instant> {
        while let Some(&Reverse((at, id))) = self.timers.peek() {
            let gate = self.gates.get_mut(id).filter(|gate| gate.armed == Some(at));
            if gate.is_some() && at > now {
                break;
            }
            self.timers.pop();
            if let Some(gate) = gate {
                gate.armed = None;
                self.due.push(id);
                self.settle(now, woken);
            }
        }
        self.sweep(now);
        self.announced = self.timers.peek().map(|Reverse((at, _))| *at);
        self.announced
    }

    /// Must the timer task be told to look earlier than it meant to?
    pub(crate) fn hurries(&mut self) -> bool {
        let Some(Reverse((next, _))) = self.timers.peek() else {
            return false;
        };
        if self.announced.is_some_and(|at| at <= *next) {
            return false;
        }
        self.announced = Some(*next);
        true
    }

    pub(crate) fn gauges(&self) -> SideGauges {
        SideGauges {
            flows: self.members.len(),
            waiting: self.waiting,
            caps: self.gates.len() - 1,
            seats: self.gates.iter().map(|gate| gate.queue.users()).sum(),
        }
    }

    fn ask(&mut self, id: FlowId, want: usize, now: Instant, woken: &mut Vec<Waker>) {
        let member = self.members.at_mut(id);
        // Whoever polls is awake: its own waker must not be called for a grant found in this very call.
        member.waker = None;
        match member.state {
            State::Granted { .. } => {}
            State::Waiting { stage, .. } => {
                let gate = member.route.get(stage).map(|stop| stop.gate);
                self.due.extend(gate);
            }
            State::Idle => {
                let route = Arc::clone(&member.route);
                let chunks = route
                    .iter()
                    .map(|stop| self.gates.at(stop.gate).bucket.chunk());
                let bytes = chunks.fold(want, usize::min);
                self.waiting += 1;
                self.advance(id, 0, bytes, now, woken);
            }
        }
    }

    /// Takes a request through every gate that lets it pass, and leaves it in the queue of the first that does not.
    fn advance(
        &mut self,
        id: FlowId,
        from: usize,
        bytes: usize,
        now: Instant,
        woken: &mut Vec<Waker>,
    ) {
        let route = Arc::clone(&self.members.at(id).route);
        for (stage, stop) in route.iter().enumerate().skip(from) {
            let gate = self.gates.at_mut(stop.gate);
            gate.refill(now);
            if gate.bucket.is_open() && !gate.queue.has_waiting() {
                gate.charge(stop.seat, bytes);
                continue;
            }
            let credit = gate.credit();
            gate.queue.push(stop.seat, id, credit);
            self.members.at_mut(id).state = State::Waiting { stage, bytes };
            self.due.push(stop.gate);
            return;
        }
        self.waiting -= 1;
        let member = self.members.at_mut(id);
        member.state = State::Granted { bytes };
        woken.extend(member.waker.take());
    }

    fn settle(&mut self, now: Instant, woken: &mut Vec<Waker>) {
        while let Some(gate) = self.due.pop() {
            self.serve(gate, now, woken);
        }
    }

    /// Lets pass whom the gate's tokens allow.
    fn serve(&mut self, id: GateId, now: Instant, woken: &mut Vec<Waker>) {
        self.gates.at_mut(id).refill(now);
        while let Some((flow, stage, bytes)) = self.next_through(id) {
            self.advance(flow, stage + 1, bytes, now, woken);
        }
        self.arm(id);
    }

    fn next_through(&mut self, id: GateId) -> Option<(FlowId, usize, usize)> {
        let gate = self.gates.at_mut(id);
        if !gate.bucket.is_open() {
            return None;
        }
        let (seat, flow) = gate.queue.pop()?;
        let State::Waiting { stage, bytes } = self.members.at(flow).state else {
            unreachable!("invariant: queued flows wait");
        };
        self.gates.at_mut(id).charge(seat, bytes);
        Some((flow, stage, bytes))
    }

    /// Sees to it that a timer stands for the moment this gate opens, if anybody waits there.
    fn arm(&mut self, id: GateId) {
        let gate = self.gates.at_mut(id);
        let at = if gate.queue.has_waiting() {
            gate.bucket.opens_at()
        } else {
            None
        };
        if at == gate.armed {
            return;
        }
        gate.armed = at;
        if let Some(at) = at {
            self.timers.push(Reverse((at, id)));
        }
    }

    fn give_back(&mut self, stops: &[Stop], bytes: usize) {
        for stop in stops {
            self.gates.at_mut(stop.gate).give_back(stop.seat, bytes);
            self.arm(stop.gate);
        }
    }

    fn gate_of(&mut self, key: &Arc<str>, rate: Rate) -> GateId {
        if let Some(&id) = self.by_key.get(key) {
            self.set_rate(id, rate);
            return id;
        }
        let id = self.gates.insert(Gate::new(Some(Arc::clone(key)), rate));
        self.by_key.insert(Arc::clone(key), id);
        id
    }

    fn set_rate(&mut self, id: GateId, rate: Rate) {
        let gate = self.gates.at_mut(id);
        if gate.bucket.rate() != rate {
            gate.set_rate(rate);
            self.arm(id);
        }
    }

    fn sit(&mut self, id: GateId, user: &Arc<str>, now: Instant) -> Stop {
        let gate = self.gates.at_mut(id);
        gate.refill(now);
        gate.flows += 1;
        let credit = gate.credit();
        Stop {
            gate: id,
            seat: gate.queue.join(user, credit),
        }
    }

    fn stand_up(&mut self, stop: Stop) {
        let gate = self.gates.at_mut(stop.gate);
        gate.queue.leave(stop.seat);
        gate.flows -= 1;
        if gate.flows == 0 {
            let paid = gate.bucket.full_at();
            self.leaving.extend(paid.map(|at| Reverse((at, stop.gate))));
        }
    }

    /// Forgets the gates that nobody uses and whose debt has been paid.
    fn sweep(&mut self, now: Instant) {
        while let Some(&Reverse((at, id))) = self.leaving.peek() {
            if at > now {
                return;
            }
            self.leaving.pop();
            if let Some(gate) = self.gates.get_mut(id).filter(|gate| gate.flows == 0) {
                gate.refill(now);
                self.forget(id);
            }
        }
    }

    fn forget(&mut self, id: GateId) {
        let gate = self.gates.at(id);
        let Some(key) = gate.key.clone() else {
            return;
        };
        if gate.bucket.is_full() {
            self.by_key.remove(&key);
            self.gates.remove(id);
        } else {
            let again = gate.bucket.full_at();
            self.leaving.extend(again.map(|at| Reverse((at, id))));
        }
    }
}
