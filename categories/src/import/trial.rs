//! Decides whether an index can be made of all lists once a candidate is among them. Bounds that only all lists together can
//! exceed would otherwise be met when the candidate is in force: a running Weir would keep what it has, and not start again.
//!
//! What is compiled is kept, so that a running Weir opens it as soon as the candidate is in force.

use std::path::{Path, PathBuf};

use crate::build::{self, BuildError};
use crate::report::Progress;
use crate::source::{Root, Source};

/// What a Weir answers from.
#[derive(Clone, Debug)]
pub struct Beside {
    /// Where its compiled lists lie.
    pub place: PathBuf,
    /// All of its sources, in their order, with or without the one that is imported.
    pub sources: Vec<Source>,
}

/// Compiles everything with `candidate` as the source `name` of `lists`.
///
/// # Errors
/// That all lists together cannot be one index. Another source that cannot be read is no reason against this one.
pub(super) fn compile(
    beside: &Beside,
    (lists, name): (&Path, &str),
    candidate: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BuildError> {
    let mut sources = beside.sources.clone();
    let tried = Source::directory(name, candidate);
    match sources.iter_mut().find(|source| source.name == name) {
        Some(source) => *source = tried,
        None => {
            // Imported sources stand in the order of their names.
            let is_after = |source: &Source| match &source.root {
                Root::Directory(path) => path.parent() == Some(lists) && *source.name > *name,
                Root::Embedded => false,
            };
            let at = sources.iter().position(is_after).unwrap_or(sources.len());
            sources.insert(at, tried);
        }
    }
    match build::open(&beside.place, &sources, None, progress) {
        Ok(_) | Err(BuildError::Read { .. } | BuildError::Manifest { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
