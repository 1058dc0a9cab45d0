//! Checkpoints: what the owner of a log says of it at one moment, in the form of C2SP tlog-checkpoint.
//!
//! The first three lines are those of the specification; what Weir says besides stands in extension lines, in fixed order. A
//! text has one form only: what does not come out again as it was read is refused.

use std::fmt::Write;
use std::str::FromStr;

use jiff::Timestamp;

use crate::hash::Hash;
use crate::kept::KeptFile;
use crate::key::VerifierKey;
use crate::users::{UserEntry, users_root};

/// What brought a checkpoint about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Recording began, or went on after a start.
    Start,
    /// The interval was over, whether rows had come or not.
    Interval,
    /// A journal became a segment, or a period was removed.
    Seal,
    /// Somebody asked for one.
    Asked,
    /// A newer key takes over after this one.
    Rotation,
    /// Recording ended in good order: no row follows until the next start.
    Stop,
}

impl Why {
    const ALL: [Why; 6] = [
        Why::Start,
        Why::Interval,
        Why::Seal,
        Why::Asked,
        Why::Rotation,
        Why::Stop,
    ];

    /// The word in a checkpoint.
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Start => "start",
            Why::Interval => "interval",
            Why::Seal => "seal",
            Why::Asked => "asked",
            Why::Rotation => "rotation",
            Why::Stop => "stop",
        }
    }
}

/// A sealed file that a checkpoint names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedFile {
    /// Its path under `segments`, without blanks.
    pub path: String,
    /// SHA-256 of all its bytes.
    pub digest: Hash,
    /// Numbers of its first and last row.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// When its earliest and latest row began, µs since the epoch.
    pub earliest: i64,
    /// The latest.
    pub latest: i64,
    /// Rows in it.
    pub rows: u64,
    /// Entries of its users tree.
    pub entries: u64,
    /// The root of that tree.
    pub users: Hash,
}

impl SealedFile {
    /// What is said of a file with these users, whose rows began in this span of time.
    pub fn new(path: String, digest: Hash, times: (i64, i64), users: &[UserEntry]) -> SealedFile {
        let first = users.iter().map(|entry| entry.first).min();
        let last = users.iter().map(|entry| entry.last).max();
        let rows = users.iter().map(|entry| entry.rows);
        SealedFile {
            path,
            digest,
            first: first.unwrap_or(0),
            last: last.unwrap_or(0),
            earliest: times.0,
            latest: times.1,
            rows: rows.fold(0, u64::saturating_add),
            entries: users.len() as u64,
            users: users_root(users),
        }
    }

    fn line(&self) -> String {
        let SealedFile { path, digest, .. } = self;
        format!(
            "{path} {digest} {} {} {} {} {} {} {}",
            self.first, self.last, self.earliest, self.latest, self.rows, self.entries, self.users
        )
    }

    /// Reads what [`SealedFile::line`] gives; that the form is that one is the caller's to compare.
    fn parse(line: &str) -> Option<SealedFile> {
        let mut words = line.split(' ');
        let path = words.next()?.to_owned();
        let digest = words.next()?.parse().ok()?;
        let file = SealedFile {
            path,
            digest,
            first: words.next()?.parse().ok()?,
            last: words.next()?.parse().ok()?,
            earliest: words.next()?.parse().ok()?,
            latest: words.next()?.parse().ok()?,
            rows: words.next()?.parse().ok()?,
            entries: words.next()?.parse().ok()?,
            users: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(file)
    }
}

/// How long records are kept, in seconds from the end of their day (LM-14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Whole rows.
    pub rows: u64,
    /// Their content; what is over with its rows is over in any case.
    pub content: u64,
}

impl Retention {
    fn parse(text: &str) -> Option<Retention> {
        let (rows, content) = text.split_once(' ')?;
        Some(Retention {
            rows: rows.parse().ok()?,
            content: content.parse().ok()?,
        })
    }
}

/// What is said of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: the same in all its checkpoints, and the name of its keys.
    pub origin: String,
    /// Leaves of the tree.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
    /// Number of the checkpoint, from 1, without a hole.
    pub number: u64,
    /// SHA-256 of the text of the checkpoint before; None for the first.
    pub previous: Option<Hash>,
    /// When it was signed, µs since the epoch, UTC.
    pub time: i64,
    /// What brought it about.
    pub why: Why,
    /// The longest time, in seconds, after which another one follows while Weir runs.
    pub every: u64,
    /// `seq` of the first row that the log ever had or will have.
    pub first: u64,
    /// `seq` of the last row in the tree; one less than `first` while there is none.
    pub last: u64,
    /// The key that signs the log; stands in the first checkpoint.
    pub key: Option<VerifierKey>,
    /// Fingerprint of the key of the log's tags; stands in the first checkpoint.
    pub tag_key: Option<Hash>,
    /// The key that signs all later checkpoints.
    pub next_key: Option<VerifierKey>,
    /// How long records are kept from here on; stands in the first checkpoint, and wherever it is another than before.
    pub retention: Option<Retention>,
    /// Files beside the records that are others than the checkpoints before say.
    pub kept: Vec<KeptFile>,
    /// Files sealed since the checkpoint before.
    pub sealed: Vec<SealedFile>,
    /// Periods removed since the checkpoint before, because their time was over (LM-14).
    pub removed: Vec<String>,
}

