//! Lists that are kept up to date: what `[[lists.source]]` names is looked for, fetched, checked and imported.
//!
//! Decides what is taken for a new version. Whatever goes wrong, the last good one stays in force, and what went wrong is
//! said in the log, the records, health, metrics and `weir lists sources`.
//!
//! [`once`] does one source and is what both the running Weir ([`task`]) and `weir lists update` call. Its disk work blocks;
//! it runs on a thread where nothing else does.

pub(crate) mod board;
pub(crate) mod fault;
pub(crate) mod fetch;
mod import;
mod local;
pub(crate) mod state;
pub(crate) mod task;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use weir_categories::Progress;
use weir_config::{ListSource, Place};

use fault::Fault;
use fetch::{Body, Got, Known, Network, Terms};
use state::State;

/// Most bytes of a digest file or a signature.
const BESIDE_MAX: u64 = 64 * 1024;

/// How far an update is.
pub(crate) enum Step {
    /// Bytes that came, and how many there will be when that is known.
    Fetched(u64, Option<u64>),
    /// What the import says.
    Imported(Progress),
}

/// What became of one look.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A new version is in force.
    Updated {
        /// Entries in force now.
        entries: u64,
        /// Entries before; none for a first version.
        before: Option<u64>,
    },
    /// The version in force is the latest.
    Unchanged {
        /// Entries in force.
        entries: u64,
    },
    /// The last good version stays in force.
    Failed(Fault),
}

/// One look for one source.
pub(crate) struct Look<'a> {
    pub(crate) source: &'a ListSource,
    pub(crate) network: &'a Network<'a>,
    /// Take what comes whatever is known of an older version, and however much it shrank.
    pub(crate) force: bool,
}

/// Looks for a newer version of a source, takes it, and remembers what came of it. The caller holds the
/// [`state::Turn`].
pub(crate) async fn once(look: &Look<'_>, progress: &mut dyn FnMut(Step)) -> (State, Outcome) {
    let lists = weir_config::lists::imported(look.network.settings);
    let directory = state::directory(&lists, &look.source.name);
    let before = State::read(&directory);
    let mut state = before.clone();
    let outcome = attempt(look, &directory, &mut state, progress).await;
    if matches!(outcome, Outcome::Failed(_)) {
        // Of what was refused nothing is remembered but that it was.
        state = before;
    }
    remember(look.source, &mut state, &outcome, Timestamp::now());
    let work = directory.join("new");
    if let Err(error) = state.write(&directory).and_then(|()| clear(&work)) {
        tracing::warn!(%error, list = %look.source.name, "what an update came to could not be kept");
    }
    (state, outcome)
}

async fn attempt(
    look: &Look<'_>,
    directory: &Path,
    state: &mut State,
    progress: &mut dyn FnMut(Step),
) -> Outcome {
    let work = directory.join("new");
    let made = clear(&work).and_then(|()| fs::create_dir_all(&work));
    let lists = weir_config::lists::imported(look.network.settings);
    let before = import::in_force(&lists, &look.source.name);
    let settings = state::fingerprint(look.source);
    if look.force || before.is_none() || state.settings != settings {
        *state = State::default();
    }
    state.settings = settings;
    let outcome = match made {
        Ok(()) => take(look, &work, state, before, progress).await,
        Err(error) => Err(error.into()),
    };
    match (outcome, before) {
        (Ok(Some(entries)), before) => Outcome::Updated { entries, before },
        (Ok(None), entries) => Outcome::Unchanged {
            entries: entries.unwrap_or(0),
        },
        (Err(fault), _) => Outcome::Failed(fault),
    }
}

/// Gives the entries of a new version, or nothing when there is none.
async fn take(
    look: &Look<'_>,
    work: &Path,
    state: &mut State,
    before: Option<u64>,
    progress: &mut dyn FnMut(Step),
) -> Result<Option<u64>, Fault> {
    let Some((path, body)) = bring(look, work, state, progress).await? else {
        return Ok(None);
    };
    if let Some(body) = body {
        let signed = verify_all(look, work, &path, &body).await?;
        match (state.signed, signed) {
            (Some(before), Some(signed)) if signed < before => {
                return Err(Fault::Older { signed, before });
            }
            _ => state.signed = signed.or(state.signed),
        }
        let same = state.sha256.as_ref() == Some(&body.sha256);
        (state.etag, state.modified) = (body.etag, body.modified);
        (state.sha256, state.bytes) = (Some(body.sha256), body.bytes);
        if same {
            return Ok(None);
        }
    }
    let source = look.source;
    let before = before.unwrap_or(0);
    let kept = (before as f64 * (1.0 - source.shrink_max)).ceil();
    let candidate = import::Candidate {
        source,
        path: &path,
        work,
        least: if look.force { 0 } else { kept as u64 },
        before,
    };
    let mut told = |imported| progress(Step::Imported(imported));
    let done = import::run(&candidate, look.network.settings, &mut told).map(Some);
    // This thread lives on, and keeps what it freed.
    crate::memory::give_back();
    done
}

