//! What a start finds of the log, and how it goes on.
//!
//! Decides: a log goes on where its last checkpoint and the rows on the disk say; a log that cannot be continued is set aside,
//! never mended, and a new one begins; both are told in a row. The rows that a checkpoint covers are not read again here: that
//! is what `weir-verify` is for.

use std::collections::HashSet;
use std::fs::{DirBuilder, File};
use std::io;
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};
use weir_evidence::{Checkpoint, Entry, KeptFile, Log, Note, SigningKey, Span, TagKey};

use super::chain::{self, CHECKPOINTS, Chain, KEY, LATEST, NEXT_KEY, TAG_KEY};
use super::entries::Found;
use super::names::Tally;
use super::rows::{Gone, Happening, RowFile, row_files};
use super::{SET_ASIDE, sidecar};
use crate::belief::Belief;
use crate::beside::Beside;
use crate::keys::KeyError;
use crate::paths::{Layout, sync_directory};
use crate::settings::{RecorderSettings, retention};
use crate::store::Store;

/// What there is to tell of an opened log.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// For gap rows, in plain words.
    pub(crate) notes: Vec<String>,
    /// Number of the next row: never one that a checkpoint covers already.
    pub(crate) next: u64,
}

/// The log as its directory has it.
struct Stored {
    log: Log,
    key: SigningKey,
    tag_key: TagKey,
    named: HashSet<String>,
    length: u64,
    belief: Belief,
    kept: Vec<KeptFile>,
}

/// Why it cannot be continued.
enum Fault {
    /// The disk does not give or take it at present.
    File(io::Error),
    /// It says something that no log does.
    Damage(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault::File(error)
    }
}

/// Opens the log of the node of these settings, whose next row is number `next`, or begins one.
///
/// # Errors
/// When a file cannot be read or written. What is damaged is no error: it is set aside.
pub(crate) fn open(
    store: &Store,
    settings: &RecorderSettings,
    next: u64,
) -> io::Result<(Chain, Told)> {
    let node = settings.node.as_str();
    let layout = store.layout();
    let directory = layout.log(node);
    let mut told = Told {
        notes: Vec::new(),
        next,
    };
    make(&directory)?;
    let stored = match read(store, settings) {
        Ok(stored) => stored,
        Err(Fault::File(error)) => return Err(error),
        Err(Fault::Damage(why)) => {
            let aside = set_aside(layout, node, &directory)?;
            told.notes.push(format!(
                "the log of these records could not be continued: {why}; it is kept in {aside}, and a new log begins with row {next}"
            ));
            None
        }
    };
    let is_new_log = !told.notes.is_empty();
    let named = stored.as_ref().map(|stored| stored.named.clone());
    let mut chain = assemble(store, settings, stored)?;
    continue_from_disk(&mut chain, &mut told, is_new_log)?;
    name_unnamed(&mut chain, &named.unwrap_or_default())?;
    Ok((chain, told))
}

fn make(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(directory)
}

/// What is there; None when no checkpoint was ever signed.
fn read(store: &Store, settings: &RecorderSettings) -> Result<Option<Stored>, Fault> {
    let node = settings.node.as_str();
    let directory = &store.layout().log(node);
    let path = directory.join(CHECKPOINTS);
    let mut found = Found::new(Belief::new(settings.settle));
    match chain::read(&path, &mut |at, bytes| {
        found.take(at, bytes);
        Ok(())
    }) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => other?,
    }
    if let Some((at, why)) = &found.fault {
        let is_torn = *at == found.length && !found.is_ended;
        if !is_torn {
            return Err(Fault::Damage(format!(
                "{CHECKPOINTS} is damaged at byte {at}: {why}"
            )));
        }
    }
    let Some((last, signer)) = found.last else {
        // No checkpoint was finished; then `latest` cannot say one.
        return match directory.join(LATEST).exists() {
            true => Err(Fault::Damage(format!("{CHECKPOINTS} is gone"))),
            false => Ok(None),
        };
    };
    if !last.note.is_signed_by(&signer) {
        let why = "the last checkpoint is not signed by the key in force";
        return Err(Fault::Damage(why.to_owned()));
    }
    follow_latest(directory, &last)?;
    Ok(Some(Stored {
        key: key_in_force(store, node, &found.log)?,
        tag_key: tag_key_of(store, node, &found.log)?,
        log: found.log,
        named: found.named,
        length: found.length,
        belief: found.belief,
        kept: found.kept,
    }))
}

