//! The queue of users before one limit: who is next. Knows bytes and users, neither rates nor time.
//!
//! Each user has a seat with the count of bytes served, measured on a virtual time that stands where the one last served
//! began. The least served of those who wait is next; one who comes back is put at most a credit behind the virtual
//! time, so that a pause earns a small head start and never a monopoly.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use crate::slab::{Id, Slab};

/// A user's place at one limit.
pub(crate) type SeatId = Id;
/// A flow, numbered by the direction that holds the queue.
pub(crate) type FlowId = Id;

#[derive(Debug)]
struct Seat {
    user: Arc<str>,
    /// Virtual time up to which this user has been served, in bytes.
    served: u64,
    /// Tie-break while waiting: the one served longest ago is first.
    turn: Option<u64>,
    queue: VecDeque<FlowId>,
    flows: usize,
}

#[derive(Debug)]
pub(crate) struct FairQueue {
    virtual_time: u64,
    turns: u64,
    seats: Slab<Seat>,
    by_user: HashMap<Arc<str>, SeatId>,
    /// Users with requests, least served first.
    waiting: BTreeSet<(u64, u64, SeatId)>,
    /// Users without flows whose count still matters.
    idle: BTreeSet<(u64, SeatId)>,
}

impl FairQueue {
    pub(crate) fn new() -> Self {
        Self {
            virtual_time: 0,
            turns: 0,
            seats: Slab::new(),
            by_user: HashMap::new(),
            waiting: BTreeSet::new(),
            idle: BTreeSet::new(),
        }
    }

    /// Adds one flow of the user; the count of earlier flows is taken up again.
    pub(crate) fn join(&mut self, user: &Arc<str>, credit: u64) -> SeatId {
        if let Some(&id) = self.by_user.get(user) {
            let seat = self.seats.at_mut(id);
            if seat.flows == 0 {
                self.idle.remove(&(seat.served, id));
            }
            seat.flows += 1;
            return id;
        }
        let served = self.virtual_time.saturating_sub(credit);
        let seat = Seat {
            user: Arc::clone(user),
            served,
            turn: None,
            queue: VecDeque::new(),
            flows: 1,
        };
        let id = self.seats.insert(seat);
        self.by_user.insert(Arc::clone(user), id);
        id
    }

    /// Takes one flow of the user away; the count stays until [`FairQueue::prune`] finds that it changes nothing.
    pub(crate) fn leave(&mut self, id: SeatId) {
        let seat = self.seats.at_mut(id);
        seat.flows -= 1;
        if seat.flows == 0 {
            self.idle.insert((seat.served, id));
        }
    }

    /// Forgets the absent who would get no less credit as newcomers; with `all`, every absent one.
    pub(crate) fn prune(&mut self, credit: u64, all: bool) {
        let horizon = self.virtual_time.saturating_sub(credit);
        while let Some(&(served, id)) = self.idle.first() {
            if !all && served > horizon {
                return;
            }
            self.idle.pop_first();
            if let Some(seat) = self.seats.remove(id) {
                self.by_user.remove(&seat.user);
            }
        }
    }

    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(crate) fn users(&self) -> usize {
        self.seats.len()
    }

    /// Puts a flow's request behind those of the same user.
    pub(crate) fn push(&mut self, id: SeatId, flow: FlowId, credit: u64) {
        let seat = self.seats.at_mut(id);
        seat.queue.push_back(flow);
        if seat.turn.is_none() {
            seat.served = seat.served.max(self.virtual_time.saturating_sub(credit));
            self.enter(id);
        }
    }

    /// Takes out the next request. [`FairQueue::charge`] for the same seat must follow: it puts the user back in line.
    pub(crate) fn pop(&mut self) -> Option<(SeatId, FlowId)> {
        let (_, _, id) = self.waiting.pop_first()?;
        let seat = self.seats.at_mut(id);
        seat.turn = None;
        let flow = seat
            .queue
            .pop_front()
            .expect("invariant: a waiting seat has a request");
        Some((id, flow))
    }

    /// Counts bytes served to the user.
    pub(crate) fn charge(&mut self, id: SeatId, bytes: u64, credit: u64) {
        let seat = self.seats.at_mut(id);
        let start = seat.served.max(self.virtual_time.saturating_sub(credit));
        self.virtual_time = self.virtual_time.max(start);
        seat.served = start.saturating_add(bytes);
        if !seat.queue.is_empty() {
            self.enter(id);
        }
    }

    /// Takes bytes off the count that were granted and not moved.
    pub(crate) fn refund(&mut self, id: SeatId, bytes: u64) {
        let seat = self.seats.at_mut(id);
        let old = seat.served;
        seat.served = old.saturating_sub(bytes);
        if let Some(turn) = seat.turn {
            self.waiting.remove(&(old, turn, id));
            self.waiting.insert((seat.served, turn, id));
        }
    }

