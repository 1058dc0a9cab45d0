//! Decides what becomes of memory that a build of lists used: it goes back to the system.
//!
//! A build of millions of entries needs some hundred megabytes for a second or two, on threads that end with it. mimalloc
//! keeps such memory for a next time, on an idle machine for ever, and mapped in huge pages of which a few bytes hold all. So
//! huge pages are turned off for this process (measured: no difference to a look-up, a quarter less memory), and what is
//! unused is given back a moment after lists have changed.
//!
//! # The one line of `unsafe`
//!
//! `mi_collect` takes no pointer and gives none. It may be called by any thread at any time, as mimalloc's manual says of its
//! whole interface; what it frees are pages without a living block. It needs the allocator to be mimalloc, which
//! `main.rs` decides; with another one it would find nothing to free.

#![allow(unsafe_code)]

use std::time::Duration;

/// When to look, counted from a change. Requests under way keep the old lists for a while.
const AFTER: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(15),
    Duration::from_secs(120),
];

/// Turns huge pages off for what this process asks for from now on. A system that refuses costs memory and nothing else.
pub(crate) fn small_pages() {
    _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Gives back what is unused. Takes some milliseconds for each hundred megabytes: not for a thread that serves.
pub(crate) fn give_back() {
    // SAFETY: there is nothing to uphold, as this module's head says.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

/// Gives back what a change of lists leaves unused, on blocking threads of the runtime that this is called on.
pub(crate) fn give_back_soon() {
    tokio::spawn(async {
        let begin = tokio::time::Instant::now();
        for after in AFTER {
            tokio::time::sleep_until(begin + after).await;
            _ = tokio::task::spawn_blocking(give_back).await;
        }
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// MB of memory of this process's own.
    fn held() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let kib: u64 = line
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        kib >> 10
    }

    /// What the keys of a build do: many blocks of all sizes, made by threads that end, freed by another.
    #[test]
    fn what_threads_that_have_ended_left_unused_goes_back_to_the_system() {
        small_pages();
        let before = held();
        let make = || -> Vec<Vec<u8>> {
            (0..1_000_usize)
                .map(|n| vec![1; 1 << (10 + n % 8)])
                .collect()
        };
        let made: Vec<_> = (0..8).map(|_| std::thread::spawn(make)).collect();
        let made: Vec<_> = made.into_iter().map(|made| made.join().unwrap()).collect();
        let during = held();
        drop(made);
        give_back();
        let after = held();
        assert!(during > before + 200, "{before} to {during} MB");
        assert!(after < before + 20, "{before} to {after} MB");
    }
}
