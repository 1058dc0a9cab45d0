//! Decides where imported category lists live.

use std::path::PathBuf;

use crate::Settings;

/// The directory of imported lists, one directory a source: `lists` under the state directory.
pub fn imported(settings: &Settings) -> PathBuf {
    settings.state.join("lists")
}