    /// Withdraws a flow's request.
    pub(crate) fn cancel(&mut self, id: SeatId, flow: FlowId) {
        let seat = self.seats.at_mut(id);
        seat.queue.retain(|queued| *queued != flow);
        if seat.queue.is_empty()
            && let Some(turn) = seat.turn.take()
        {
            self.waiting.remove(&(seat.served, turn, id));
        }
    }

    fn enter(&mut self, id: SeatId) {
        self.turns += 1;
        let seat = self.seats.at_mut(id);
        seat.turn = Some(self.turns);
        self.waiting.insert((seat.served, self.turns, id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDIT: u64 = 40;

    fn serve(queue: &mut FairQueue, bytes: u64) -> Option<FlowId> {
        let (seat, flow) = queue.pop()?;
        queue.charge(seat, bytes, CREDIT);
        Some(flow)
    }

    #[test]
    fn users_take_turns_and_so_do_the_flows_of_one_user() {
        let mut queue = FairQueue::new();
        let (many, one) = (
            queue.join(&"many".into(), CREDIT),
            queue.join(&"one".into(), CREDIT),
        );
        for flow in 0..4 {
            queue.push(many, flow, CREDIT);
        }
        queue.push(one, 9, CREDIT);
        queue.push(one, 8, CREDIT);
        let order: Vec<_> = std::iter::from_fn(|| serve(&mut queue, 10)).collect();
        assert_eq!(order, [0, 9, 1, 8, 2, 3]);
    }

    #[test]
    fn larger_grants_mean_fewer_turns() {
        let mut queue = FairQueue::new();
        let (large, small) = (
            queue.join(&"large".into(), CREDIT),
            queue.join(&"small".into(), CREDIT),
        );
        let mut got = [0_u64; 2];
        for _ in 0..300 {
            for (seat, flow) in [(large, 0), (small, 1)] {
                if queue.seats.at(seat).queue.is_empty() {
                    queue.push(seat, flow, CREDIT);
                }
            }
            let (seat, flow) = queue.pop().expect("both wait");
            let bytes = if flow == 0 { 10 } else { 3 };
            queue.charge(seat, bytes, CREDIT);
            got[flow as usize] += bytes;
        }
        assert!(got[0].abs_diff(got[1]) <= 20, "{got:?}");
    }

    #[test]
    fn leaving_and_coming_back_does_not_clear_the_count() {
        let mut queue = FairQueue::new();
        let user: Arc<str> = "user".into();
        let other = queue.join(&"other".into(), CREDIT);
        let seat = queue.join(&user, CREDIT);
        queue.charge(seat, 1_000, CREDIT);
        queue.leave(seat);
        queue.prune(CREDIT, false);
        assert_eq!(queue.users(), 2, "still owes a turn");
        let again = queue.join(&user, CREDIT);
        queue.push(again, 1, CREDIT);
        queue.push(other, 2, CREDIT);
        assert_eq!(serve(&mut queue, 10), Some(2));
        queue.leave(again);
        queue.prune(CREDIT, true);
        assert_eq!(queue.users(), 1);
    }

    #[test]
    fn a_long_absence_earns_no_more_than_the_credit() {
        let mut queue = FairQueue::new();
        let (busy, rare) = (
            queue.join(&"busy".into(), CREDIT),
            queue.join(&"rare".into(), CREDIT),
        );
        for _ in 0..1_000 {
            queue.push(busy, 0, CREDIT);
            serve(&mut queue, 10);
        }
        for flow in 0..50 {
            queue.push(busy, flow, CREDIT);
            queue.push(rare, 100 + flow, CREDIT);
        }
        let first: Vec<_> = (0..10).filter_map(|_| serve(&mut queue, 10)).collect();
        let ahead = first.iter().filter(|flow| **flow >= 100).count();
        assert!(
            (5..=8).contains(&ahead),
            "{first:?}: four or five chunks ahead, then in turn"
        );
    }

    #[test]
    fn a_withdrawn_request_is_never_served() {
        let mut queue = FairQueue::new();
        let seat = queue.join(&"user".into(), CREDIT);
        queue.push(seat, 1, CREDIT);
        queue.push(seat, 2, CREDIT);
        queue.cancel(seat, 1);
        assert_eq!(serve(&mut queue, 10), Some(2));
        queue.push(seat, 3, CREDIT);
        queue.cancel(seat, 3);
        assert!(!queue.has_waiting());
        assert_eq!(serve(&mut queue, 10), None);
    }

    #[test]
    fn what_was_not_moved_is_taken_off_the_count() {
        let mut queue = FairQueue::new();
        let (a, b) = (
            queue.join(&"a".into(), CREDIT),
            queue.join(&"b".into(), CREDIT),
        );
        for flow in [0, 1] {
            queue.push(a, flow, CREDIT);
            queue.push(b, flow + 10, CREDIT);
        }
        assert_eq!(serve(&mut queue, 10), Some(0));
        queue.refund(a, 9);
        assert_eq!(serve(&mut queue, 10), Some(10));
        assert_eq!(
            serve(&mut queue, 10),
            Some(1),
            "one byte of ten counts as one"
        );
    }
}
