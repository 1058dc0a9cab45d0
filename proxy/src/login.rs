//! HTTP Basic logins (RFC 7617) against the local users.
//!
//! Decides whether credentials are right, and when an address has guessed too often. Does
//! not decide who must log in, what an answer looks like or what is recorded.
//!
//! A right password costs one argon2 run a `cache_lifetime`, not one a request: the cache
//! knows a keyed hash of the credentials together with the user's stored hash, so a changed
//! password, a removed user and a restart all end what was cached. A name that nobody has
//! costs what a wrong password costs. Only failures are counted, per address: whoever
//! is cached passes while others at the same address are throttled.

mod cache;
mod credentials;
mod throttle;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dashmap::DashMap;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use self::cache::{Cache, Digest};
use self::credentials::Credentials;
use self::throttle::Throttle;
use crate::users::{self, User, Users};

/// Attempts that may wait for each verifier; beyond them a login is `Busy`. At tens of
/// milliseconds an attempt more would not be reached within the deadline.
const WAITING_PER_VERIFIER: usize = 128;

/// What became of a login.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// The password is right; `age` is the time since argon2 last said so (LM-35).
    Known {
        /// Who it is.
        user: Arc<User>,
        /// Time since the password itself was verified.
        age: Duration,
    },
    /// The name or the password is wrong.
    Wrong {
        /// The name claimed, shortened and without control characters.
        claimed: Option<Arc<str>>,
    },
    /// Too many failures from this address; nothing was verified.
    Throttled {
        /// When to try again.
        retry_after: Duration,
    },
    /// Not Basic credentials.
    Malformed,
    /// More logins at once than can be verified within the deadline.
    Busy,
}

/// Verifies logins for every thread. Without `Debug`, as everything here that holds keys.
pub(crate) struct Verifier {
    memory: Arc<Memory>,
    flights: DashMap<FlightKey, Arc<OnceCell<Tried>>>,
    places: Arc<Semaphore>,
    verifiers: Arc<Semaphore>,
    deadline: Duration,
    decoy: String,
}

/// Attempts with the same credentials from the same address share one argon2 run.
type FlightKey = (Digest, IpAddr);

/// What outlives an attempt.
struct Memory {
    cache: Cache,
    throttle: Throttle,
}

#[derive(Clone, Copy, Debug)]
enum Tried {
    Right,
    Wrong,
    Throttled(Duration),
}

/// The attempt found no verifier, or its runtime is shutting down.
struct NotTried;

struct Attempt {
    digest: Digest,
    password: Box<[u8]>,
    phc: Box<str>,
    /// Whether the hash belongs to a user; a decoy is never right.
    known: bool,
    client: IpAddr,
}