/// The private key that is to sign next; finishes a change of keys that a crash interrupted.
fn key_in_force(store: &Store, node: &str, log: &Log) -> Result<SigningKey, Fault> {
    let directory = &store.layout().log(node);
    let is_right = |key: &SigningKey| log.key.as_ref() == Some(key.verifier());
    let of = |name: &str| read_key(store, node, name);
    let key = of(KEY)?.filter(is_right);
    let next = of(NEXT_KEY)?.filter(is_right);
    match (key, next) {
        (Some(key), _) => Ok(key),
        (None, Some(next)) => {
            std::fs::rename(directory.join(NEXT_KEY), directory.join(KEY))?;
            sync_directory(directory)?;
            Ok(next)
        }
        (None, None) => Err(Fault::Damage(lacking(
            &directory.join(KEY),
            "the private key that is in force",
        ))),
    }
}

/// Why a secret that is needed cannot be used.
fn lacking(path: &Path, what: &str) -> String {
    match path.exists() {
        false => format!("{what} is not there"),
        true if super::is_plain(path) => format!(
            "{what} is not encrypted, as in a log of a Weir from before records were encrypted, which this one cannot continue"
        ),
        true => format!("{what} cannot be used: it was altered, or is one of another log"),
    }
}

/// The key of the log's tags. Under another one the same person would have two tags.
fn tag_key_of(store: &Store, node: &str, log: &Log) -> Result<TagKey, Fault> {
    let key = match super::tag_key(store, node) {
        Err(KeyError::Altered { .. }) => None,
        Err(error) => return Err(io::Error::from(error).into()),
        Ok(key) => key,
    };
    let is_right = |key: &TagKey| log.tag_key == Some(key.fingerprint());
    let lacking = || {
        lacking(
            &store.layout().log(node).join(TAG_KEY),
            "the key of its tags",
        )
    };
    key.filter(is_right).ok_or_else(|| Fault::Damage(lacking()))
}