/// A text that is no checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// A line is missing, in another place, or not of its form.
    #[error("line {line} is not the \"{expected}\" of a checkpoint")]
    Line {
        /// Line of the text, from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// It can be read but is written otherwise than a checkpoint is.
    #[error("it is not written in the one form of a checkpoint")]
    Form,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, self.root);
        let previous = self
            .previous
            .map_or_else(|| "-".to_owned(), |hash| hash.to_string());
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "number {}\nprevious {previous}\ntime {}\nwhy {}\nevery {}\nfirst {}\nlast {}\n",
            self.number,
            moment(self.time),
            self.why.as_str(),
            self.every,
            self.first,
            self.last
        );
        if let Some(key) = &self.key {
            let _ = writeln!(text, "key {key}");
        }
        if let Some(fingerprint) = &self.tag_key {
            let _ = writeln!(text, "tag-key {fingerprint}");
        }
        if let Some(key) = &self.next_key {
            let _ = writeln!(text, "next-key {key}");
        }
        if let Some(Retention { rows, content }) = &self.retention {
            let _ = writeln!(text, "retain {rows} {content}");
        }
        for kept in &self.kept {
            let _ = writeln!(text, "kept {}", kept.line());
        }
        for sealed in &self.sealed {
            let _ = writeln!(text, "sealed {}", sealed.line());
        }
        for period in &self.removed {
            let _ = writeln!(text, "removed {period}");
        }
        text
    }

    /// Reads a text.
    ///
    /// # Errors
    /// When it is not exactly what [`Checkpoint::to_text`] gives.
    pub fn parse(text: &str) -> Result<Checkpoint, CheckpointError> {
        let mut lines = Lines {
            rest: text,
            line: 0,
        };
        let checkpoint = Checkpoint {
            origin: lines.take("origin", |line| (!line.is_empty()).then(|| line.to_owned()))?,
            size: lines.take("size", |line| line.parse().ok())?,
            root: lines.take("root", |line| line.parse().ok())?,
            number: lines.word("number", |rest| rest.parse().ok())?,
            previous: lines.word("previous", |rest| match rest {
                "-" => Some(None),
                hash => hash.parse().ok().map(Some),
            })?,
            time: lines.word("time", |rest| {
                Timestamp::from_str(rest)
                    .ok()
                    .map(Timestamp::as_microsecond)
            })?,
            why: lines.word("why", |rest| {
                Why::ALL.into_iter().find(|why| why.as_str() == rest)
            })?,
            every: lines.word("every", |rest| rest.parse().ok())?,
            first: lines.word("first", |rest| rest.parse().ok())?,
            last: lines.word("last", |rest| rest.parse().ok())?,
            key: lines.maybe("key", |rest| rest.parse().ok())?,
            tag_key: lines.maybe("tag-key", |rest| rest.parse().ok())?,
            next_key: lines.maybe("next-key", |rest| rest.parse().ok())?,
            retention: lines.maybe("retain", Retention::parse)?,
            kept: lines.many("kept", KeptFile::parse)?,
            sealed: lines.many("sealed", SealedFile::parse)?,
            removed: lines.many("removed", |rest| Some(rest.to_owned()))?,
        };
        if lines.rest.is_empty() && checkpoint.to_text() == text {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Form)
        }
    }
}

fn moment(time: i64) -> Timestamp {
    Timestamp::from_microsecond(time).unwrap_or(Timestamp::MAX)
}

