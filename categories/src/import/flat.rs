//! Decides how lists of other formats than squidGuard's are found: one file alone, or a directory or archive in which every
//! file is a category by its name.

use std::fs::File;
use std::path::Path;

use tar::EntryType;

use super::archive::{Opened, members};
use super::meter::{Bounded, Meter};
use super::place::{Outside, parts};
use super::stage::{List, Stage};
use super::tree::Found;
use super::{ImportError, Limits};
use crate::formats::{Detected, Format, Unknown, detect};

/// Most bytes of a v2fly directory, whose files must be held to follow their includes; a hundred times what upstream has.
const V2FLY_MAX: u64 = 256 << 20;
/// Files of an archive or directory that are looked at to tell its format.
const LOOKED_AT: usize = 200;

/// How the files of a directory or archive are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flat<'a> {
    pub(super) format: Format,
    /// The category of all of them; without one each is its own.
    pub(super) category: Option<&'a str>,
}

impl Flat<'_> {
    /// The category of the list at `parts`; none for what is no list.
    pub(super) fn category(&self, parts: &[String]) -> Option<String> {
        let own = category_of(self.format, parts)?;
        Some(self.category.map_or(own, str::to_owned))
    }

    fn limits(&self, limits: &Limits) -> Limits {
        match self.format {
            Format::V2fly => Limits {
                bytes: limits.bytes.min(V2FLY_MAX),
                ..*limits
            },
            _ => *limits,
        }
    }

    /// Reads all lists of an archive.
    pub(super) fn archive(
        &self,
        opened: Opened,
        limits: &Limits,
        stage: &mut Stage,
        meter: &mut Meter<'_>,
    ) -> Result<(), ImportError> {
        members(opened, &self.limits(limits), &mut |entry| {
            let path = entry.path()?.into_owned();
            let parts = parts(&path).map_err(|Outside| ImportError::Unsafe(path.clone()))?;
            let regular = matches!(
                entry.header().entry_type(),
                EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse
            );
            if let Some(category) = self.category(&parts).filter(|_| regular) {
                self.list(category, &path, entry, stage, meter)?;
            }
            meter.tick();
            Ok(())
        })?;
        stage.follow_includes()
    }

    /// Reads all lists of a directory.
    pub(super) fn tree(
        &self,
        found: Vec<Found>,
        limits: &Limits,
        stage: &mut Stage,
        meter: &mut Meter<'_>,
    ) -> Result<(), ImportError> {
        let mut left = self.limits(limits).bytes;
        for found in found {
            let Some((parts, path)) = found.file() else {
                continue;
            };
            let Some(category) = self.category(parts) else {
                continue;
            };
            let file = File::open(path)?;
            let size = file.metadata()?.len();
            left = left.checked_sub(size).ok_or(ImportError::TooManyBytes)?;
            let content = Bounded::new(meter.counted(file), left.saturating_add(size));
            self.list(category, path, content, stage, meter)?;
        }
        stage.follow_includes()
    }

    fn list(
        &self,
        category: String,
        shown_as: &Path,
        content: impl std::io::Read,
        stage: &mut Stage,
        meter: &mut Meter<'_>,
    ) -> Result<(), ImportError> {
        if self.format == Format::V2fly {
            return stage.v2fly(&category, shown_as, content, meter);
        }
        let list = List {
            category,
            format: self.format,
            kind: None,
            shown_as,
        };
        stage.list(list, content, meter)
    }
}

/// Reads one file alone.
pub(super) fn single(
    opened: Opened,
    path: &Path,
    list: (Format, &str),
    limits: &Limits,
    stage: &mut Stage,
    meter: &mut Meter<'_>,
) -> Result<(), ImportError> {
    let (format, category) = list;
    let name = path.file_name().map_or(path, Path::new);
    let list = List {
        category: category.to_owned(),
        format,
        kind: None,
        shown_as: name,
    };
    stage.list(list, Bounded::new(opened.content(), limits.bytes), meter)
}

/// A file's category by its name; none for what is no list, such as a licence.
fn category_of(format: Format, parts: &[String]) -> Option<String> {
    let name = parts.last()?;
    if name.starts_with('.') {
        return None;
    }
    if format == Format::V2fly {
        // Upstream's own rule for the names of lists; it leaves out README.md, LICENSE and main.go.
        let known =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'!' | b'_');
        return name.bytes().all(known).then(|| name.clone());
    }
    let path = Path::new(name);
    let stem = path.file_stem()?.to_string_lossy().to_lowercase();
    let about = ["license", "licence", "readme", "copying", "changelog"];
    let prose = path.extension().is_some_and(|e| e == "md" || e == "json");
    (!prose && !about.contains(&&*stem)).then_some(stem)
}

/// Tells whether the files of a directory or archive are v2fly's, by some of them.
#[derive(Debug, Default)]
pub(super) struct Look {
    v2fly: usize,
    plain: usize,
    other: usize,
}

impl Look {
    /// Looks at a file's first bytes; false when enough has been seen.
    pub(super) fn at(&mut self, parts: &[String], first: &[u8]) -> bool {
        if category_of(Format::V2fly, parts).is_some() {
            match detect(first, "") {
                Ok(Detected {
                    format: Format::V2fly,
                    ..
                }) => self.v2fly += 1,
                Ok(Detected {
                    format: Format::Domains,
                    ..
                })
                | Err(Unknown::Unclear | Unknown::Empty) => {
                    self.plain += 1;
                }
                _ => self.other += 1,
            }
        }
        self.v2fly + self.plain + self.other < LOOKED_AT
    }

    /// True when they are.
    pub(super) fn is_v2fly(&self) -> bool {
        self.v2fly > 0 && self.other * 10 < self.v2fly + self.plain
    }
}
