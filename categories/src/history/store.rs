//! Decides how the content of lists is kept: once, under its SHA-256, compressed; a large list that changed a little is kept
//! as its changes to the one before.
//!
//! A chain of changes is at most [`DEPTH_MAX`] long, so that reading stays quick and a damaged file costs few versions.
//! Everything is written beside and renamed, and checked against its name when it is brought back.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::lines::{Lines, Nothing, Patched, Plain, Side, Sorted, compare, damaged};
use crate::entry::MatchKind;
use crate::lock::sync_directory;
use crate::manifest::hex;

/// Most changes in a row before a list is kept whole again.
const DEPTH_MAX: u32 = 16;
/// A list is kept as its changes when they are at most this share of it.
const SMALL_SHARE: u64 = 4;
/// zstd's own default: three times as fast to write as what would save a tenth more.
const LEVEL: i32 = 3;
const BUFFER: usize = 256 << 10;
/// Most bytes that are read into memory at once: as much as a list file may have.
const CONTENT_MAX: u64 = crate::source::FILE_MAX;
const PATCH_WORD: &str = "weir-changes-1";

/// How many entries of a file came and went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Change {
    /// Entries that were not there before.
    pub added: u64,
    /// Entries that are gone.
    pub removed: u64,
}

/// The directory of contents.
#[derive(Clone, Debug)]
pub(super) struct Store {
    root: PathBuf,
}

/// Where a content that is kept as changes starts from.
pub(super) struct Base {
    pub(super) sha256: String,
    depth: u32,
}

impl Store {
    pub(super) fn at(root: PathBuf) -> Store {
        Store { root }
    }

    fn path(&self, sha256: &str, ending: &str) -> PathBuf {
        let shelf = sha256.get(..2).unwrap_or("00");
        self.root.join(shelf).join(format!("{sha256}.{ending}"))
    }

    fn whole(&self, sha256: &str) -> PathBuf {
        self.path(sha256, "zst")
    }

    fn changes(&self, sha256: &str) -> PathBuf {
        self.path(sha256, "changes.zst")
    }

    pub(super) fn has(&self, sha256: &str) -> bool {
        self.whole(sha256).is_file() || self.changes(sha256).is_file()
    }

    /// What a content is kept as changes to; `None` when it is kept whole.
    pub(super) fn base(&self, sha256: &str) -> io::Result<Option<Base>> {
        if self.whole(sha256).is_file() {
            return Ok(None);
        }
        Ok(Some(self.open_changes(sha256)?.0))
    }

    fn open_changes(&self, sha256: &str) -> io::Result<(Base, Box<dyn BufRead>)> {
        let mut text = unpack(&self.changes(sha256))?;
        let mut head = Vec::new();
        (&mut text).take(256).read_until(b'\n', &mut head)?;
        let head = String::from_utf8_lossy(&head);
        let mut words = head.split_whitespace();
        let (word, base, depth) = (words.next(), words.next(), words.next());
        match (word, base, depth.and_then(|depth| depth.parse().ok())) {
            (Some(PATCH_WORD), Some(base), Some(depth)) if is_digest(base) => {
                let sha256 = base.to_owned();
                Ok((Base { sha256, depth }, text))
            }
            _ => Err(damaged(
                "a content of the history does not begin as it must",
            )),
        }
    }

    /// The lines of a content, as they were written.
    pub(super) fn lines(&self, sha256: &str) -> io::Result<Box<dyn Lines>> {
        // Deeper than any chain that was written: a chain that leads back into itself ends here.
        self.lines_within(sha256, DEPTH_MAX + 1)
    }

