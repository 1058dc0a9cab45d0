//! A records directory together with its opened keys: what everything that reads or writes records is given.
//!
//! Decides that a directory is read and written under one key-encryption key, whose number it keeps, and what each encrypted
//! thing is called. How keys are wrapped is decided in `keys`.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::encryption::decrypt::{FileDecryptionProperties, KeyRetriever};
use parquet::errors::ParquetError;
use zeroize::Zeroizing;

use crate::keys::{self, DataKey, Kek, KekSource, KeyError, Keys};
use crate::paths::{Layout, Period, entries};
use crate::proof::sidecar;

/// The first word of the file that says which key is in force.
const MAGIC: &str = "weir-kek-1 ";
/// What the key of a journal is called in what is sealed under it.
const JOURNAL_KEY: &str = "journal";

/// A records directory with the keys to it. Cheap to copy.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    layout: Layout,
    keys: Option<Arc<Keys>>,
    decryption: Option<Arc<FileDecryptionProperties>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = &self.inner.keys;
        write!(f, "Store({}, {keys:?})", self.directory().display())
    }
}

impl Store {
    /// Opens a directory for reading. One in which nothing is encrypted yet needs no key.
    ///
    /// # Errors
    /// When the key cannot be read, or is another than the records are encrypted under; the words name it and say what to do.
    pub fn open(directory: &Path, kek: &KekSource, tenant: &str) -> Result<Store, KeyError> {
        let layout = Layout::new(directory);
        if let KekSource::Own(path) = kek
            && !path.exists()
        {
            return match is_used(&layout)? {
                true => Err(KeyError::Missing { path: path.clone() }),
                false => Ok(Store::without_keys(directory)),
            };
        }
        Store::with(layout, kek, Kek::load(kek)?, tenant)
    }

    /// Opens a directory for writing: a key file of Weir's own is made when there is none and nothing is encrypted yet.
    ///
    /// # Errors
    /// As [`Store::open`], or when the file cannot be made.
    pub(crate) fn create(
        directory: &Path,
        kek: &KekSource,
        tenant: &str,
    ) -> Result<Store, KeyError> {
        let layout = Layout::new(directory);
        let opened = match kek {
            KekSource::Own(path) if !path.exists() => {
                if is_used(&layout)? {
                    return Err(KeyError::Missing { path: path.clone() });
                }
                Kek::make(path)?
            }
            _ => Kek::load(kek)?,
        };
        let number = opened.number().to_owned();
        let store = Store::with(layout, kek, opened, tenant)?;
        if read_number(store.layout())?.is_none() {
            write_number(store.layout(), &number)?;
        }
        Ok(store)
    }

    /// A directory whose rows cannot be read: checkpoints, their signatures and the digests of sealed files still can.
    pub fn without_keys(directory: &Path) -> Store {
        Store {
            inner: Arc::new(Inner {
                layout: Layout::new(directory),
                keys: None,
                decryption: None,
            }),
        }
    }

    fn with(layout: Layout, source: &KekSource, kek: Kek, tenant: &str) -> Result<Store, KeyError> {
        if let Some(wanted) = read_number(&layout)?
            && wanted != kek.number()
        {
            if let KekSource::Own(path) = source
                && path.with_extension("kek-next").exists()
            {
                return Err(KeyError::Interrupted { path: path.clone() });
            }
            return Err(KeyError::Other {
                source_name: source.to_string(),
                found: kek.number().to_owned(),
                wanted,
            });
        }
        let keys = Arc::new(Keys::new(layout.keys(), tenant.to_owned(), kek));
        let retriever = Arc::new(Retriever(Arc::clone(&keys)));
        // Only explicit keys could be wrong here.
        let decryption = FileDecryptionProperties::with_key_retriever(retriever)
            .build()
            .map_err(|_| KeyError::None)?;
        Ok(Store {
            inner: Arc::new(Inner {
                layout,
                keys: Some(keys),
                decryption: Some(decryption),
            }),
        })
    }

    /// The records directory.
    pub fn directory(&self) -> &Path {
        self.inner.layout.root()
    }

    /// Whether rows can be read.
    pub fn has_keys(&self) -> bool {
        self.inner.keys.is_some()
    }

    /// What a reader of Parquet needs to read segments; None without keys.
    pub fn decryption(&self) -> Option<Arc<FileDecryptionProperties>> {
        self.inner.decryption.clone()
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.inner.layout
    }

    pub(crate) fn keys(&self) -> Result<&Keys, KeyError> {
        self.inner.keys.as_deref().ok_or(KeyError::None)
    }

    /// A new key for the journal of this name, wrapped beside it; durable but for its name, which the first sync of the journal
    /// makes so.
    pub(crate) fn make_journal_key(&self, journal: &Path) -> Result<DataKey, KeyError> {
        let key = DataKey::random(JOURNAL_KEY.to_owned())?;
        let path = journal_key_path(journal);
        let text = self.keys()?.kek().wrap(&journal_what(&path), key.bytes())?;
        sidecar::write(&path, text.as_bytes()).map_err(|error| KeyError::file(&path, error))?;
        Ok(key)
    }

    /// The key of a journal.
    ///
    /// # Errors
    /// When there is none, or it cannot be unwrapped. A journal that was sealed meanwhile is not found.
    pub(crate) fn journal_key(&self, journal: &Path) -> io::Result<DataKey> {
        let path = journal_key_path(journal);
        let what = journal_what(&path);
        let found = self.keys()?.kek().unwrap_file(&path, &what);
        let bytes = match found {
            Ok(Some(bytes)) => bytes,
            // Whatever is left of the key of a journal that was sealed meanwhile, or nothing.
            _ if !journal.exists() => return Err(io::ErrorKind::NotFound.into()),
            Ok(None) => return Err(io::Error::other(format!("the key of {what} is not there"))),
            Err(error) => return Err(error.into()),
        };
        let bytes = keys::key_bytes(&what, &bytes)?;
        Ok(DataKey::new(JOURNAL_KEY.to_owned(), bytes)?)
    }

