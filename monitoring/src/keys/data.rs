//! Data keys: one for each tenant, grade and period; made when the first segment of the period is sealed, and destroyed when
//! what is encrypted under it is to be gone.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use ring::aead::LessSafeKey;
use zeroize::Zeroizing;

use super::kek::{aead, random};
use super::{Kek, KeyError};
use crate::column::Grade;
use crate::paths::{Period, entries, sync_directory};
use crate::proof::sidecar;

/// Which key: `<tenant>/<period>.<grade>.<number>`. Of one period and grade there can be several: whatever is written anew after
/// an erasure has a new one, so that the old one can be destroyed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyName {
    pub(crate) tenant: String,
    pub(crate) period: Period,
    pub(crate) is_content: bool,
    pub(crate) number: u64,
}

impl KeyName {
    fn grade(&self) -> Grade {
        if self.is_content {
            Grade::Content
        } else {
            Grade::Event
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tenant, period, grade) = (&self.tenant, self.period, self.grade().as_str());
        write!(f, "{tenant}/{period}.{grade}.{:016x}", self.number)
    }
}

impl FromStr for KeyName {
    type Err = ();

    fn from_str(text: &str) -> Result<KeyName, ()> {
        let (tenant, name) = text.rsplit_once('/').ok_or(())?;
        let mut parts = name.splitn(3, '.');
        let (period, grade, number) = (parts.next(), parts.next(), parts.next());
        let name = KeyName {
            tenant: tenant.to_owned(),
            period: period.and_then(|text| text.parse().ok()).ok_or(())?,
            is_content: grade == Some(Grade::Content.as_str()),
            number: number
                .and_then(|text| u64::from_str_radix(text, 16).ok())
                .ok_or(())?,
        };
        // The one form there is of it; a tenant is never a path.
        (name.to_string() == text && !tenant.contains(['/', '\\']) && !tenant.starts_with('.'))
            .then_some(name)
            .ok_or(())
    }
}

/// A key that data is encrypted under. Shows nothing of itself but its name.
pub(crate) struct DataKey {
    pub(crate) name: String,
    bytes: Zeroizing<[u8; 32]>,
    pub(crate) aead: LessSafeKey,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({})", self.name)
    }
}

impl DataKey {
    pub(crate) fn new(name: String, bytes: Zeroizing<[u8; 32]>) -> Result<DataKey, KeyError> {
        let aead = aead(&bytes)?;
        Ok(DataKey { name, bytes, aead })
    }

    pub(crate) fn random(name: String) -> Result<DataKey, KeyError> {
        DataKey::new(name, random()?)
    }

    /// For the Parquet writer and reader, which want bytes of their own.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        self.bytes.to_vec()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }
}

/// The keys of a records directory, opened.
pub(crate) struct Keys {
    /// `keys` in the records directory.
    directory: PathBuf,
    tenant: String,
    kek: Kek,
    /// Keys that were unwrapped before.
    opened: Mutex<BTreeMap<String, Arc<DataKey>>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({}, {:?})", self.directory.display(), self.kek)
    }
}

impl Keys {
    pub(crate) fn new(directory: PathBuf, tenant: String, kek: Kek) -> Keys {
        Keys {
            directory,
            tenant,
            kek,
            opened: Mutex::default(),
        }
    }

    pub(crate) fn kek(&self) -> &Kek {
        &self.kek
    }

    fn path(&self, name: &KeyName) -> PathBuf {
        self.directory.join(name.to_string())
    }

