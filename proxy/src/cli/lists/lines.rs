//! What became of the lines of each source, for `weir lists stats`.
//!
//! Imported sources say it in their manifests; of directories that people edit the build has counted.

use std::collections::BTreeMap;
use std::io::Write;

use jiff::Timestamp;
use serde_json::{Value, json};
use weir_categories::formats::Tally;
use weir_categories::manifest::Manifest;
use weir_categories::{Built, Root, Source};
use weir_config::Settings;

use super::super::{Answer, Failure, output};
use super::import::sum;

/// Files of a source that are printed; the rest are counted.
const FILES_SHOWN: usize = 500;

/// A source and what became of its lines.
#[derive(Debug)]
pub(super) struct Lines {
    name: String,
    manifest: Option<Manifest>,
    /// Nothing for an import by a version that did not count.
    tally: Option<Tally>,
}

impl Lines {
    fn format(&self) -> &'static str {
        match &self.manifest {
            Some(manifest) => manifest
                .list_format
                .map_or("unknown", |format| format.as_str()),
            None => "squidguard",
        }
    }

    fn origin(&self) -> String {
        match &self.manifest {
            Some(manifest) => output::safe(&manifest.origin),
            None => "edited here".to_owned(),
        }
    }

    fn imported(&self) -> String {
        let imported = self.manifest.as_ref().map(|manifest| manifest.imported);
        imported.map_or("-".to_owned(), date)
    }
}

/// The day of a moment in seconds since 1970, in UTC.
fn date(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok();
    let moment = moment.and_then(|seconds| Timestamp::from_second(seconds).ok());
    moment.map_or("?".to_owned(), |moment| {
        moment.strftime("%Y-%m-%d %H:%M").to_string()
    })
}

/// Every source that a running Weir answers from.
pub(super) fn sources(built: &Built, settings: &Settings) -> Result<Vec<Lines>, Failure> {
    let mut counted: BTreeMap<&str, Tally> = BTreeMap::new();
    for file in &built.report.files {
        counted.entry(&file.list).or_default().add(&Tally {
            lines: file.lines,
            entries: file.entries,
            duplicates: file.duplicates,
            blank: file.blank,
            faulty: file.faulty,
            distinct: file.entries,
            ..Tally::default()
        });
    }
    let all = super::sources(settings)?.into_iter();
    let lines = all.map(|source| {
        let manifest = manifest(&source)?;
        let tally = match &manifest {
            Some(manifest) => manifest.tally(),
            None => Some(counted.remove(&*source.name).unwrap_or_default()),
        };
        Ok(Lines {
            name: source.name,
            manifest,
            tally,
        })
    });
    lines.collect()
}

fn manifest(source: &Source) -> Result<Option<Manifest>, Failure> {
    match &source.root {
        Root::Directory(path) => Manifest::read(path)
            .map_err(|error| Failure::Refused(format!("{}: {error}", source.name))),
        Root::Embedded => Ok(None),
    }
}