/// What came and where it lies; nothing when it is the version in force. Of a directory there is no digest.
async fn bring(
    look: &Look<'_>,
    work: &Path,
    state: &mut State,
    progress: &mut dyn FnMut(Step),
) -> Result<Option<(PathBuf, Option<Body>)>, Fault> {
    let source = look.source;
    let into = work.join(file_name(&source.from));
    let mut count = |done, all| progress(Step::Fetched(done, all));
    match &source.from {
        Place::Url(url) => {
            let known = Known {
                etag: state.etag.as_deref(),
                modified: state.modified.as_deref(),
            };
            let terms = Terms {
                size_max: source.size_max,
                is_verified: source.is_verified(),
            };
            let got = fetch::get(look.network, url, known, terms, &into, &mut count).await?;
            Ok(match got {
                Got::Unchanged => None,
                Got::Whole(body) => Some((into, Some(body))),
            })
        }
        Place::File(path) => {
            let found = local::look(path)?;
            if state.look.as_ref() == Some(&found.text) {
                return Ok(None);
            }
            state.look = Some(found.text.clone());
            if found.is_directory {
                state.bytes = found.bytes;
                match (source.is_verified(), found.bytes > source.size_max) {
                    (true, _) => Err(Fault::Directory),
                    (_, true) => Err(Fault::TooLarge(source.size_max)),
                    _ => Ok(Some((path.clone(), None))),
                }
            } else {
                let body = local::copy(path, &found, source.size_max, &into, &mut count)?;
                Ok(Some((into, Some(body))))
            }
        }
    }
}

/// Holds what came against everything that is configured. Gives the time of its signature, where that has one.
async fn verify_all(
    look: &Look<'_>,
    work: &Path,
    path: &Path,
    body: &Body,
) -> Result<Option<u64>, Fault> {
    let mut signed = None;
    let source = look.source;
    if let Some(expected) = &source.sha256 {
        verify::digest(&body.sha256, expected)?;
    }
    if let Some(place) = &source.sha256_from {
        let text = beside(look, place, work)
            .await
            .map_err(|fault| Fault::DigestFile(Box::new(fault)))?;
        let expected = verify::digest_of(&text, &file_name(&source.from));
        verify::digest(&body.sha256, &expected.ok_or(Fault::NoDigest)?)?;
    }
    if let Some(key) = &source.public_key {
        let place = match &source.signature {
            Some(place) => Ok(place.clone()),
            None => with_suffix(&source.from, ".minisig"),
        };
        let text = match place {
            Ok(place) => beside(look, &place, work).await,
            Err(fault) => Err(fault),
        };
        let text = text.map_err(|fault| Fault::SignatureFile(Box::new(fault)))?;
        signed = verify::signature(path, key, &text)?;
    }
    Ok(signed)
}

/// A small text that lies beside a list.
async fn beside(look: &Look<'_>, place: &Place, work: &Path) -> Result<String, Fault> {
    let into = work.join("beside");
    let silent = &mut |_, _| {};
    match place {
        Place::Url(url) => {
            let terms = Terms {
                size_max: BESIDE_MAX,
                is_verified: true,
            };
            fetch::get(look.network, url, Known::default(), terms, &into, silent).await?;
        }
        Place::File(path) => {
            let found = local::look(path)?;
            local::copy(path, &found, BESIDE_MAX, &into, silent)?;
        }
    }
    Ok(String::from_utf8_lossy(&fs::read(&into)?).into_owned())
}

fn with_suffix(place: &Place, suffix: &str) -> Result<Place, Fault> {
    match place {
        Place::File(path) => {
            let mut path = path.clone().into_os_string();
            path.push(suffix);
            Ok(Place::File(path.into()))
        }
        Place::Url(url) => {
            let query = url
                .query()
                .map_or(String::new(), |query| format!("?{query}"));
            let path = format!("{}{suffix}{query}", url.path());
            let host = url.host.clone();
            weir_host::Target::from_parts(url.scheme, host, url.port, &path)
                .map(Place::Url)
                .map_err(|_| Fault::Location(path))
        }
    }
}

/// The last part of where a list comes from, as far as it can name a file.
fn file_name(place: &Place) -> String {
    let text = match place {
        Place::File(path) => path.to_string_lossy().into_owned(),
        Place::Url(url) => url.path().to_owned(),
    };
    let last = text.rsplit('/').find(|part| !part.is_empty());
    let plain = |c: &char| c.is_ascii_alphanumeric() || "._-".contains(*c);
    let name: String = last
        .unwrap_or_default()
        .chars()
        .filter(plain)
        .take(100)
        .collect();
    let name = name.trim_start_matches('.');
    // Names of work in progress.
    match name {
        "" | "single" | "beside" | "map.toml" => "list".to_owned(),
        name => name.to_owned(),
    }
}

fn clear(work: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(work) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes into the state what came of a look.
fn remember(source: &ListSource, state: &mut State, outcome: &Outcome, now: Timestamp) {
    state.tried = Some(now);
    state.note = told(source, outcome);
    if let Outcome::Failed(fault) = outcome {
        // Tried with these settings, so that it is not due again at once.
        if state.settings != state::fingerprint(source) {
            (state.etag, state.modified, state.look, state.sha256) = (None, None, None, None);
            state.settings = state::fingerprint(source);
        }
        state.failures = state.failures.saturating_add(1);
        state.fault = Some(fault.to_string());
        return;
    }
    (state.failures, state.fault, state.good) = (0, None, Some(now));
    match outcome {
        Outcome::Updated { entries, .. } => {
            state.changed = Some(now);
            state.entries = *entries;
        }
        Outcome::Unchanged { entries } => state.entries = *entries,
        Outcome::Failed(_) => {}
    }
}

/// What came, what was kept, and why, on one line.
pub(crate) fn told(source: &ListSource, outcome: &Outcome) -> String {
    let (name, from) = (&source.name, source.from.shown());
    match outcome {
        Outcome::Updated { entries, before } => {
            let before = before.map_or(String::new(), |before| format!(", {before} before"));
            format!("list {name} updated from {from}: {entries} entries{before}")
        }
        Outcome::Unchanged { entries } => {
            format!("list {name} is unchanged at {from}: {entries} entries")
        }
        Outcome::Failed(fault) => {
            format!(
                "list {name} not updated from {from}, the last good one stays in force: {fault}"
            )
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
