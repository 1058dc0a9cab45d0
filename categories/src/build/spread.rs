//! Decides how work is spread over cores: independent items, results in the order of the items.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Most threads of a build. It runs beside traffic, and beyond a few it waits for memory anyway.
const THREADS_MAX: usize = 8;

/// Runs `work` on every item and tells `done` on the caller's thread as each is finished, in any order.
pub(super) fn spread<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    done: &mut dyn FnMut(&T),
) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let mut results: Vec<(usize, R)> = Vec::with_capacity(items.len());
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(THREADS_MAX);
        for _ in 0..threads.min(THREADS_MAX).min(items.len()) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    if sender.send((at, work(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (at, result) in receiver {
            if let Some(item) = items.get(at) {
                done(item);
            }
            results.push((at, result));
        }
    });
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items_and_each_is_told_once() {
        let items: Vec<u64> = (0..1000).collect();
        let mut told = Vec::new();
        let results = spread(&items, |item| item * item, &mut |item| told.push(*item));
        assert!(results.iter().zip(&items).all(|(r, i)| *r == i * i));
        told.sort_unstable();
        assert_eq!(told, items);
        assert!(spread(&[] as &[u64], |item| *item, &mut |_| {}).is_empty());
    }
}
