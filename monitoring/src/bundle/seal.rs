//! Before a bundle: a running Weir is asked to seal what it has, so that the proof of completeness reaches up to now.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use weir_evidence::{Entry, entries};

use crate::paths::{FileName, Layout};
use crate::proof::{self, Asked, CHECKPOINTS, LATEST, log_directory};
use crate::replay::Replay;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Lets the Weir that writes to this directory seal the rows that it has, and waits until a checkpoint names them. False when
/// it did not do so by the deadline.
///
/// # Errors
/// When the directory cannot be read, or the question not be put.
pub fn seal(directory: &Path, node: &str, deadline: Duration) -> io::Result<bool> {
    let layout = Layout::new(directory);
    let own = |(name, _): &(FileName, std::path::PathBuf)| name.node == node;
    let mut waiting: Vec<_> = layout.list_journals()?.into_iter().filter(own).collect();
    waiting.retain(|(_, path)| has_rows(path));
    if waiting.is_empty() {
        return Ok(true);
    }
    proof::ask(directory, node, Asked::Seal)?;
    let log = log_directory(directory, node);
    let begun = Instant::now();
    let mut seen = None;
    while begun.elapsed() < deadline {
        let latest = std::fs::read(log.join(LATEST)).ok();
        if latest != seen {
            seen = latest;
            let named = named(&log.join(CHECKPOINTS))?;
            waiting.retain(|(name, _)| !named.contains(&name.first));
        }
        if waiting.is_empty() {
            return Ok(true);
        }
        std::thread::sleep(PAUSE);
    }
    Ok(false)
}

/// Whether a journal has a row; one that is gone meanwhile is sealed, which is told by the checkpoints.
fn has_rows(path: &Path) -> bool {
    let first = Replay::open(path).and_then(|mut replay| replay.next());
    !matches!(first, Ok(None))
}

/// The first rows of every segment that checkpoints name.
fn named(path: &Path) -> io::Result<std::collections::HashSet<u64>> {
    let mut found = std::collections::HashSet::new();
    let file = std::fs::File::open(path)?;
    entries(&mut io::BufReader::new(file), &mut |_, bytes| {
        let entry = std::str::from_utf8(bytes).ok().map(Entry::parse);
        if let Some(Ok(entry)) = entry {
            found.extend(entry.checkpoint.sealed.iter().map(|file| file.first));
        }
        Ok(())
    })?;
    Ok(found)
}
