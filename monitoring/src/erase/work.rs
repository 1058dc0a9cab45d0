//! How a command has a request carried out: by the Weir that runs, through files that only the key-encryption key opens, or
//! else by itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Done, Request};
use crate::event::EventIds;
use crate::keys::{KeyError, destroy_file};
use crate::paths::entries;
use crate::proof::sidecar;
use crate::recorder::Recorder;
use crate::settings::{RecorderError, RecorderSettings, StopError};
use crate::store::Store;

/// Pause between two looks for an answer.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It was refused, or could not be done: in words.
    #[error("{0}")]
    Refused(String),
    /// The records cannot be opened.
    #[error(transparent)]
    Start(#[from] RecorderError),
    /// They were not closed in good order.
    #[error(transparent)]
    Stop(#[from] StopError),
    /// The Weir that runs did not answer in time. It may still carry the request out.
    #[error(
        "the running Weir did not answer in time; it may still carry this out: `weir records search --kind erasure,hold,release` shows it"
    )]
    Silent,
    /// A file cannot be read or written.
    #[error("{0}")]
    File(#[from] io::Error),
    /// The keys.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Has a request carried out and waits for what comes of it.
///
/// # Errors
/// When it is refused, or nobody can carry it out by the deadline.
pub fn ask(
    settings: RecorderSettings,
    request: &Request,
    deadline: Duration,
) -> Result<Done, AskError> {
    let until = Instant::now() + deadline;
    let (directory, kek, tenant) = (
        settings.directory.clone(),
        settings.kek.clone(),
        settings.tenant.clone(),
    );
    match Recorder::start(settings) {
        Ok(recorder) => {
            let done = recorder.serve(request, deadline);
            recorder.stop(until.saturating_duration_since(Instant::now()).max(PAUSE))?;
            done.map_err(AskError::Refused)
        }
        Err(RecorderError::Locked { .. }) => {
            let store = Store::open(&directory, &kek, &tenant)?;
            ask_running(&store, request, until)
        }
        Err(error) => Err(error.into()),
    }
}

fn ask_running(store: &Store, request: &Request, until: Instant) -> Result<Done, AskError> {
    let directory = store.layout().work();
    super::intent::make(&directory)?;
    let name = EventIds::new().next().to_string();
    let (question, answer) = (
        directory.join(format!("{name}.ask")),
        directory.join(format!("{name}.answer")),
    );
    put(store, &question, request)?;
    while Instant::now() < until {
        if let Some(bytes) = get(store, &answer)? {
            destroy_file(&answer)?;
            let answer: Result<Done, String> =
                serde_json::from_slice(&bytes).map_err(io::Error::other)?;
            return answer.map_err(AskError::Refused);
        }
        std::thread::sleep(PAUSE);
    }
    // What was not taken up must not be carried out when nobody expects it any more.
    destroy_file(&question)?;
    Err(AskError::Silent)
}

fn what(path: &Path) -> String {
    let name = path.file_name().and_then(|name| name.to_str());
    format!("work {}", name.unwrap_or_default())
}

fn put(store: &Store, path: &Path, value: &impl serde::Serialize) -> io::Result<()> {
    let json = zeroize::Zeroizing::new(serde_json::to_vec(value)?);
    let text = store.keys()?.kek().wrap(&what(path), &json)?;
    sidecar::replace(path, text.as_bytes())
}

fn get(store: &Store, path: &Path) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, KeyError> {
    store.keys()?.kek().unwrap_file(path, &what(path))
}

/// A request that waits, and where its answer belongs; it waits no more.
///
/// # Errors
/// When the directory cannot be read. What is no request is removed.
pub(crate) fn asked(store: &Store) -> io::Result<Option<(Request, PathBuf)>> {
    for path in entries(&store.layout().work())? {
        if path.extension().is_none_or(|kind| kind != "ask") {
            continue;
        }
        let read = get(store, &path).ok().flatten();
        let request = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        destroy_file(&path)?;
        if let Some(request) = request {
            return Ok(Some((request, path.with_extension("answer"))));
        }
    }
    Ok(None)
}

/// Answers.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn answer(store: &Store, path: &Path, done: &Result<Done, String>) -> io::Result<()> {
    put(store, path, done)
}

/// Forgets requests and answers of a run that is over: whoever asked has heard that it did not answer.
pub(crate) fn clear(store: &Store) -> io::Result<()> {
    match fs::remove_dir_all(store.layout().work()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