    fn lines_within(&self, sha256: &str, depth: u32) -> io::Result<Box<dyn Lines>> {
        if self.whole(sha256).is_file() {
            return Ok(Box::new(Plain(unpack(&self.whole(sha256))?)));
        }
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| damaged("too many changes in a row"))?;
        let (base, changes) = self.open_changes(sha256)?;
        let base = self.lines_within(&base.sha256, depth)?;
        Ok(Box::new(Patched::new(base, Box::new(Plain(changes)))))
    }

    /// The entries of a content: what stands in it if it is in normal form, else its lines put in normal form and order.
    pub(super) fn entries(
        &self,
        sha256: &str,
        kind: MatchKind,
        is_normal: bool,
    ) -> io::Result<Box<dyn Lines>> {
        if is_normal {
            return self.lines(sha256);
        }
        Ok(Box::new(Sorted::of(&self.content(sha256)?, kind)))
    }

    /// A whole content, checked.
    pub(super) fn content(&self, sha256: &str) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        self.write_to(sha256, &mut content)?;
        Ok(content)
    }

    /// Writes a content into `out` and checks it against its name.
    pub(super) fn write_to(&self, sha256: &str, out: &mut dyn Write) -> io::Result<()> {
        let mut hash = Sha256::new();
        if self.whole(sha256).is_file() {
            let mut text = unpack(&self.whole(sha256))?.take(CONTENT_MAX);
            loop {
                let some = text.fill_buf()?;
                if some.is_empty() {
                    break;
                }
                hash.update(some);
                out.write_all(some)?;
                let count = some.len();
                text.consume(count);
            }
        } else {
            let mut lines = self.lines(sha256)?;
            let mut line = Vec::new();
            while lines.next(&mut line)? {
                hash.update(&line);
                out.write_all(&line)?;
            }
        }
        if hex(&hash.finalize()) == sha256 {
            Ok(())
        } else {
            Err(damaged("a content of the history is not what it was"))
        }
    }

    /// True when the sorted content has `line`, newline included. Of contents kept as changes only the changes are read,
    /// unless they say nothing of it.
    pub(super) fn has_line(&self, sha256: &str, line: &[u8]) -> io::Result<bool> {
        let mut at = sha256.to_owned();
        for _ in 0..=DEPTH_MAX {
            if self.whole(&at).is_file() {
                return found(&mut Plain(unpack(&self.whole(&at))?), line);
            }
            let (base, changes) = self.open_changes(&at)?;
            let mut changes = Plain(changes);
            let mut change = Vec::new();
            while changes.next(&mut change)? {
                match change.split_first() {
                    Some((sign, text)) if text == line => return Ok(*sign == b'+'),
                    Some((_, text)) if text > line => break,
                    _ => {}
                }
            }
            at = base.sha256;
        }
        Err(damaged("too many changes in a row"))
    }

    /// Keeps a content of which nothing is counted.
    pub(super) fn put(&self, content: &[u8]) -> io::Result<String> {
        let sha256 = hex(&Sha256::digest(content));
        if !self.has(&sha256) {
            self.put_whole(&mut &*content, &sha256)?;
        }
        Ok(sha256)
    }

    /// Keeps a file of normal form; `base` is the content before it. Counts what came and went.
    pub(super) fn put_sorted(
        &self,
        file: &Path,
        sha256: &str,
        base: Option<&str>,
    ) -> io::Result<Change> {
        let mut change = Change::default();
        let mut kept = 0;
        let mut hash = Sha256::new();
        let mut patch = self.patch(sha256, base)?;
        let mut old: Box<dyn Lines> = match base {
            Some(base) => self.lines(base)?,
            None => Box::new(Nothing),
        };
        let mut new = Plain(BufReader::with_capacity(BUFFER, File::open(file)?));
        compare(&mut *old, &mut new, |side, line| {
            let sign: &[u8] = match side {
                Side::Old => {
                    change.removed += 1;
                    b"-"
                }
                Side::New => {
                    hash.update(line);
                    change.added += 1;
                    b"+"
                }
                Side::Both => {
                    hash.update(line);
                    kept += 1;
                    return Ok(());
                }
            };
            if let Some(patch) = &mut patch {
                patch.write_all(sign)?;
                patch.write_all(line)?;
            }
            Ok::<(), io::Error>(())
        })?;
        if hex(&hash.finalize()) != sha256 {
            return Err(changed_meanwhile());
        }
        if self.has(sha256) {
            return Ok(change);
        }
        match patch {
            Some(patch) if (change.added + change.removed) * SMALL_SHARE <= kept => {
                let file = patch.into_inner().map_err(io::IntoInnerError::into_error)?;
                self.commit(file.finish()?, &self.changes(sha256))?;
            }
            _ => self.put_whole(&mut File::open(file)?, sha256)?,
        }
        Ok(change)
    }

    fn patch(
        &self,
        sha256: &str,
        base: Option<&str>,
    ) -> io::Result<Option<BufWriter<zstd::Encoder<'static, File>>>> {
        let Some(base) = base.filter(|_| !self.has(sha256)) else {
            return Ok(None);
        };
        let depth = self.base(base)?.map_or(0, |base| base.depth) + 1;
        if depth > DEPTH_MAX {
            return Ok(None);
        }
        let mut patch = zstd::Encoder::new(self.beside(".changes")?, LEVEL)?;
        writeln!(patch, "{PATCH_WORD} {base} {depth}")?;
        Ok(Some(BufWriter::with_capacity(BUFFER, patch)))
    }

    /// Keeps a text that people edit. Counts what came and went.
    pub(super) fn put_text(
        &self,
        file: &Path,
        sha256: &str,
        kind: MatchKind,
        mut old: Box<dyn Lines>,
    ) -> io::Result<Change> {
        let content = fs::read(file)?;
        let mut change = Change::default();
        compare(&mut *old, &mut Sorted::of(&content, kind), |side, _| {
            match side {
                Side::Old => change.removed += 1,
                Side::New => change.added += 1,
                Side::Both => {}
            }
            Ok::<(), io::Error>(())
        })?;
        if !self.has(sha256) {
            self.put_whole(&mut &*content, sha256)?;
        }
        Ok(change)
    }

    /// Keeps a file of which nothing is counted.
    pub(super) fn put_file(&self, file: &Path, sha256: &str) -> io::Result<()> {
        if self.has(sha256) {
            return Ok(());
        }
        self.put_whole(&mut File::open(file)?, sha256)
    }

    fn put_whole(&self, content: &mut dyn Read, sha256: &str) -> io::Result<()> {
        let mut out = zstd::Encoder::new(self.beside(".whole")?, LEVEL)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = content.read(&mut buffer)?;
            let some = buffer.get(..count).unwrap_or_default();
            if some.is_empty() {
                break;
            }
            hash.update(some);
            out.write_all(some)?;
        }
        if hex(&hash.finalize()) != sha256 {
            return Err(changed_meanwhile());
        }
        self.commit(out.finish()?, &self.whole(sha256))
    }

    /// A file that becomes a content, or is overwritten by the next one.
    fn beside(&self, ending: &str) -> io::Result<File> {
        fs::create_dir_all(&self.root)?;
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        options.open(self.root.join(format!(".new{ending}")))
    }

    fn commit(&self, file: File, target: &Path) -> io::Result<()> {
        file.sync_all()?;
        let shelf = target.parent().unwrap_or(&self.root);
        fs::create_dir_all(shelf)?;
        let ending = if target.to_string_lossy().ends_with(".changes.zst") {
            ".new.changes"
        } else {
            ".new.whole"
        };
        fs::rename(self.root.join(ending), target)?;
        sync_directory(shelf)
    }

    /// Every content that is kept.
    pub(super) fn all(&self) -> io::Result<Vec<(String, PathBuf)>> {
        let mut all = Vec::new();
        for shelf in subdirectories(&self.root)? {
            for file in fs::read_dir(shelf)? {
                let path = file?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let sha256 = name.split('.').next().unwrap_or_default().to_owned();
                if is_digest(&sha256) {
                    all.push((sha256, path));
                }
            }
        }
        Ok(all)
    }
}

fn subdirectories(root: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
}

fn found(lines: &mut dyn Lines, wanted: &[u8]) -> io::Result<bool> {
    let mut line = Vec::new();
    while lines.next(&mut line)? {
        if line.as_slice() >= wanted {
            return Ok(line == wanted);
        }
    }
    Ok(false)
}

fn unpack(path: &Path) -> io::Result<Box<dyn BufRead>> {
    let decoder = zstd::Decoder::new(File::open(path)?)?;
    Ok(Box::new(BufReader::with_capacity(BUFFER, decoder)))
}

pub(super) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn changed_meanwhile() -> io::Error {
    io::Error::other("it changed while it was read")
}