/// A line a source.
pub(super) fn tell(sources: &[Lines], out: &mut dyn Write) -> Result<(), Failure> {
    let rows = sources.iter().map(|source| {
        let mut row = vec![
            source.name.clone(),
            source.format().to_owned(),
            source.origin(),
            source.imported(),
        ];
        row.extend(cells(source.tally.as_ref(), source.manifest.is_some()));
        row
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let head = ["SOURCE", "FORMAT", "ORIGIN", "IMPORTED"];
    output::table(out, &[&head[..], &HEAD].concat(), &rows)?;
    Ok(())
}

const HEAD: [&str; 7] = [
    "LINES",
    "WITH ENTRIES",
    "REDUNDANT",
    "DUPLICATES",
    "BLANK",
    "SKIPPED",
    "NOT USED",
];

fn cells(tally: Option<&Tally>, parents_counted: bool) -> [String; 7] {
    let Some(tally) = tally else {
        return std::array::from_fn(|_| "-".to_owned());
    };
    let redundant = if parents_counted {
        output::count(tally.redundant)
    } else {
        "-".to_owned()
    };
    [
        output::count(tally.lines),
        output::count(tally.entries),
        redundant,
        output::count(tally.duplicates),
        output::count(tally.blank),
        output::count(tally.skipped()),
        output::count(tally.faulty),
    ]
}

/// One imported source with all its files.
pub(super) fn one(
    name: &str,
    settings: &Settings,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<Answer, Failure> {
    let mut all = super::sources(settings)?.into_iter();
    let source = all.find(|source| source.name == name);
    let source = source.ok_or_else(|| Failure::Refused(format!("there is no source {name:?}")))?;
    let manifest = manifest(&source)?.ok_or_else(|| {
        let hint = "it is edited here, and \"weir lists stats\" without a name counts it";
        Failure::Refused(format!("{name} is no import: {hint}"))
    })?;
    let tally = manifest.tally();
    let lines = Lines {
        name: name.to_owned(),
        manifest: Some(manifest),
        tally,
    };
    if as_json {
        output::json(out, &one_as_json(&lines))?;
        return Ok(Answer::Yes);
    }
    tell_one(&lines, out)?;
    Ok(Answer::Yes)
}

fn tell_one(lines: &Lines, out: &mut dyn Write) -> Result<(), Failure> {
    let name = &lines.name;
    let (origin, format, imported) = (lines.origin(), lines.format(), lines.imported());
    writeln!(
        out,
        "{name}: {origin}, format {format}, imported {imported} UTC."
    )?;
    let Some(tally) = &lines.tally else {
        writeln!(
            out,
            "An earlier version of Weir imported it and did not count: import it again."
        )?;
        return Ok(());
    };
    writeln!(out, "{}", sum(tally))?;
    writeln!(
        out,
        "{}: {} below another name of its file, {}, {} void by exception.",
        output::counted(tally.distinct, "entry", "entries"),
        output::count(tally.redundant),
        output::counted(tally.exceptions, "exception", "exceptions"),
        output::count(tally.excepted),
    )?;
    for (reason, count) in &tally.skipped {
        let count = output::counted(*count, "line", "lines");
        writeln!(out, "skipped: {count} that {} ({reason})", reason.reason())?;
    }
    let origins = lines.manifest.iter().flat_map(|manifest| &manifest.origins);
    let rows = origins.clone().take(FILES_SHOWN).map(|origin| {
        let into = if origin.into.is_empty() {
            "left out".to_owned()
        } else {
            origin.into.join(", ")
        };
        let mut row = vec![output::safe(&origin.file), into];
        row.extend(cells(Some(&origin.tally), true));
        row
    });
    let rows: Vec<Vec<String>> = rows.collect();
    output::table(out, &[&["FILE", "CATEGORY"][..], &HEAD].concat(), &rows)?;
    let more = origins.count() - rows.len();
    if more > 0 {
        writeln!(
            out,
            "… and {}",
            output::counted(more as u64, "more file", "more files")
        )?;
    }
    Ok(())
}

/// The sums of every source, by name.
pub(super) fn as_json(sources: &[Lines]) -> Value {
    let entries = sources
        .iter()
        .map(|lines| (lines.name.clone(), about(lines)));
    Value::Object(entries.collect())
}

fn about(lines: &Lines) -> Value {
    let manifest = lines.manifest.as_ref();
    let mut about = json!({
        "format": lines.format(),
        "origin": manifest.map(|manifest| &manifest.origin),
        "imported": manifest.map(|manifest| manifest.imported),
        "lines": null,
    });
    if let (Some(tally), Some(object)) = (&lines.tally, about.as_object_mut()) {
        object.extend([
            ("lines".to_owned(), json!(tally.lines)),
            ("entries".to_owned(), json!(tally.entries)),
            ("duplicates".to_owned(), json!(tally.duplicates)),
            ("blank".to_owned(), json!(tally.blank)),
            ("skipped".to_owned(), json!(tally.skipped())),
            ("skipped_by_reason".to_owned(), json!(tally.skipped)),
            ("faulty".to_owned(), json!(tally.faulty)),
            ("partly".to_owned(), json!(tally.partly)),
            ("distinct".to_owned(), json!(tally.distinct)),
            (
                "redundant".to_owned(),
                json!(manifest.map(|_| tally.redundant)),
            ),
            ("exceptions".to_owned(), json!(tally.exceptions)),
            ("excepted".to_owned(), json!(tally.excepted)),
        ]);
    }
    about
}

fn one_as_json(lines: &Lines) -> Value {
    let mut all = about(lines);
    all["files"] = json!(lines.manifest.as_ref().map(|manifest| &manifest.origins));
    json!({ lines.name.clone(): all })
}
