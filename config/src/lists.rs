//! Decides where imported category lists live, and what is compiled of them.

use std::path::PathBuf;

use crate::Settings;

/// The directory of imported lists, one directory a source: `lists` under the state directory.
pub fn imported(settings: &Settings) -> PathBuf {
    settings.state.join("lists")
}

/// The directory of what is compiled of imported lists. Its dot keeps it from being taken for a source.
pub fn compiled(settings: &Settings) -> PathBuf {
    imported(settings).join(".index")
}

/// The directory of mandatory lists. Its dot keeps it from being taken for a source.
pub fn sealed(settings: &Settings) -> PathBuf {
    imported(settings).join(".sealed")
}