    /// The bytes of a small file that lies beside a journal or segment, opened; None when there is none.
    ///
    /// # Errors
    /// When it cannot be read or decrypted.
    pub(crate) fn read_sealed(&self, path: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let what = file_name(path);
        let altered = || KeyError::Altered { what: what.clone() };
        let opened = match keys::is_sealed(&bytes).ok_or_else(altered)? {
            JOURNAL_KEY => {
                let key = self.journal_key(&path.with_extension("arrows"))?;
                keys::open(&key.aead, &what, &bytes)?
            }
            name => keys::open(&self.keys()?.open(name)?.aead, &what, &bytes)?,
        };
        Ok(Some(opened))
    }

    /// The bytes of a file that was sealed under a data key as `what`, opened; None when there is none.
    ///
    /// # Errors
    /// When it cannot be read or decrypted.
    pub(crate) fn read_sealed_as(
        &self,
        path: &Path,
        what: &str,
    ) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let altered = || KeyError::Altered {
            what: what.to_owned(),
        };
        let name = keys::is_sealed(&bytes).ok_or_else(altered)?;
        let key = self.keys()?.open(name)?;
        Ok(Some(keys::open(&key.aead, what, &bytes)?))
    }

    /// The bytes of a file that is sealed as `what`.
    pub(crate) fn seal_as(
        &self,
        key: &DataKey,
        what: &str,
        plain: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        keys::seal(&key.aead, &key.name, what, plain)
    }

    /// The bytes of a small file that is to lie at `path`.
    pub(crate) fn seal(
        &self,
        key: &DataKey,
        path: &Path,
        plain: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        keys::seal(&key.aead, &key.name, &file_name(path), plain)
    }

    /// One of the secrets of a node's log; None when there is none.
    ///
    /// # Errors
    /// When it cannot be read or unwrapped.
    pub(crate) fn log_secret(
        &self,
        node: &str,
        (name, called): (&str, &str),
    ) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
        let path = self.layout().log(node).join(name);
        self.keys()?
            .kek()
            .unwrap_file(&path, &log_what(node, called))
    }

    /// Wraps one of the secrets of a node's log.
    pub(crate) fn put_log_secret(
        &self,
        node: &str,
        (name, called): (&str, &str),
        secret: &[u8],
    ) -> Result<(), KeyError> {
        let path = self.layout().log(node).join(name);
        let text = self.keys()?.kek().wrap(&log_what(node, called), secret)?;
        sidecar::write(&path, text.as_bytes()).map_err(|error| KeyError::file(&path, error))
    }

    /// The keys under which a segment of this period is written: of event and of content grade.
    pub(crate) fn segment_keys(&self, period: Period) -> Result<[Arc<DataKey>; 2], KeyError> {
        let keys = self.keys()?;
        Ok([keys.current(period, false)?, keys.current(period, true)?])
    }
}

/// Finds keys by the names that segments say.
struct Retriever(Arc<Keys>);

impl KeyRetriever for Retriever {
    fn retrieve_key(&self, name: &[u8]) -> Result<Vec<u8>, ParquetError> {
        let name = std::str::from_utf8(name).unwrap_or_default();
        let key = self.0.open(name);
        key.map(|key| key.to_vec())
            .map_err(|error| ParquetError::General(error.to_string()))
    }
}

/// Whether anything is encrypted there already.
fn is_used(layout: &Layout) -> Result<bool, KeyError> {
    let path = layout.keys();
    let there = entries(&path).map_err(|error| KeyError::file(&path, error))?;
    Ok(!there.is_empty())
}

/// The number of the key in force; None when nothing was encrypted yet.
fn read_number(layout: &Layout) -> Result<Option<String>, KeyError> {
    let path = layout.keys().join("kek");
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| KeyError::file(&path, error))?,
    };
    let number = text
        .strip_prefix(MAGIC)
        .map(|rest| rest.trim_end().to_owned());
    number.map(Some).ok_or_else(|| KeyError::Altered {
        what: path.display().to_string(),
    })
}

/// Writes which key is in force.
pub(crate) fn write_number(layout: &Layout, number: &str) -> Result<(), KeyError> {
    use std::os::unix::fs::DirBuilderExt;
    let path = layout.keys().join("kek");
    fs::DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(layout.keys())
        .and_then(|()| sidecar::replace(&path, format!("{MAGIC}{number}\n").as_bytes()))
        .map_err(|error| KeyError::file(&path, error))
}

/// Where the wrapped key of a journal lies.
pub(crate) fn journal_key_path(journal: &Path) -> PathBuf {
    journal.with_extension("key")
}

/// What the key of a journal is called: by node and first row, also when the journal was damaged and set aside.
pub(crate) fn journal_what(key: &Path) -> String {
    let name = file_name(key);
    let stem = name.strip_suffix(".key").unwrap_or(&name);
    format!("journal {}", stem.strip_suffix(".arrows").unwrap_or(stem))
}

/// What a secret of a node's log is called; a file that takes over is called what it will be.
pub(crate) fn log_what(node: &str, name: &str) -> String {
    format!("log {node}/{name}")
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().and_then(|name| name.to_str());
    name.unwrap_or_default().to_owned()
}
