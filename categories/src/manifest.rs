//! Decides whether the files of an imported source are the ones that the import wrote, whole.
//!
//! An import leaves `manifest.json` beside the categories: for every file its lines, bytes and SHA-256, and for every file
//! that was read what became of its lines. A source with a manifest is used only when all of it fits; lists that people edit
//! have none.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::formats::{Format, Tally};

/// The manifest's file name within a source.
pub const FILE_NAME: &str = "manifest.json";
/// The form that is written. Form 1 had no `list_format` and no `origins`, and is read as well.
const FORMAT: u32 = 2;
/// Most bytes of a manifest: twice what 256 categories and [`ORIGINS_MAX`] files need.
const SIZE_MAX: u64 = 16 << 20;
/// Most files of which the manifest says what became of their lines; the others are counted together.
const ORIGINS_MAX: usize = 8192;
/// Most characters of a file's name that are kept.
const FILE_MAX: usize = 200;

/// What an import wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this form.
    format: u32,
    /// The source's name.
    pub source: String,
    /// File name of the archive or directory that was imported.
    pub origin: String,
    /// When, in seconds since 1970-01-01 UTC.
    pub imported: u64,
    /// What was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_format: Option<Format>,
    /// Every file by its path within the source, such as `adult/domains`.
    pub files: BTreeMap<String, Written>,
    /// Every file that was read, in the order of reading.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<Origin>,
}

/// A file that was read, and what became of its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Its path within what was imported.
    pub file: String,
    /// Its format.
    pub format: Format,
    /// The category that it is there.
    pub category: String,
    /// The school's categories that its entries went to; none when the map leaves it out.
    pub into: Vec<String>,
    /// Its lines.
    pub tally: Tally,
}

/// What a file must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Lines, each with its newline.
    pub lines: u64,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of the content, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// Why a source does not fit its manifest.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// The manifest cannot be read.
    #[error("{FILE_NAME}: {0}")]
    Read(#[from] io::Error),
    /// The manifest is not in a form that this version knows.
    #[error("{FILE_NAME}: {0}")]
    Form(String),
    /// A file that the import wrote is gone.
    #[error("{0} is missing, although the import wrote it")]
    Missing(String),
    /// A file that the import did not write.
    #[error("{0} is there, although the import did not write it")]
    Extra(String),
    /// A file has been changed or cut off.
    #[error("{file} has {found}, the import wrote {expected}")]
    Differs {
        /// The file's path within the source.
        file: String,
        /// What it has.
        found: String,
        /// What it should have.
        expected: String,
    },
}

impl Manifest {
    /// A manifest of no file yet.
    pub fn new(source: &str, origin: &str, imported: u64) -> Manifest {
        Manifest {
            format: FORMAT,
            source: source.to_owned(),
            origin: origin.to_owned(),
            imported,
            list_format: None,
            files: BTreeMap::new(),
            origins: Vec::new(),
        }
    }

    /// Says what became of the lines of the files that were read, within bounds.
    pub(crate) fn set_origins(&mut self, mut origins: Vec<Origin>) {
        for origin in &mut origins {
            if let Some((at, _)) = origin.file.char_indices().nth(FILE_MAX) {
                origin.file.truncate(at);
            }
        }
        let rest = origins.split_off(origins.len().min(ORIGINS_MAX));
        if let Some(first) = rest.first() {
            let mut tally = Tally::default();
            rest.iter().for_each(|origin| tally.add(&origin.tally));
            origins.push(Origin {
                file: format!("({} more files)", rest.len()),
                format: first.format,
                category: String::new(),
                into: Vec::new(),
                tally,
            });
        }
        self.origins = origins;
    }

    /// What became of the lines of all files that were read; nothing when the import was made by a version that did not say.
    pub fn tally(&self) -> Option<Tally> {
        let mut all = Tally::default();
        self.origins
            .iter()
            .for_each(|origin| all.add(&origin.tally));
        (!self.origins.is_empty()).then_some(all)
    }

    /// Reads the manifest of the source in `directory`; `None` when it has none.
    ///
    /// # Errors
    /// [`ManifestError::Read`] and [`ManifestError::Form`].
    pub fn read(directory: &Path) -> Result<Option<Manifest>, ManifestError> {
        let path = directory.join(FILE_NAME);
        let size = match std::fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if size > SIZE_MAX {
            return Err(ManifestError::Form("larger than 16 MiB".to_owned()));
        }
        let text = std::fs::read(&path)?;
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|error| ManifestError::Form(error.to_string()))?;
        if !(1..=FORMAT).contains(&manifest.format) {
            let message = format!("form {} is not known", manifest.format);
            return Err(ManifestError::Form(message));
        }
        Ok(Some(manifest))
    }

    /// The text to write.
    pub fn to_json(&self) -> Result<Vec<u8>, ManifestError> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| ManifestError::Form(error.to_string()))?;
        text.push(b'\n');
        Ok(text)
    }

    /// Checks that the files of the source are those of the manifest, by name.
    pub(crate) fn check_names<'a>(
        &self,
        found: impl Iterator<Item = &'a str>,
    ) -> Result<(), ManifestError> {
        let mut missing: Vec<&str> = self.files.keys().map(String::as_str).collect();
        for name in found {
            match missing.binary_search(&name) {
                Ok(at) => _ = missing.remove(at),
                Err(_) => return Err(ManifestError::Extra(name.to_owned())),
            }
        }
        match missing.first() {
            Some(name) => Err(ManifestError::Missing((*name).to_owned())),
            None => Ok(()),
        }
    }

    /// Checks one file's content, whose SHA-256 the caller has.
    pub(crate) fn check(
        &self,
        name: &str,
        content: &[u8],
        digest: &[u8; 32],
    ) -> Result<(), ManifestError> {
        let Some(written) = self.files.get(name) else {
            return Err(ManifestError::Extra(name.to_owned()));
        };
        let differs = |found: String, expected: String| ManifestError::Differs {
            file: name.to_owned(),
            found,
            expected,
        };
        let lines = line_count(content);
        if lines != written.lines {
            return Err(differs(
                count(lines, "lines"),
                count(written.lines, "lines"),
            ));
        }
        let bytes = content.len() as u64;
        if bytes != written.bytes {
            return Err(differs(
                count(bytes, "bytes"),
                count(written.bytes, "bytes"),
            ));
        }
        let digest = hex(digest);
        if digest != written.sha256 {
            let sum = |digest: &str| format!("the SHA-256 {digest}");
            return Err(differs(sum(&digest), sum(&written.sha256)));
        }
        Ok(())
    }
}

impl Written {
    /// What `content` is.
    pub fn of(content: &[u8]) -> Written {
        Written {
            lines: line_count(content),
            bytes: content.len() as u64,
            sha256: hex(&Sha256::digest(content)),
        }
    }
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}")
}

/// Lines that end with their newline: a cut-off last line is one less.
fn line_count(content: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', content).count() as u64
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
