//! Decides how work is spread over cores: independent items, results in the order of the items.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, mpsc};
use std::thread;

/// Most threads of a build. It runs beside traffic, and beyond a few it waits for memory anyway.
const THREADS_MAX: usize = 8;

/// Results that may wait for the one before them.
const AHEAD: usize = 4;

/// Runs `work` on every item and gives `take` each result on the caller's thread, in the order of the items. Workers do not
/// run far ahead: only a few results are held at a time.
///
/// # Errors
/// The first error of `take`; nothing more is worked on then.
pub(super) fn in_order<T: Sync, R: Send, E>(
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let (taken, moved) = (Mutex::new(0), Condvar::new());
    let set = |count: usize| {
        *taken.lock().unwrap_or_else(PoisonError::into_inner) = count;
        moved.notify_all();
    };
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(AHEAD);
        for _ in 0..threads().min(items.len()) {
            let (sender, next, work, taken, moved) = (sender.clone(), &next, &work, &taken, &moved);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    let far = |taken: &mut usize| at >= taken.saturating_add(AHEAD);
                    let turn = taken.lock().unwrap_or_else(PoisonError::into_inner);
                    drop(moved.wait_while(turn, far));
                    if sender.send((at, work(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut count = 0;
        for (at, result) in receiver {
            early.insert(at, result);
            while let Some(result) = early.remove(&count) {
                count += 1;
                // On an error nobody waits any more, and sending fails.
                take(result).inspect_err(|_| set(usize::MAX))?;
                set(count);
            }
        }
        Ok(())
    })
}

fn threads() -> usize {
    thread::available_parallelism()
        .map_or(1, usize::from)
        .min(THREADS_MAX)
}

/// Runs `work` on every item and tells `done` on the caller's thread as each is finished, in any order.
pub(super) fn spread<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    done: &mut dyn FnMut(&T),
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let mut results: Vec<(usize, R)> = Vec::with_capacity(items.len());
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(THREADS_MAX);
        for _ in 0..threads().min(items.len()) {
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
    fn results_are_taken_in_order_however_long_each_takes() {
        let items: Vec<u64> = (0..200).collect();
        let mut taken = Vec::new();
        let work = |item: &u64| {
            if item.is_multiple_of(7) {
                thread::sleep(std::time::Duration::from_millis(1));
            }
            *item
        };
        let done = in_order(&items, work, |item| {
            taken.push(item);
            Ok::<(), ()>(())
        });
        assert_eq!((done, taken), (Ok(()), items.clone()));
        let stopped = in_order(
            &items,
            work,
            |item| if item < 50 { Ok(()) } else { Err(item) },
        );
        assert_eq!(stopped, Err(50));
    }

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