    /// Every key of this period and grade that is there, whatever the tenant.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub(crate) fn list(&self, period: Period, is_content: bool) -> Result<Vec<KeyName>, KeyError> {
        let mut found = self.all()?;
        found.retain(|name| name.period == period && name.is_content == is_content);
        Ok(found)
    }

    /// Every key that is there.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub(crate) fn all(&self) -> Result<Vec<KeyName>, KeyError> {
        let list = |path: &Path| entries(path).map_err(|error| KeyError::file(path, error));
        let mut found = Vec::new();
        for tenant in list(&self.directory)?
            .into_iter()
            .filter(|path| path.is_dir())
        {
            let names = list(&tenant)?.into_iter().filter_map(|path| {
                let name = path.strip_prefix(&self.directory).ok()?.to_str()?;
                name.parse().ok()
            });
            found.extend(names);
        }
        found.sort();
        Ok(found)
    }

    /// The key under which new data of this period and grade is encrypted; made, and durable, when there is none.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub(crate) fn current(
        &self,
        period: Period,
        is_content: bool,
    ) -> Result<Arc<DataKey>, KeyError> {
        let there = self.list(period, is_content)?;
        let own = there.iter().find(|name| name.tenant == self.tenant);
        match own {
            Some(name) => self.open(&name.to_string()),
            None => self.fresh(period, is_content),
        }
    }

    /// A new key of this period and grade.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn fresh(&self, period: Period, is_content: bool) -> Result<Arc<DataKey>, KeyError> {
        use std::os::unix::fs::DirBuilderExt;
        let name = KeyName {
            tenant: self.tenant.clone(),
            period,
            is_content,
            number: u64::from_be_bytes(*random()?),
        };
        let key = Arc::new(DataKey::random(name.to_string())?);
        let path = self.path(&name);
        let wrapped = self.kek.wrap(&what(&key.name), key.bytes())?;
        let tenant = self.directory.join(&self.tenant);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(&tenant)
            .and_then(|()| sync_directory(&self.directory))
            .and_then(|()| sidecar::replace(&path, wrapped.as_bytes()))
            .map_err(|error| KeyError::file(&path, error))?;
        self.opened().insert(key.name.clone(), Arc::clone(&key));
        Ok(key)
    }

    /// The key of this name.
    ///
    /// # Errors
    /// [`KeyError::Destroyed`] when it is gone; else when it cannot be read or unwrapped.
    pub(crate) fn open(&self, name: &str) -> Result<Arc<DataKey>, KeyError> {
        if let Some(key) = self.opened().get(name) {
            return Ok(Arc::clone(key));
        }
        let destroyed = || KeyError::Destroyed {
            name: name.to_owned(),
        };
        let parsed: KeyName = name.parse().map_err(|()| destroyed())?;
        let bytes = self.kek.unwrap_file(&self.path(&parsed), &what(name))?;
        let key = Arc::new(DataKey::new(
            name.to_owned(),
            key_bytes(name, &bytes.ok_or_else(destroyed)?)?,
        )?);
        self.opened().insert(name.to_owned(), Arc::clone(&key));
        Ok(key)
    }

    /// Destroys a key: what was encrypted under it is gone, in every copy of the records that lacks the key.
    ///
    /// # Errors
    /// When the file cannot be removed; a key that is not there is destroyed.
    pub(crate) fn destroy(&self, name: &KeyName) -> Result<(), KeyError> {
        let path = self.path(name);
        self.opened().remove(&name.to_string());
        destroy_file(&path).map_err(|error| KeyError::file(&path, error))
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<DataKey>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a wrapped data key is called in its associated data.
pub(super) fn what(name: &str) -> String {
    format!("key {name}")
}

pub(crate) fn key_bytes(name: &str, bytes: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let key: [u8; 32] = bytes.try_into().map_err(|_| KeyError::Altered {
        what: name.to_owned(),
    })?;
    Ok(Zeroizing::new(key))
}

/// Overwrites, as far as the file system lets that reach the same place, and removes.
pub(crate) fn destroy_file(path: &Path) -> io::Result<()> {
    let mut file = match File::options().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let length = usize::try_from(file.metadata()?.len())
        .unwrap_or(0)
        .min(1 << 16);
    file.write_all(&vec![0; length])?;
    file.sync_all()?;
    std::fs::remove_file(path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn keys(directory: &Path) -> Keys {
        std::fs::create_dir_all(directory).unwrap();
        let kek = Kek::new(&[7; 32]).unwrap();
        Keys::new(directory.to_owned(), "default".to_owned(), kek)
    }

    #[test]
    fn a_period_has_one_key_a_grade_until_it_is_destroyed_lm_14() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        let (first, second) = (Period::of(0), Period::of(86_400_000_000));
        let event = keys(&path).current(first, false).unwrap();
        let again = keys(&path).current(first, false).unwrap();
        assert_eq!(event.bytes(), again.bytes(), "it is there after a restart");
        let content = keys(&path).current(first, true).unwrap();
        let later = keys(&path).current(second, false).unwrap();
        assert!(event.bytes() != content.bytes() && event.bytes() != later.bytes());
        let opened = keys(&path);
        opened.destroy(&event.name.parse().unwrap()).unwrap();
        assert!(matches!(
            opened.open(&event.name),
            Err(KeyError::Destroyed { .. })
        ));
        assert_eq!(opened.all().unwrap().len(), 2);
        let new = opened.current(first, false).unwrap();
        assert!(new.name != event.name && new.bytes() != event.bytes());
    }

    #[test]
    fn no_key_can_be_put_in_the_place_of_another_lm_16() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        let opened = keys(&path);
        let event = opened.current(Period::of(0), false).unwrap();
        let content = opened.current(Period::of(0), true).unwrap();
        std::fs::copy(path.join(&content.name), path.join(&event.name)).unwrap();
        let error = keys(&path).open(&event.name).unwrap_err();
        assert!(matches!(error, KeyError::Altered { .. }), "{error}");
        let shown = format!("{event:?}{opened:?}");
        assert!(!shown.contains(&format!("{:?}", event.bytes())), "{shown}");
        assert!(shown.contains(&event.name));
    }

    #[test]
    fn a_name_of_a_key_reads_back_and_no_path_is_one() {
        let name = "default/2026-11-26.content.00000000000000ff";
        assert_eq!(name.parse::<KeyName>().unwrap().to_string(), name);
        for bad in [
            "",
            "../2026-11-26.content.00000000000000ff",
            "a/b/2026-11-26.content.00000000000000ff",
            "default/2026-11-26.content.ff",
            "default/2026-11-26.other.00000000000000ff",
            "default/kek",
        ] {
            assert!(bad.parse::<KeyName>().is_err(), "{bad}");
        }
    }
}