/// A private key; None when there is none or it cannot be understood.
fn read_key(store: &Store, node: &str, name: &str) -> Result<Option<SigningKey>, Fault> {
    match chain::get_key(store, node, name) {
        Ok(key) => Ok(key),
        Err(KeyError::Altered { .. }) => Ok(None),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

/// `latest` is written after the entry. A crash in between leaves the one before; anything else came from somewhere else.
fn follow_latest(directory: &Path, last: &Entry) -> Result<(), Fault> {
    let path = directory.join(LATEST);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
        other => other?,
    };
    let expected = last.note.to_string();
    if text == expected {
        return Ok(());
    }
    let told = Note::parse(&text)
        .ok()
        .and_then(|note| Checkpoint::parse(note.text()).ok());
    if let Some(told) = told.filter(|told| told.number > last.checkpoint.number) {
        return Err(Fault::Damage(format!(
            "{LATEST} is checkpoint {}, {CHECKPOINTS} ends at {}",
            told.number, last.checkpoint.number
        )));
    }
    Ok(sidecar::replace(&path, expected.as_bytes())?)
}

/// Moves a log out of the way; gives its new name.
fn set_aside(layout: &Layout, node: &str, directory: &Path) -> io::Result<String> {
    let name = |number: u32| format!("{node}{SET_ASIDE}{number}");
    let free = (1..).find(|number| !layout.logs().join(name(*number)).exists());
    let aside = layout.logs().join(name(free.unwrap_or(0)));
    std::fs::rename(directory, &aside)?;
    make(directory)?;
    sync_directory(&layout.logs())?;
    Ok(layout.shown(&aside))
}

fn assemble(
    store: &Store,
    settings: &RecorderSettings,
    stored: Option<Stored>,
) -> io::Result<Chain> {
    use std::os::unix::fs::OpenOptionsExt;
    let node = settings.node.as_str();
    let directory = &store.layout().log(node);
    let mut beside = Beside::of(settings.state.clone());
    let (log, key, tag_key, length, belief) = match stored {
        Some(Stored {
            log,
            key,
            tag_key,
            length,
            belief,
            kept,
            ..
        }) => {
            beside.take(&kept);
            (log, key, tag_key, length, belief)
        }
        None => {
            let tag_key = first_tag_key(store, node)?;
            let belief = Belief::new(settings.settle);
            (Log::default(), first_key(store, node)?, tag_key, 0, belief)
        }
    };
    let file = File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(directory.join(CHECKPOINTS))?;
    file.set_len(length)?;
    sync_directory(directory)?;
    let (first, last) = log
        .last
        .as_ref()
        .map_or((0, 0), |last| (last.first, last.last));
    Ok(Chain {
        store: store.clone(),
        node: node.to_owned(),
        directory: directory.to_owned(),
        key,
        tag_key,
        stretch: Span::new(log.tree.end()),
        hashes: Vec::new(),
        log,
        first,
        last,
        file,
        length,
        sealed: Vec::new(),
        removed: Vec::new(),
        every: settings.checkpoint,
        retention: retention((settings.retain, settings.retain_content)),
        beside,
        belief,
        leaves: None,
        hints: Vec::new(),
        users: Tally::default(),
        contents: Vec::new(),
        has_begun: false,
        is_unsure: false,
        broken: None,
    })
}

/// The key of a log that has no checkpoint yet: the one that an interrupted start left, or a new one. Its name is the log's, with
/// a random part, so that no two logs are taken for each other.
fn first_key(store: &Store, node: &str) -> io::Result<SigningKey> {
    match read_key(store, node, KEY) {
        Ok(Some(key)) => return Ok(key),
        Ok(None) => {}
        Err(Fault::File(error)) => return Err(error),
        Err(Fault::Damage(why)) => return Err(io::Error::other(why)),
    }
    let mut number = [0; 8];
    SystemRandom::new()
        .fill(&mut number)
        .map_err(|_| io::Error::other("the system has no randomness"))?;
    let name = format!("weir/{node}/{:016x}", u64::from_be_bytes(number));
    let key = SigningKey::random(&name).map_err(io::Error::other)?;
    chain::put_key(store, node, KEY, &key)?;
    Ok(key)
}

/// The key of the tags of a log that has no checkpoint yet.
fn first_tag_key(store: &Store, node: &str) -> io::Result<TagKey> {
    match super::tag_key(store, node) {
        Ok(Some(key)) => return Ok(key),
        Ok(None) | Err(KeyError::Altered { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let key = TagKey::random().map_err(io::Error::other)?;
    let text = zeroize::Zeroizing::new(key.to_text());
    store.put_log_secret(node, (TAG_KEY, TAG_KEY), text.as_bytes())?;
    Ok(key)
}

/// Takes in the rows on the disk that no checkpoint covers, and settles where numbering goes on.
fn continue_from_disk(chain: &mut Chain, told: &mut Told, is_new_log: bool) -> io::Result<()> {
    let files = own_files(chain)?;
    if chain.log.last.is_none() {
        // Rows with a secret were meant for this log, unless another one was just set aside.
        let has_secret = |file: &&RowFile| sidecar::secret_path(&file.path).exists();
        let begun = files.iter().find(has_secret).filter(|_| !is_new_log);
        chain.first = begun.map_or(told.next, |file| file.first);
        chain.last = chain.first.saturating_sub(1);
    }
    if told.next <= chain.last {
        told.notes.push(format!(
            "rows {} to {} stand in checkpoint {} of the log and are not there",
            told.next,
            chain.last,
            chain.log.last.as_ref().map_or(0, |last| last.number)
        ));
        told.next = chain.last.saturating_add(1);
    }
    take_in(chain, &files, told)
}

/// Takes in again what is on the disk since the last checkpoint, when it was not sure whether it is.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn read_again(chain: &mut Chain) -> io::Result<()> {
    let files = own_files(chain)?;
    chain.stretch = Span::new(chain.log.tree.end());
    chain.last = chain
        .log
        .last
        .as_ref()
        .map_or(chain.first.saturating_sub(1), |last| last.last);
    take_in(chain, &files, &mut Told::default())
}

fn own_files(chain: &Chain) -> io::Result<Vec<RowFile>> {
    let mut files = row_files(&chain.store)?;
    files.retain(|file| file.node == chain.node);
    Ok(files)
}

fn take_in(chain: &mut Chain, files: &[RowFile], told: &mut Told) -> io::Result<()> {
    let after = chain.last;
    for file in files
        .iter()
        .filter(|file| file.last.is_none_or(|last| last > after))
    {
        if file.last.is_none() {
            // Rows that outlived the process that wrote them may still be on their way to the disk.
            File::open(&file.path)?.sync_all()?;
        }
        let rows = file.rows(&chain.store)?.rows;
        let new = rows.iter().filter(|row| row.seq > after);
        let (from, to) = (new.clone().next(), new.clone().next_back());
        for row in new {
            if let Some((Happening::Retention { period, gone }, _)) = &row.happening
                && *gone != Gone::Content
            {
                chain.removed.push(period.clone());
            }
            if let Some(leaf) = row.leaf.filter(|_| row.seq > chain.last) {
                chain.stretch.push(leaf);
                chain.last = row.seq;
            }
        }
        if let (Some(from), Some(to)) = (from, to)
            && from.leaf.is_none()
        {
            told.notes.push(format!(
                "rows {} to {} of {} have no secret and are not in the log",
                from.seq, to.seq, file.shown
            ));
        }
    }
    Ok(())
}

/// Segments that were sealed but not yet named in a checkpoint when the last run ended.
fn name_unnamed(chain: &mut Chain, named: &HashSet<String>) -> io::Result<()> {
    for file in own_files(chain)? {
        let is_sealed = file.last.is_some() && file.first >= chain.first;
        let name = file.shown.strip_prefix("segments/").unwrap_or_default();
        if is_sealed && !named.contains(name) && sidecar::secret_path(&file.path).exists() {
            let sealed = chain::name_sealed(&chain.store, &file.path)?;
            chain.sealed.push(sealed);
        }
    }
    Ok(())
}
