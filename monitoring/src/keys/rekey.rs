//! A new key-encryption key: every wrapped key is wrapped anew, and nothing else is touched.
//!
//! Interrupted anywhere it can be done again: what is under the new key already is left as it is, and the number of the key in
//! force is written last.

use std::fs;
use std::path::{Path, PathBuf};

use super::kek::parts;
use super::{Kek, KekSource, KeyError, data};
use crate::erase;
use crate::index;
use crate::paths::{Layout, entries};
use crate::proof::{self, SET_ASIDE, sidecar};
use crate::recorder;
use crate::settings::RecorderError;
use crate::store;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rekeyed {
    /// Keys that were wrapped anew now.
    pub wrapped: u64,
    /// Keys that an earlier attempt had wrapped anew.
    pub before: u64,
    /// Number of the key in force.
    pub number: String,
    /// Where it is.
    pub source: String,
}

/// Wraps every key of a directory, which nobody may write to meanwhile, under a new key-encryption key. Without `new`, for the key file that
/// Weir made itself, a new one is made and takes its place.
///
/// # Errors
/// [`RecorderError::Locked`] when a Weir runs there; else when a key cannot be read, a wrapped one not be opened, or a file not be
/// written: it can be done again then.
pub fn rekey(
    directory: &Path,
    old: &KekSource,
    new: Option<&KekSource>,
) -> Result<Rekeyed, RecorderError> {
    let layout = Layout::new(directory);
    let lock = recorder::lock(&layout)?;
    let rekeyed = all(&layout, old, new)?;
    drop(lock);
    Ok(rekeyed)
}

fn all(layout: &Layout, old: &KekSource, new: Option<&KekSource>) -> Result<Rekeyed, KeyError> {
    let own = match (old, new) {
        (KekSource::Own(path), None) => Some(path.clone()),
        (_, Some(_)) => None,
        (other, None) => {
            return Err(KeyError::NoNew {
                source_name: other.to_string(),
            });
        }
    };
    let next = own.as_ref().map(|path| path.with_extension("kek-next"));
    let new_kek = match (&next, new) {
        (Some(next), _) if !next.exists() => Kek::make(next)?,
        (Some(next), _) => Kek::load(&KekSource::Own(next.clone()))?,
        (None, Some(source)) => Kek::load(source)?,
        (None, None) => return Err(KeyError::None),
    };
    // After the last step of an attempt that was interrupted the old key may be gone.
    let old_kek = Kek::load(old)?;
    let (mut wrapped, mut before) = (0, 0);
    for (path, what) in wrapped_files(layout)? {
        let done = again(&path, &what, &old_kek, &new_kek);
        if done.is_err() && what == index::PERIODS_WHAT {
            // It only helps searches, and the next start makes it again.
            fs::remove_file(&path).map_err(|error| KeyError::file(&path, error))?;
            continue;
        }
        if done? {
            wrapped += 1;
        } else {
            before += 1;
        }
    }
    store::write_number(layout, new_kek.number())?;
    let mut source = new.map_or_else(|| old.to_string(), ToString::to_string);
    if let (Some(next), Some(own)) = (next, own) {
        fs::rename(&next, &own).map_err(|error| KeyError::file(&own, error))?;
        if let Some(parent) = own.parent() {
            crate::paths::sync_directory(parent).map_err(|error| KeyError::file(parent, error))?;
        }
        source = KekSource::Own(own).to_string();
    }
    Ok(Rekeyed {
        wrapped,
        before,
        number: new_kek.number().to_owned(),
        source,
    })
}

/// Wraps one file anew; false when it is under the new key already.
fn again(path: &Path, what: &str, old: &Kek, new: &Kek) -> Result<bool, KeyError> {
    let text = fs::read_to_string(path).map_err(|error| KeyError::file(path, error))?;
    if parts(&text).is_some_and(|(number, _)| number == new.number()) {
        return Ok(false);
    }
    let secret = old.unwrap(what, &text)?;
    let text = new.wrap(what, &secret)?;
    sidecar::replace(path, text.as_bytes()).map_err(|error| KeyError::file(path, error))?;
    Ok(true)
}

/// Every wrapped file of a directory, with what it is called in its associated data.
fn wrapped_files(layout: &Layout) -> Result<Vec<(PathBuf, String)>, KeyError> {
    let list = |path: &Path| entries(path).map_err(|error| KeyError::file(path, error));
    let mut found = Vec::new();
    let keys = layout.keys();
    for tenant in list(&keys)?.into_iter().filter(|path| path.is_dir()) {
        for path in list(&tenant)? {
            let name = path.strip_prefix(&keys).unwrap_or(&path);
            let name = name.display().to_string();
            if name.parse::<data::KeyName>().is_ok() {
                found.push((path, data::what(&name)));
            }
        }
    }
    let periods = index::periods_path(layout);
    if periods.exists() {
        found.push((periods, index::PERIODS_WHAT.to_owned()));
    }
    let mut folders = vec![layout.journals()];
    folders.extend(
        list(&layout.segments())?
            .into_iter()
            .filter(|path| path.is_dir()),
    );
    for folder in folders {
        let keys = list(&folder)?.into_iter();
        let keys = keys.filter(|path| path.extension().is_some_and(|kind| kind == "key"));
        found.extend(keys.map(|path| {
            let what = store::journal_what(&path);
            (path, what)
        }));
    }
    for (folder, what) in [
        (layout.holds(), erase::hold_what as fn(&str) -> String),
        (layout.erasures(), erase::erasure_what),
    ] {
        for path in list(&folder)? {
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(name) = name.filter(|name| !name.contains('.')) {
                let what = what(name);
                found.push((path, what));
            }
        }
    }
    for log in list(&layout.logs())?
        .into_iter()
        .filter(|path| path.is_dir())
    {
        let name = log.file_name().and_then(|name| name.to_str());
        let name = name.unwrap_or_default();
        let node = name.split_once(SET_ASIDE).map_or(name, |(node, _)| node);
        for (file, called) in proof::SECRETS {
            let path = log.join(file);
            if path.exists() {
                found.push((path, store::log_what(node, called)));
            }
        }
    }
    Ok(found)
}