/// The lines of a text one by one.
struct Lines<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Lines<'a> {
    fn take<T>(
        &mut self,
        expected: &'static str,
        read: impl Fn(&'a str) -> Option<T>,
    ) -> Result<T, CheckpointError> {
        self.line += 1;
        let line = self.line;
        let found = self.rest.split_once('\n');
        let read = found.and_then(|(found, rest)| Some((read(found)?, rest)));
        let (value, rest) = read.ok_or(CheckpointError::Line { line, expected })?;
        self.rest = rest;
        Ok(value)
    }

    fn word<T>(
        &mut self,
        word: &'static str,
        read: impl Fn(&'a str) -> Option<T>,
    ) -> Result<T, CheckpointError> {
        self.take(word, |line| {
            read(line.strip_prefix(word)?.strip_prefix(' ')?)
        })
    }

    fn is_next(&self, word: &str) -> bool {
        let rest = self.rest.strip_prefix(word);
        rest.is_some_and(|rest| rest.starts_with(' '))
    }

    fn maybe<T>(
        &mut self,
        word: &'static str,
        read: impl Fn(&'a str) -> Option<T>,
    ) -> Result<Option<T>, CheckpointError> {
        if self.is_next(word) {
            self.word(word, read).map(Some)
        } else {
            Ok(None)
        }
    }

    fn many<T>(
        &mut self,
        word: &'static str,
        read: impl Fn(&'a str) -> Option<T>,
    ) -> Result<Vec<T>, CheckpointError> {
        let mut found = Vec::new();
        while self.is_next(word) {
            found.push(self.word(word, &read)?);
        }
        Ok(found)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::key::SigningKey;

    pub(crate) fn sample(number: u64, previous: Option<Hash>) -> Checkpoint {
        Checkpoint {
            origin: "weir/weir/00ff".to_owned(),
            size: 5,
            root: Hash::of(b"root"),
            number,
            previous,
            time: 1_790_000_000_123_456,
            why: Why::Seal,
            every: 600,
            first: 3,
            last: 7,
            key: None,
            tag_key: None,
            next_key: None,
            retention: None,
            kept: Vec::new(),
            sealed: Vec::new(),
            removed: Vec::new(),
        }
    }

    #[test]
    fn a_checkpoint_is_the_documented_text_and_reads_back_lm_29() {
        let seed = [3; 32];
        let key = SigningKey::from_seed("weir/weir/00ff", seed).unwrap();
        let full = Checkpoint {
            key: Some(key.verifier().clone()),
            next_key: Some(key.verifier().clone()),
            tag_key: Some(Hash::of(b"tags")),
            retention: Some(Retention {
                rows: 7_776_000,
                content: 2_592_000,
            }),
            kept: vec![KeptFile {
                name: "basis.jsonl".to_owned(),
                bytes: 345,
                digest: Hash::of(b"basis"),
            }],
            sealed: vec![SealedFile {
                path: "2026-11-26/weir-000000000003-000000000007.parquet".to_owned(),
                digest: Hash::of(b"file"),
                first: 3,
                last: 7,
                earliest: -1,
                latest: 1_790_000_000_000_000,
                rows: 5,
                entries: 2,
                users: Hash::of(b"users"),
            }],
            removed: vec!["2026-08-01".to_owned()],
            ..sample(1, None)
        };
        let text = full.to_text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(&lines[..2], ["weir/weir/00ff", "5"]);
        assert_eq!(
            &lines[3..10],
            [
                "number 1",
                "previous -",
                "time 2026-09-21T14:13:20.123456Z",
                "why seal",
                "every 600",
                "first 3",
                "last 7"
            ]
        );
        let (file, users) = (Hash::of(b"file"), Hash::of(b"users"));
        assert_eq!(lines[11], format!("tag-key {}", Hash::of(b"tags")));
        assert_eq!(lines[13], "retain 7776000 2592000");
        let basis = Hash::of(b"basis");
        assert_eq!(lines[14], format!("kept basis.jsonl 345 {basis}"));
        assert_eq!(
            lines[15],
            format!(
                "sealed 2026-11-26/weir-000000000003-000000000007.parquet {file} 3 7 -1 1790000000000000 5 2 {users}"
            )
        );
        assert_eq!(lines[16], "removed 2026-08-01");
        assert_eq!(Checkpoint::parse(&text), Ok(full));
        let later = sample(2, Some(Hash::of(b"before")));
        assert_eq!(Checkpoint::parse(&later.to_text()), Ok(later));
    }

    #[test]
    fn no_other_text_is_a_checkpoint() {
        let text = sample(2, None).to_text();
        for bad in [
            String::new(),
            text.trim_end().to_owned(),
            format!("{text}more\n"),
            format!("{text}\n"),
            text.replace("\n5\n", "\n05\n"),
            text.replace("\n5\n", "\n+5\n"),
            text.replace("why seal", "why not"),
            text.replace(".123456Z", ".1234560Z"),
            text.replace("number 2\n", ""),
            format!("{text}retain 90\n"),
            format!("{text}retain 090 30\n"),
            format!("{text}retain 90 30\nretain 90 30\n"),
            text.replace('\n', "\r\n"),
        ] {
            assert!(Checkpoint::parse(&bad).is_err(), "{bad:?}");
        }
        let error = Checkpoint::parse(&text.replace("every", "ever")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 8 is not the \"every\" of a checkpoint"
        );
    }
}
