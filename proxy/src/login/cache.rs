//! Which credentials were verified lately.

use std::time::{Duration, Instant};

use dashmap::DashMap;
use sha2::{Digest as _, Sha256};

/// A keyed hash of credentials and of the stored hash they were verified against.
pub(super) type Digest = [u8; 32];

/// Bounded in entries and in age; holds neither names nor passwords.
pub(super) struct Cache {
    key: [u8; 32],
    verified: DashMap<Digest, Instant>,
    entries: usize,
    lifetime: Duration,
}

impl Cache {
    pub(super) fn new(entries: usize, lifetime: Duration) -> Result<Cache, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Cache {
            key,
            verified: DashMap::new(),
            entries,
            lifetime,
        })
    }

    /// The random key keeps the digests of guessable passwords worthless to whoever reads
    /// memory that is later freed. They never leave the process, so a prefix key suffices:
    /// there is nothing to extend.
    pub(super) fn digest(&self, credentials: &[u8], phc: &str) -> Digest {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update((credentials.len() as u64).to_be_bytes());
        hash.update(credentials);
        hash.update(phc);
        hash.finalize().into()
    }

    /// Time since the password was verified, `None` when it never was or too long ago.
    pub(super) fn age(&self, digest: &Digest, now: Instant) -> Option<Duration> {
        let verified = *self.verified.get(digest)?;
        let age = now.saturating_duration_since(verified);
        (age < self.lifetime).then_some(age)
    }

    pub(super) fn insert(&self, digest: Digest, now: Instant) {
        if self.verified.len() >= self.entries {
            self.make_room(now);
        }
        self.verified.insert(digest, now);
    }

    fn make_room(&self, now: Instant) {
        let alive = |verified: &Instant| now.saturating_duration_since(*verified) < self.lifetime;
        self.verified.retain(|_, verified| alive(verified));
        if self.verified.len() < self.entries {
            return;
        }
        let oldest = self
            .verified
            .iter()
            .min_by_key(|entry| *entry.value())
            .map(|e| *e.key());
        if let Some(oldest) = oldest {
            self.verified.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(900);

    #[test]
    fn a_verification_is_forgotten_after_its_lifetime() {
        let cache = Cache::new(10, LIFETIME).unwrap();
        let start = Instant::now();
        let digest = cache.digest(b"anna:pw", "phc");
        assert_eq!(cache.age(&digest, start), None);
        cache.insert(digest, start);
        let almost = LIFETIME - Duration::from_secs(1);
        assert_eq!(cache.age(&digest, start + almost), Some(almost));
        assert_eq!(cache.age(&digest, start + LIFETIME), None);
    }

    #[test]
    fn digests_depend_on_credentials_stored_hash_and_process() {
        let cache = Cache::new(10, LIFETIME).unwrap();
        let digest = cache.digest(b"anna:pw", "phc");
        assert_eq!(digest, cache.digest(b"anna:pw", "phc"));
        assert_ne!(digest, cache.digest(b"anna:pw", "new phc"));
        assert_ne!(digest, cache.digest(b"anna:pwp", "hc"));
        assert_ne!(
            digest,
            Cache::new(10, LIFETIME).unwrap().digest(b"anna:pw", "phc")
        );
    }

    #[test]
    fn a_full_cache_forgets_the_oldest() {
        let cache = Cache::new(2, LIFETIME).unwrap();
        let start = Instant::now();
        for second in 0..3 {
            cache.insert([second; 32], start + Duration::from_secs(second.into()));
        }
        let now = start + Duration::from_secs(3);
        assert_eq!(cache.age(&[0; 32], now), None);
        assert!(cache.age(&[1; 32], now).is_some());
        assert!(cache.age(&[2; 32], now).is_some());
    }
}
