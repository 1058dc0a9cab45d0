//! Names of the files in a records directory, and the period that a file belongs to.
//!
//! ```text
//! lock
//! journal/<node>-<first seq>.arrows
//! segments/<period>/<node>-<first seq>-<last seq>.parquet
//! log/<node>/
//! keys/<tenant>/
//! holds/, erasures/, work/
//! ```
//! Beside journals and segments lie their secrets, hints and users, described in `proof/sidecar.rs`; the log in `proof/chain.rs`, the
//! keys in `keys/`, holds and erasures in `erase/`.
//! A period is a UTC day. A segment lies in the period of its latest row, so no row of a period began after that day.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// A UTC day, the unit of retention (LM-14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(Date);

impl Period {
    /// The day of a moment in µs since the epoch; moments that no calendar has are clamped.
    pub fn of(time: i64) -> Period {
        Period(moment(time).to_zoned(TimeZone::UTC).date())
    }

    /// The first moment after the period, µs since the epoch.
    pub fn end(self) -> i64 {
        let next = self
            .0
            .checked_add(1.day())
            .and_then(|day| day.to_zoned(TimeZone::UTC));
        next.map_or(i64::MAX, |day| day.timestamp().as_microsecond())
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Period {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Period, jiff::Error> {
        Date::strptime("%Y-%m-%d", text).map(Period)
    }
}

/// A moment for people; µs since the epoch, clamped to what the calendar has.
pub(crate) fn moment(time: i64) -> Timestamp {
    Timestamp::from_microsecond(time).unwrap_or(if time < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// A node and a range of its rows, as a file name says it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileName {
    pub(crate) node: String,
    pub(crate) first: u64,
    /// None for a journal, whose end is not known from its name.
    pub(crate) last: Option<u64>,
}

impl FileName {
    /// The file names a journal or segment, else None.
    pub(crate) fn parse(name: &str) -> Option<FileName> {
        if let Some(stem) = name.strip_suffix(".arrows") {
            let (node, first) = stem.rsplit_once('-')?;
            return Some(FileName {
                node: node.to_owned(),
                first: first.parse().ok()?,
                last: None,
            });
        }
        let (rest, last) = name.strip_suffix(".parquet")?.rsplit_once('-')?;
        let (node, first) = rest.rsplit_once('-')?;
        Some(FileName {
            node: node.to_owned(),
            first: first.parse().ok()?,
            last: Some(last.parse().ok()?),
        })
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Wide enough that a listing by name is a listing by number.
        match self.last {
            None => write!(f, "{}-{:012}.arrows", self.node, self.first),
            Some(last) => write!(f, "{}-{:012}-{:012}.parquet", self.node, self.first, last),
        }
    }
}

/// A node name that can stand in a file name: 1 to 64 of letters, digits, `.`, `_` and `-`, not beginning with a dot.
pub(crate) fn is_node_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('.')
}

/// The places inside one records directory.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Layout {
        Layout {
            root: root.to_owned(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(crate) fn holds(&self) -> PathBuf {
        self.root.join("holds")
    }

    pub(crate) fn erasures(&self) -> PathBuf {
        self.root.join("erasures")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    pub(crate) fn journals(&self) -> PathBuf {
        self.root.join("journal")
    }

    pub(crate) fn segments(&self) -> PathBuf {
        self.root.join("segments")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(crate) fn log(&self, node: &str) -> PathBuf {
        self.logs().join(node)
    }

    pub(crate) fn period(&self, period: Period) -> PathBuf {
        self.segments().join(period.to_string())
    }

    /// Journals by node and number; a missing directory has none.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub(crate) fn list_journals(&self) -> io::Result<Vec<(FileName, PathBuf)>> {
        let named = |path: PathBuf| {
            let name = FileName::parse(path.file_name()?.to_str()?)?;
            name.last.is_none().then_some((name, path))
        };
        let mut found: Vec<_> = entries(&self.journals())?
            .into_iter()
            .filter_map(named)
            .collect();
        found.sort();
        Ok(found)
    }

    /// Periods, oldest first.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub(crate) fn list_periods(&self) -> io::Result<Vec<(Period, PathBuf)>> {
        let named = |path: PathBuf| Some((path.file_name()?.to_str()?.parse().ok()?, path));
        let mut found: Vec<_> = entries(&self.segments())?
            .into_iter()
            .filter_map(named)
            .collect();
        found.sort();
        Ok(found)
    }

    /// Segments of a period by node and number; none when the period was removed meanwhile.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub(crate) fn list_segments(&self, period: &Path) -> io::Result<Vec<(FileName, PathBuf)>> {
        let listed = match std::fs::read_dir(period) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut found = Vec::new();
        for entry in listed {
            // Most of what lies there is beside a segment: a path is made only for these.
            let name = entry?.file_name();
            let parsed = name.to_str().and_then(FileName::parse);
            if let Some(parsed) = parsed.filter(|parsed| parsed.last.is_some()) {
                found.push((parsed, period.join(name)));
            }
        }
        found.sort();
        Ok(found)
    }

    /// `path` as it is shown to people: relative to the records directory.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}

/// What lies in a directory; nothing when there is no such directory.
pub(crate) fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(directory) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Makes a rename, creation or removal in `directory` durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    std::fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_name_reads_back_even_with_dashes_in_the_node() {
        for name in [
            FileName {
                node: "weir".into(),
                first: 1,
                last: None,
            },
            FileName {
                node: "north-site-2".into(),
                first: 7,
                last: Some(1_000_000_000_000),
            },
        ] {
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
        }
        for other in [
            "lock",
            "weir.arrows",
            "weir-1.parquet",
            "weir-x.arrows",
            "weir-1-2.parquet.tmp",
            "",
        ] {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_period_is_a_utc_day_and_ends_where_the_next_begins_lm_14() {
        let before_midnight: Timestamp = "2026-10-25T23:59:59.999999Z".parse().unwrap();
        let period = Period::of(before_midnight.as_microsecond());
        assert_eq!(period.to_string(), "2026-10-25");
        assert_eq!(period.end(), before_midnight.as_microsecond() + 1);
        assert_eq!("2026-10-25".parse::<Period>().unwrap(), period);
        assert!("2026-10-25x".parse::<Period>().is_err());
        assert!(Period::of(i64::MAX).end() > Period::of(0).end());
    }
}
