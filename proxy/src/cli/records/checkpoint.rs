//! `weir records checkpoint` and `weir records rotate-key`: the log over the records, as its owner speaks of it.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_config::Loaded;
use weir_evidence::{Checkpoint, Note};
use weir_monitoring::proof::{self, Asked, LATEST};
use weir_monitoring::{Recorder, RecorderError};

use super::super::{Answer, Failure, audit, output};
use super::retain::settings;

/// How long a running Weir may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// For sealing what a Weir that was killed left behind.
const DEADLINE: Duration = Duration::from_secs(60);

/// Arguments of `weir records checkpoint`.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckpointCommand {
    /// The last one as it is; do not ask a running Weir for a new one.
    #[arg(long)]
    last: bool,
    /// The public key that signs at present, instead of the checkpoint.
    #[arg(long, conflicts_with = "json")]
    key: bool,
    /// The key of the blinded tags, instead of the checkpoint: for an auditor who checks whose rows a bundle is about. Whoever has
    /// it can test which tag is a name's.
    #[arg(long, conflicts_with_all = ["json", "key", "last"])]
    tag_key: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `weir records rotate-key`.
#[derive(Debug, clap::Args)]
pub(crate) struct RotateKey {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl CheckpointCommand {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let directory = loaded.settings.records_directory();
        let node = settings(loaded)?.node;
        if self.tag_key {
            audit::note(
                &loaded.settings.state,
                "records checkpoint --tag-key",
                Value::Null,
            )?;
            let tags = proof::tag_key(&super::store(loaded)?, &node).map_err(Failure::refused)?;
            let tags = tags.ok_or_else(|| Failure::Refused("there is no log yet".to_owned()))?;
            write!(out, "{}", tags.to_text())?;
            return Ok(Answer::Yes);
        }
        let before = read(&directory, &node)?;
        let now = if self.last || self.key || !is_running(&directory)? {
            before
        } else {
            Some(ask(
                &directory,
                &node,
                Asked::Checkpoint,
                before.as_ref(),
                1,
            )?)
        };
        let Some((note, checkpoint)) = now else {
            return Err(Failure::Refused(
                "there is no checkpoint yet: Weir signs the first one when it has begun to record"
                    .to_owned(),
            ));
        };
        if self.key {
            let key = public_key(&directory, &node)?;
            writeln!(out, "{key}")?;
        } else if self.json {
            output::json(out, &as_json(&note, &checkpoint))?;
        } else {
            // The note alone, so that it can be kept as it is.
            write!(out, "{note}")?;
        }
        Ok(Answer::Yes)
    }
}

impl RotateKey {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let directory = loaded.settings.records_directory();
        let settings = settings(loaded)?;
        let node = settings.node.clone();
        audit::note(&loaded.settings.state, "records rotate-key", Value::Null)?;
        let started = match Recorder::start(settings) {
            Ok(recorder) => Some(recorder),
            Err(RecorderError::Locked { .. }) => None,
            Err(error) => return Err(Failure::refused(error)),
        };
        if let Some(recorder) = &started {
            let begun = Instant::now();
            while recorder.health().checkpoint_time.is_none() && begun.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let before = read(&directory, &node)?;
        // One under the old key, which names the new one, and one under the new.
        let rotated = ask(&directory, &node, Asked::Rotation, before.as_ref(), 2);
        if let Some(recorder) = started {
            recorder.stop(DEADLINE).map_err(Failure::refused)?;
        }
        rotated?;
        let key = public_key(&directory, &node)?;
        audit::note(
            &loaded.settings.state,
            "records rotate-key done",
            json!({ "key": key }),
        )?;
        if self.json {
            output::json(out, &json!({ "key": key }))?;
        } else {
            writeln!(out, "The log is signed by a new key from now on:\n{key}")?;
        }
        Ok(Answer::Yes)
    }
}

/// Whether somebody writes there.
pub(super) fn is_running(directory: &Path) -> Result<bool, Failure> {
    weir_monitoring::asks::is_running(directory).map_err(Failure::refused)
}

/// The last checkpoint, if there is one.
fn read(directory: &Path, node: &str) -> Result<Option<(Note, Checkpoint)>, Failure> {
    let path = proof::log_directory(directory, node).join(LATEST);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::Refused(format!("{}: {error}", path.display()))),
    };
    let parsed = Note::parse(&text).map_err(|error| error.to_string());
    let parsed = parsed.and_then(|note| {
        let checkpoint = Checkpoint::parse(note.text()).map_err(|error| error.to_string())?;
        Ok((note, checkpoint))
    });
    parsed.map(Some).map_err(|error| {
        Failure::Refused(format!(
            "{}: {error}; `weir records verify` says what else is wrong",
            path.display()
        ))
    })
}

/// Asks the running Weir and waits until it has signed so many more.
fn ask(
    directory: &Path,
    node: &str,
    what: Asked,
    before: Option<&(Note, Checkpoint)>,
    more: u64,
) -> Result<(Note, Checkpoint), Failure> {
    proof::ask(directory, node, what).map_err(Failure::refused)?;
    let expected = before.map_or(0, |(_, checkpoint)| checkpoint.number) + more;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(now) = read(directory, node)?
            && now.1.number >= expected
        {
            return Ok(now);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(Failure::Refused(
        "Weir did not sign in time; its health page and log say whether records can be written"
            .to_owned(),
    ))
}

/// The public key in force, from the checkpoints.
fn public_key(directory: &Path, node: &str) -> Result<String, Failure> {
    let path = proof::log_directory(directory, node).join(proof::CHECKPOINTS);
    let mut key = None;
    let mut take = |_, bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        if let Ok(entry) = weir_evidence::Entry::parse(text) {
            let newer = entry.checkpoint.next_key.or(entry.checkpoint.key);
            key = newer.map(|key| key.to_string()).or(key.take());
        }
        Ok(())
    };
    std::fs::File::open(&path)
        .and_then(|file| weir_evidence::entries(&mut io::BufReader::new(file), &mut take))
        .map_err(|error| Failure::Refused(format!("{}: {error}", path.display())))?;
    key.ok_or_else(|| Failure::Refused("the checkpoints name no key".to_owned()))
}

fn as_json(note: &Note, checkpoint: &Checkpoint) -> Value {
    json!({
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.to_string(),
        "number": checkpoint.number,
        "time": jiff::Timestamp::from_microsecond(checkpoint.time).ok().map(|time| time.to_string()),
        "why": checkpoint.why.as_str(),
        "first": checkpoint.first,
        "last": checkpoint.last,
        "note": note.to_string(),
    })
}