impl Verifier {
    /// A verifier that answers within `deadline`.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(crate) fn new(
        settings: &weir_config::Login,
        deadline: Duration,
    ) -> Result<Verifier, getrandom::Error> {
        let verifiers = settings.verifiers.max(1);
        let memory = Memory {
            cache: Cache::new(settings.cache_entries, settings.cache_lifetime)?,
            throttle: Throttle::new(settings.attempts, settings.window),
        };
        Ok(Verifier {
            memory: Arc::new(memory),
            flights: DashMap::new(),
            places: Arc::new(Semaphore::new(verifiers * (WAITING_PER_VERIFIER + 1))),
            verifiers: Arc::new(Semaphore::new(verifiers)),
            deadline,
            decoy: users::decoy()?,
        })
    }

    /// Whom these credentials name, if their password was verified lately: no waiting, no
    /// argon2, never throttled.
    pub(crate) fn cached(&self, users: &Users, header: &[u8]) -> Option<(Arc<User>, Duration)> {
        let credentials = Credentials::parse(header)?;
        let user = users.get(credentials.user())?;
        let digest = self.memory.cache.digest(credentials.as_bytes(), user.phc());
        let age = self.memory.cache.age(&digest, Instant::now())?;
        Some((user.clone(), age))
    }

    /// Verifies the value of a `Proxy-Authorization` field.
    ///
    /// A failure counts against `client` even when the caller stops waiting for the answer.
    pub(crate) async fn verify(
        &self,
        users: &Arc<Users>,
        header: &[u8],
        client: IpAddr,
    ) -> Outcome {
        if let Some((user, age)) = self.cached(users, header) {
            return Outcome::Known { user, age };
        }
        let Some(credentials) = Credentials::parse(header) else {
            return Outcome::Malformed;
        };
        if let Some(retry_after) = self.memory.throttle.retry_after(client, Instant::now()) {
            return Outcome::Throttled { retry_after };
        }
        let user = users.get(credentials.user());
        let attempt = self.attempt(&credentials, user, client);
        // Cancelling here loses only the answer: a run that has begun counts and is cached.
        match (
            tokio::time::timeout(self.deadline, self.share(attempt)).await,
            user,
        ) {
            (Ok(Ok(Tried::Right)), Some(user)) => Outcome::Known {
                user: user.clone(),
                age: Duration::ZERO,
            },
            (Ok(Ok(Tried::Right | Tried::Wrong)), _) => Outcome::Wrong {
                claimed: credentials.claimed(),
            },
            (Ok(Ok(Tried::Throttled(retry_after))), _) => Outcome::Throttled { retry_after },
            (Ok(Err(NotTried)) | Err(_), _) => Outcome::Busy,
        }
    }

    fn attempt(
        &self,
        credentials: &Credentials,
        user: Option<&Arc<User>>,
        client: IpAddr,
    ) -> Attempt {
        let phc = user.map_or(self.decoy.as_str(), |user| user.phc());
        Attempt {
            digest: self.memory.cache.digest(credentials.as_bytes(), phc),
            password: credentials.password().into(),
            phc: phc.into(),
            known: user.is_some(),
            client,
        }
    }

    /// Joins the run that is under way for the same attempt, or begins one. When the one
    /// who began it goes away while it waits for a verifier, another takes over.
    async fn share(&self, attempt: Attempt) -> Result<Tried, NotTried> {
        let flight = Flight::join(&self.flights, (attempt.digest, attempt.client));
        flight
            .cell
            .get_or_try_init(|| self.run(attempt))
            .await
            .copied()
    }

    async fn run(&self, attempt: Attempt) -> Result<Tried, NotTried> {
        let place = self
            .places
            .clone()
            .try_acquire_owned()
            .map_err(|_| NotTried)?;
        let verifier = self
            .verifiers
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| NotTried)?;
        // Those ahead in the queue may have used up the attempts meanwhile.
        if let Some(wait) = self
            .memory
            .throttle
            .retry_after(attempt.client, Instant::now())
        {
            return Ok(Tried::Throttled(wait));
        }
        let memory = self.memory.clone();
        let run = move || memory.try_password(&attempt, (place, verifier));
        tokio::task::spawn_blocking(run).await.map_err(|_| NotTried)
    }
}

impl Memory {
    /// Runs argon2 and remembers the result. The permits are held until the end even when
    /// nobody waits any more, so that hanging up frees no verifier early.
    fn try_password(
        &self,
        attempt: &Attempt,
        _permits: (OwnedSemaphorePermit, OwnedSemaphorePermit),
    ) -> Tried {
        let matches = users::verify(&attempt.phc, &attempt.password);
        if matches && attempt.known {
            self.cache.insert(attempt.digest, Instant::now());
            Tried::Right
        } else {
            self.throttle.count(attempt.client, Instant::now());
            Tried::Wrong
        }
    }
}

/// One waiter's share in a run; the last one out removes it.
struct Flight<'a> {
    flights: &'a DashMap<FlightKey, Arc<OnceCell<Tried>>>,
    key: FlightKey,
    cell: Arc<OnceCell<Tried>>,
}

impl<'a> Flight<'a> {
    fn join(flights: &'a DashMap<FlightKey, Arc<OnceCell<Tried>>>, key: FlightKey) -> Self {
        let cell = flights.entry(key).or_default().clone();
        Flight { flights, key, cell }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        // Clones are made under the map's lock, so two (this one and the map's) means that
        // nobody else waits. A finished run is never joined again: a later attempt is new.
        self.flights.remove_if(&self.key, |_, cell| {
            Arc::ptr_eq(cell, &self.cell) && (cell.initialized() || Arc::strong_count(cell) <= 2)
        });
    }
}

#[cfg(test)]
mod tests;
