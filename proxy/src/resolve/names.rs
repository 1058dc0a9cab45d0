//! One thread's cache of names.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, Shared};
use weir_host::{Host, Name};

use super::{Answer, ResolveError, Resolver};

/// How long past its time an answer still serves while the name servers fail (RFC 8767).
const STALE: Duration = Duration::from_secs(600);

/// Bounded and without locks; one lookup a name at a time. Entries live as long as their
/// records, within the configured bounds, failures five seconds.
pub(crate) struct Names {
    resolver: Arc<Resolver>,
    entries: usize,
    cache: RefCell<HashMap<Name, Entry>>,
}

/// A lookup, under way or done; once done it keeps its answer.
#[derive(Clone)]
struct Entry {
    lookup: Shared<LocalBoxFuture<'static, Answer>>,
    /// The last good answer before this lookup.
    before: Option<Answer>,
}

impl Names {
    /// A cache of at most `entries` names before `resolver`.
    pub(crate) fn new(resolver: Arc<Resolver>, entries: usize) -> Names {
        Names {
            resolver,
            entries: entries.max(1),
            cache: RefCell::default(),
        }
    }

    /// The addresses of `host`, IPv6 first and never none; an address is its own.
    ///
    /// # Errors
    /// When there are none, or the name servers take longer than `deadline`. While they
    /// fail, an answer that ran out at most ten minutes ago still serves.
    pub(crate) async fn lookup(
        &self,
        host: &Host,
        deadline: Duration,
    ) -> Result<Arc<[IpAddr]>, ResolveError> {
        let name = match host {
            Host::Name(name) => name,
            Host::V4(address) => return Ok([IpAddr::V4(*address)].into()),
            Host::V6(address) => return Ok([IpAddr::V6(*address)].into()),
        };
        if let Some(addresses) = self.resolver.configured(name) {
            return Ok(addresses);
        }
        let entry = self.entry(name);
        let found = match entry.lookup.peek() {
            Some(answer) => answer.addresses.clone(),
            // Cancelling here leaves the lookup to whoever asks next.
            None => match tokio::time::timeout(deadline, entry.lookup.clone()).await {
                Ok(answer) => answer.addresses,
                Err(_) => Err(ResolveError::Timeout),
            },
        };
        found.or_else(|error| entry.stale(error, Instant::now()).ok_or(error))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.cache.borrow().len()
    }

    fn entry(&self, name: &Name) -> Entry {
        let now = Instant::now();
        let mut cache = self.cache.borrow_mut();
        if let Some(entry) = cache.get(name).filter(|entry| entry.serves(now)) {
            return entry.clone();
        }
        let before = cache.remove(name).and_then(Entry::last_good);
        if cache.len() >= self.entries {
            make_room(&mut cache, self.entries, now);
        }
        let lookup = self.resolver.start(name.clone()).boxed_local().shared();
        let entry = Entry { lookup, before };
        cache.insert(name.clone(), entry.clone());
        entry
    }
}

impl Entry {
    /// Under way, or its answer still holds.
    fn serves(&self, now: Instant) -> bool {
        self.lookup.peek().is_none_or(|answer| now < answer.until)
    }

    fn last_good(self) -> Option<Answer> {
        match self.lookup.peek() {
            Some(answer) if answer.addresses.is_ok() => Some(answer.clone()),
            _ => self.before,
        }
    }

    /// What served before, unless `error` says that it no longer holds.
    fn stale(&self, error: ResolveError, now: Instant) -> Option<Arc<[IpAddr]>> {
        let recent = |before: &&Answer| now < before.until + STALE;
        let before = self.before.as_ref().filter(recent)?;
        if error.is_fault_of_dns() {
            before.addresses.clone().ok()
        } else {
            None
        }
    }
}

/// Forgets what has run out and, when that frees too little, others by chance: a quarter at
/// once, so that a flood of names pays for it seldom.
fn make_room(cache: &mut HashMap<Name, Entry>, entries: usize, now: Instant) {
    cache.retain(|_, entry| entry.serves(now));
    let mut excess = cache.len().saturating_sub(entries * 3 / 4);
    cache.retain(|_, _| {
        let keep = excess == 0;
        excess = excess.saturating_sub(1);
        keep
    });
}
