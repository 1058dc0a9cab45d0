//! Several things at a time: what waits for a cold disk waits together.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

/// Files that are read at a time: more than cores, since most of it is waiting.
pub(super) const READERS: usize = 8;

/// Does something with each, several at a time; answers come in the order of the items.
pub(super) fn each_of<T: Sync, R: Send>(items: &[T], act: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let work = || {
        let mut own = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else {
                break;
            };
            own.push((place, act(item)));
        }
        done.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(own);
    };
    std::thread::scope(|scope| {
        for _ in 1..READERS.min(items.len()) {
            // Where no thread can be had, this one does it all.
            let _ = Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_order_and_once_each() {
        for count in [0, 1, 7, 500] {
            let items: Vec<usize> = (0..count).collect();
            let expected: Vec<usize> = items.iter().map(|item| item * 2).collect();
            assert_eq!(each_of(&items, |item| item * 2), expected);
        }
    }
}
