//! The writer's side of questions: which are taken, which are not heard, and what is cleared away.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{ANSWER, ASK, Answer, OwnRow, PART, Question, SIZE};

/// Questions that are taken at one look, and files that one look sees at most.
const TAKEN: usize = 64;
const SEEN: usize = 1024;
/// Age at which a question or an answer is worth nothing any more.
const EXPIRED: Duration = Duration::from_secs(60);

/// A question that was taken away: its id, and the row or what is wrong with it.
pub(crate) type Taken = (String, Result<OwnRow, String>);

/// What lies there and is no question, with when it was first seen by the steady clock.
#[derive(Debug, Default)]
pub(crate) struct Left(HashMap<PathBuf, Duration>);

/// Takes the questions that wait away and removes what nobody waits for any more; `now` by the steady clock. A directory that is
/// not there has none.
///
/// # Errors
/// When the directory cannot be trusted or read.
pub(crate) fn take(directory: &Path, left: &mut Left, now: Duration) -> io::Result<Vec<Taken>> {
    let own = match fs::symlink_metadata(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    if !own.is_dir() || own.permissions().mode() & 0o022 != 0 {
        let what = "others than Weir's account may write to it, so no question is taken: chmod 700";
        return Err(io::Error::other(format!("{}: {what}", directory.display())));
    }
    let mut taken = Vec::new();
    let mut seen = HashMap::new();
    for entry in fs::read_dir(directory)?.take(SEEN) {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == ASK) {
            if taken.len() < TAKEN {
                taken.extend(take_one(&path, own.uid()));
            }
            continue;
        }
        let since = left.0.get(&path).copied().unwrap_or(now);
        if now.saturating_sub(since) > EXPIRED {
            // Whoever asked gave up long ago.
            let _ = fs::remove_file(&path);
        } else {
            seen.insert(path, since);
        }
    }
    left.0 = seen;
    Ok(taken)
}

/// Takes one question away; None when somebody else did, or nobody waits for it any more.
fn take_one(path: &Path, owner: u32) -> Option<Taken> {
    let id = path.file_stem()?.display().to_string();
    let metadata = fs::symlink_metadata(path).ok()?;
    let is_ours = metadata.is_file() && [owner, 0].contains(&metadata.uid());
    let read = if is_ours {
        read(path)
    } else {
        Err("it is no file of Weir's account".to_owned())
    };
    // What cannot be taken away would be done again and again.
    fs::remove_file(path).ok()?;
    match read {
        Ok(question) if question.is_expired() => None,
        Ok(question) => Some((id, Ok(question.row))),
        Err(why) => Some((id, Err(why))),
    }
}

fn read(path: &Path) -> Result<Question, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    let read = file.take(SIZE + 1).read_to_string(&mut text);
    read.map_err(|error| error.to_string())?;
    if text.len() as u64 > SIZE {
        return Err(format!("the question is longer than {SIZE} bytes"));
    }
    let question: Question = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    question.row.check().map_err(|error| error.to_string())?;
    Ok(question)
}

/// Seconds since the machine started: the same for every process, and no step of the clock moves it. None where the system does
/// not say it.
pub(super) fn uptime() -> Option<u64> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    text.split('.').next()?.parse().ok()
}

impl Question {
    fn is_expired(&self) -> bool {
        let (Some(asked), Some(now)) = (self.asked, uptime()) else {
            return false;
        };
        // One from before the machine started anew looks as if it came later.
        now < asked || now - asked > EXPIRED.as_secs()
    }
}

/// Answers a question that was taken. Best effort: without an answer whoever asked does nothing.
pub(crate) fn answer(directory: &Path, id: &str, refused: Option<String>) {
    let answer = refused.map_or(Answer::Written, Answer::Refused);
    let part = directory.join(format!("{id}.{ANSWER}.{PART}"));
    if let Ok(text) = serde_json::to_string(&answer)
        && fs::write(&part, text).is_ok()
    {
        let _ = fs::rename(&part, directory.join(format!("{id}.{ANSWER}")));
    }
}
