//! What each segment holds, in one file, so that a search over a year opens the segments that can match and no others.
//!
//! ```text
//! segments/facts   a line for each segment: its path, numbers, rows, times, whether it ends with a stop, and kinds of rows
//! ```
//! A line is added when a segment is sealed and taken out with its period. The directories say which segments there are; of one
//! without a line the footer is read. The file is a help and proves nothing: it may be removed at any time, and
//! `weir records verify` never looks at it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::paths::{FileName, Layout};
use crate::proof::sidecar;
use crate::segment::Facts;

/// Name of the file.
const FILE: &str = "facts";
/// Begins a line of this form.
const FORM: &str = "1";

/// The facts of the segments that have a line, by path under `segments`.
#[derive(Debug, Default)]
pub(crate) struct Index(HashMap<PathBuf, Facts>);

impl Index {
    /// What the file says; nothing where it cannot be read.
    pub(crate) fn read(layout: &Layout) -> Index {
        let text = std::fs::read(layout.segments().join(FILE)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        Index(text.lines().filter_map(parse).collect())
    }

    /// The facts of a segment.
    pub(crate) fn take(&mut self, layout: &Layout, segment: &Path) -> Option<Facts> {
        self.0.remove(segment.strip_prefix(layout.segments()).ok()?)
    }
}

/// Adds the line of a segment that has its name now.
///
/// # Errors
/// When it cannot be written; searches read the footer then.
pub(crate) fn add(layout: &Layout, segment: &Path, facts: &Facts) -> io::Result<()> {
    let path = segment.strip_prefix(layout.segments()).unwrap_or(segment);
    let mut file = File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(layout.segments().join(FILE))?;
    // What a torn write left before does not spoil this line.
    file.write_all(format!("\n{}\n", line(path, facts)).as_bytes())
}

/// Takes out the lines of a period that is gone.
///
/// # Errors
/// When the file cannot be written anew; the old one is there then, and does no harm.
pub(crate) fn remove(layout: &Layout, period: &Path) -> io::Result<()> {
    let path = layout.segments().join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let period = period.strip_prefix(layout.segments()).unwrap_or(period);
    let is_kept =
        |line: &&str| parse(line).is_some_and(|(segment, _)| !segment.starts_with(period));
    let kept: String = text
        .lines()
        .filter(is_kept)
        .flat_map(|line| [line, "\n"])
        .collect();
    sidecar::replace(&path, kept.as_bytes())
}

/// The line of a segment. It ends with a check sum, so that a line that was cut off or damaged is not used.
fn line(path: &Path, facts: &Facts) -> String {
    let kinds: Vec<&str> = facts.kinds.iter().map(String::as_str).collect();
    let line = format!(
        "{FORM} {} {} {} {} {}",
        path.display(),
        facts.rows,
        facts.earliest,
        facts.latest,
        kinds.join(",")
    );
    let sum = crc32fast::hash(line.as_bytes());
    format!("{line} {sum:08x}")
}

fn parse(line: &str) -> Option<(PathBuf, Facts)> {
    let (line, sum) = line.rsplit_once(' ')?;
    if format!("{:08x}", crc32fast::hash(line.as_bytes())) != sum {
        return None;
    }
    let mut parts = line.strip_prefix(FORM)?.strip_prefix(' ')?.split(' ');
    let path = PathBuf::from(parts.next()?);
    let name = FileName::parse(path.file_name()?.to_str()?)?;
    let facts = Facts {
        first: name.first,
        last: name.last?,
        node: name.node,
        rows: parts.next()?.parse().ok()?,
        earliest: parts.next()?.parse().ok()?,
        latest: parts.next()?.parse().ok()?,
        kinds: parts.next()?.split(',').map(str::to_owned).collect(),
        ..Facts::default()
    };
    Some((path, facts))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::query::Query;
    use crate::testing::{numbered, rows_of, settings, stop};
    use crate::{Kind, Recorder};

    #[test]
    fn a_search_finds_the_same_with_without_and_with_a_damaged_index() {
        let directory = tempfile::tempdir().unwrap();
        let mut own = settings(directory.path());
        own.segment_rows = 5;
        let recorder = Recorder::start(own).unwrap();
        let mut lane = recorder.lane();
        for number in 0..40 {
            lane.push(numbered("ann", number * 86_400_000_000 / 8));
            if number % 5 == 4 {
                lane.flush();
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
        drop(lane);
        stop(&recorder);
        let layout = Layout::new(directory.path());
        let file = layout.segments().join(FILE);
        let text = std::fs::read_to_string(&file).unwrap();
        let segments: usize = layout
            .list_periods()
            .unwrap()
            .iter()
            .map(|(_, path)| layout.list_segments(path).unwrap().len())
            .sum();
        assert!(segments > 3);
        assert_eq!(text.lines().filter_map(parse).count(), segments);
        for query in [
            Query::default(),
            Query {
                kinds: vec![Kind::Stop],
                ..Query::default()
            },
            Query {
                to: Some(crate::paths::moment(1_790_000_086_400_000)),
                ..Query::default()
            },
        ] {
            std::fs::write(&file, &text).unwrap();
            let found = rows_of(directory.path(), &query);
            assert!(!found.is_empty());
            for other in [
                "",
                &text[..text.len() / 2],
                &text[text.len() / 3..],
                "1 a b c\n1 2026-01-01/x",
            ] {
                std::fs::write(&file, other).unwrap();
                assert_eq!(rows_of(directory.path(), &query), found);
            }
        }
        std::fs::write(&file, &text).unwrap();
        let (_, period) = layout.list_periods().unwrap().remove(0);
        let gone = layout.list_segments(&period).unwrap().len();
        remove(&layout, &period).unwrap();
        assert_eq!(Index::read(&layout).0.len(), segments - gone);
    }
}
