//! The files of a bundle: written beside, summed, signed, and only then given their name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use weir_evidence::{Hash, NO_FIELDS, Note, SigningKey};

use super::collect::{Collected, Proof, without};
use super::facts::{counted, identified, versions};
use super::forms::*;
use super::log::NodeLog;
use super::report::{self, Contents};
use super::tree::At;
use super::{BundleError, Made, Request};
use crate::adapt::Cells;
use crate::export::{Encoder, Format};
use crate::proof::{Group, group_of};
use crate::query::Query;
use crate::record::{Col, columns, schema};

/// Writes everything that was gathered.
pub(super) fn write(
    request: &Request,
    query: &Query,
    logs: &[NodeLog],
    collected: Collected,
    nodes: &BTreeMap<String, BTreeMap<At, Hash>>,
    to: &Path,
) -> Result<Made, BundleError> {
    let withheld: BTreeSet<Group> = request.withhold.keys().copied().collect();
    let (rows, context) = (ordered(&collected.rows)?, ordered(&collected.context)?);
    let redactions = redactions(request, &rows, &context, &collected);
    let rows = without(&rows, &withheld)?;
    let context = without(&context, &withheld)?;
    let unproved = without(&ordered(&collected.unproved)?, &withheld)?;
    let count = |batch: &RecordBatch| batch.num_rows() as u64;
    let of = |why: Why| {
        let all = collected.proofs.values().flatten();
        all.filter(|proof| proof.why == why).count() as u64
    };
    let counts = Counts {
        rows: count(&rows),
        context: count(&context),
        outside: of(Why::Outside),
        narrower: of(Why::Narrower),
        erased: of(Why::Erased),
        unproved: count(&unproved),
        kinds: counted(&rows, Col::kind),
        verdicts: counted(&rows, Col::verdict),
    };
    let asked = Asked {
        form: FORM.to_owned(),
        weir: env!("CARGO_PKG_VERSION").to_owned(),
        generated: Timestamp::now(),
        purpose: request.purpose.clone(),
        case: request.case.clone(),
        exhibit: request.exhibit.clone(),
        reader: request.reader.clone(),
        role: request.role.clone(),
        reason: request.reason.clone(),
        query: query.clone(),
        subject: subject(query, logs)?,
        counts,
        basis: request.basis.clone(),
        remarks: collected.remarks.clone(),
    };
    let identified = identified(&rows);
    let versions = versions(&rows, &collected.builds);
    let mut keys: Vec<(String, String)> = Vec::new();
    for log in logs {
        let own = log.keys.iter().map(|key| (log.node.clone(), key.clone()));
        keys.extend(own);
    }
    let present = collected.segments.iter().filter(|it| it.present.is_some());
    let segments = asked
        .subject
        .as_ref()
        .map(|_| (collected.segments.len() as u64, present.count() as u64));
    let page = report::page(&Contents {
        asked: &asked,
        rows: &rows,
        context: &context,
        unproved: &unproved,
        redactions: &redactions,
        identified: &identified,
        versions: &versions,
        keys: &keys,
        segments,
        last: logs
            .iter()
            .filter_map(|log| log.log.last.as_ref())
            .collect(),
    });

    let mut part = Part::begin(to)?;
    part.encoded(ROWS_JSONL, Format::Jsonl, &rows)?;
    part.encoded(ROWS_CSV, Format::Csv, &rows)?;
    part.encoded(ROWS_PARQUET, Format::Parquet, &rows)?;
    part.encoded(CONTEXT, Format::Jsonl, &context)?;
    part.encoded(UNPROVED, Format::Jsonl, &unproved)?;
    let withheld: BTreeSet<&str> = withheld.iter().map(|group| group.as_str()).collect();
    let proofs = collected.proofs.iter().flat_map(|(node, proofs)| {
        let withheld = &withheld;
        proofs.iter().map(move |proof| line(node, proof, withheld))
    });
    part.lines(PROOF, proofs)?;
    part.lines(SEGMENTS, collected.segments.iter())?;
    part.json(QUERY, &asked)?;
    part.json(REDACTIONS, &redactions)?;
    part.json(IDENTITY, &identified)?;
    part.json(VERSIONS, &versions)?;
    part.file(GLOSSARY, glossary().as_bytes())?;
    part.file(REPORT, page.as_bytes())?;
    for log in logs {
        let name = |file: &str| format!("log/{}/{file}", log.node);
        part.file(&name(CHECKPOINTS), &log.text)?;
        let own = nodes.get(&log.node).into_iter().flatten();
        let mut text = String::new();
        for ((level, place), hash) in own {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{level} {place} {hash}");
        }
        part.file(&name(NODES), text.as_bytes())?;
        let keys = format!("{}\n", log.keys.join("\n"));
        part.file(&name(PUBLIC_KEYS), keys.as_bytes())?;
    }
    let signers: Vec<&SigningKey> = logs.iter().filter_map(|log| log.key.as_ref()).collect();
    if signers.is_empty() {
        let why = "the private key of the log cannot be read, so nothing could sign the bundle: run the command as the account \
                   that Weir runs as";
        return Err(BundleError::Refused(why.to_owned()));
    }
    let sha256 = part.finish(&signers)?;
    let keys = signers.iter().map(|key| key.verifier().to_string());
    Ok(Made {
        asked,
        segments,
        sha256,
        keys: keys.collect(),
    })
}

fn subject(query: &Query, logs: &[NodeLog]) -> Result<Option<Subject>, BundleError> {
    let Some(user) = &query.user else {
        return Ok(None);
    };
    let stored = crate::scrub::text(user, usize::MAX);
    let mut tags = BTreeMap::new();
    for log in logs {
        tags.insert(log.node.clone(), log.tag(&stored)?.to_string());
    }
    Ok(Some(Subject {
        user: stored.into_owned(),
        tags,
    }))
}

/// All rows in order of time, node and number.
fn ordered(batches: &[RecordBatch]) -> Result<RecordBatch, BundleError> {
    let whole = concat_batches(&schema(), batches)?;
    let cells = Cells::new(&whole);
    let mut places: Vec<u32> = (0..u32::try_from(whole.num_rows()).unwrap_or(u32::MAX)).collect();
    places.sort_by_key(|row| {
        let row = *row as usize;
        let node = cells.str_at(Col::node, row);
        (cells.time_at(row), node, cells.u64_at(Col::seq, row))
    });
    Ok(take_record_batch(&whole, &UInt32Array::from(places))?)
}

fn redactions(
    request: &Request,
    rows: &RecordBatch,
    context: &RecordBatch,
    collected: &Collected,
) -> Redactions {
    let has = |proof: &&Proof, group: Group| {
        let is_shown = matches!(proof.why, Why::Row | Why::Context);
        let commitment = proof.commitments.get(group as usize);
        is_shown && commitment.is_some_and(|commitment| *commitment != NO_FIELDS)
    };
    debug_assert!(
        rows.num_rows() + context.num_rows() <= collected.proofs.values().map(Vec::len).sum()
    );
    let all = || collected.proofs.values().flatten();
    let groups = request
        .withhold
        .iter()
        .map(|(group, reason)| GroupRedaction {
            group: group.as_str().to_owned(),
            reason: reason.clone(),
            rows: all().filter(|proof| has(proof, *group)).count() as u64,
        });
    let mut groups: Vec<GroupRedaction> = groups.collect();
    if !request.withhold.contains_key(&Group::Content) {
        let lost = all().filter(|proof| has(proof, Group::Content) && proof.has_lost_content());
        groups.push(GroupRedaction {
            group: Group::Content.as_str().to_owned(),
            reason: "the time for which content is kept is over: it is not there any more"
                .to_owned(),
            rows: lost.count() as u64,
        });
        groups.retain(|it| {
            it.rows > 0 || request.withhold.keys().any(|own| own.as_str() == it.group)
        });
    }
    let words = [
        (
            Why::Outside,
            "rows of the person that began outside the period: only number, time and tag are shown, so that it can be checked that \
             every row of theirs is accounted for",
        ),
        (
            Why::Narrower,
            "rows of the person inside the period that the query does not ask for: only number, time and tag are shown",
        ),
        (
            Why::Erased,
            "rows of the person that were erased, or whose time was over: only number, tag and the event of the row that tells of it \
             are left; when they began is not known any more",
        ),
    ];
    let of = |(why, reason): (Why, &str)| RowRedaction {
        why,
        reason: reason.to_owned(),
        rows: all().filter(|proof| proof.why == why).count() as u64,
    };
    Redactions {
        groups,
        rows: words.map(of).into_iter().filter(|it| it.rows > 0).collect(),
    }
}

fn line(node: &str, proof: &Proof, withheld: &BTreeSet<&str>) -> ProofLine {
    let is_shown = matches!(proof.why, Why::Row | Why::Context);
    let (mut salts, mut commitments) = (BTreeMap::new(), BTreeMap::new());
    for (group, (commitment, salt)) in Group::ALL
        .iter()
        .zip(proof.commitments.iter().zip(&proof.salts))
    {
        let word = group.as_str();
        match salt {
            // A group without fields has neither, which can be seen and is meant to be.
            None if *commitment == NO_FIELDS => {}
            Some(salt) if is_shown && !withheld.contains(word) => {
                salts.insert(word.to_owned(), hex(&salt.0));
            }
            _ => drop(commitments.insert(word.to_owned(), commitment.to_string())),
        }
    }
    ProofLine {
        node: node.to_owned(),
        seq: proof.seq,
        time: proof.time,
        tag: proof.tag.to_string(),
        index: proof.index,
        why: proof.why,
        leaf: proof.leaf.to_string(),
        event: proof.told_by.map(|event| event.to_string()),
        salts,
        commitments,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every field, its group and what it means.
fn glossary() -> String {
    let mut text = String::from(
        "Fields of a row, as in rows.csv, rows.jsonl and rows.parquet. The group says what is withheld together; grade content says \
         what was looked at, event that something happened. Times are UTC.\n\n",
    );
    for (col, column) in Col::ALL.iter().zip(columns()) {
        let group = group_of(*col).map_or("open", |(group, _)| group.as_str());
        let grade = column.grade.as_str();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} ({}; group {group}, grade {grade}): {}",
            column.name, column.unit, column.doc
        );
    }
    text.push_str("\nWords of this bundle:\n\n");
    for (word, meaning) in report::WORDS {
        let _ = writeln!(text, "{word}: {meaning}");
    }
    text
}

/// A bundle that has not got its name yet; dropped, nothing is left of it.
struct Part {
    to: PathBuf,
    beside: PathBuf,
    sums: BTreeMap<String, String>,
}

impl Part {
    fn begin(to: &Path) -> io::Result<Part> {
        let mut name = to.as_os_str().to_owned();
        name.push(format!(".part-{}", std::process::id()));
        let part = Part {
            to: to.to_owned(),
            beside: name.into(),
            sums: BTreeMap::new(),
        };
        DirBuilder::new().mode(0o700).create(&part.beside)?;
        Ok(part)
    }

    fn create(&self, name: &str) -> io::Result<File> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.beside.join(name);
        if let Some(folder) = path.parent() {
            DirBuilder::new()
                .mode(0o700)
                .recursive(true)
                .create(folder)?;
        }
        File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
    }

    fn sum(&mut self, name: &str, file: &File) -> io::Result<()> {
        file.sync_all()?;
        let written = File::open(self.beside.join(name))?;
        let hash = Hash::of_reader(written)?;
        self.sums.insert(name.to_owned(), hex(&hash.0));
        Ok(())
    }

    fn file(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.create(name)?;
        file.write_all(bytes)?;
        self.sum(name, &file)
    }

    fn encoded(&mut self, name: &str, format: Format, rows: &RecordBatch) -> io::Result<()> {
        let mut file = self.create(name)?;
        let mut encoder = Encoder::new(format, &mut file)?;
        encoder.write(rows)?;
        encoder.finish()?;
        self.sum(name, &file)
    }

    fn lines<T: Serialize>(
        &mut self,
        name: &str,
        lines: impl Iterator<Item = T>,
    ) -> io::Result<()> {
        let file = self.create(name)?;
        let mut out = io::BufWriter::new(&file);
        for line in lines {
            serde_json::to_writer(&mut out, &line)?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
        drop(out);
        self.sum(name, &file)
    }

    fn json<T: Serialize>(&mut self, name: &str, value: &T) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(value)?;
        text.push(b'\n');
        self.file(name, &text)
    }

    /// Sums, signs, and gives the bundle its name; the SHA-256 of the sums.
    fn finish(mut self, signers: &[&SigningKey]) -> io::Result<String> {
        let lines = self
            .sums
            .iter()
            .map(|(name, sum)| format!("{sum}  {name}\n"));
        let sums: String = lines.collect();
        let sha256 = hex(&Sha256::digest(sums.as_bytes()));
        self.file(SUMS, sums.as_bytes())?;
        let note = Note::sign(format!("{FORM}\n{sha256}\n"), signers);
        self.file(NOTE, note.to_string().as_bytes())?;
        for folder in ["log", "."] {
            File::open(self.beside.join(folder))?.sync_all()?;
        }
        // Nothing of that name may be there: what is there is never written over.
        if self.to.symlink_metadata().is_ok() {
            return Err(io::Error::other(format!(
                "{} is there meanwhile",
                self.to.display()
            )));
        }
        fs::rename(&self.beside, &self.to)?;
        let parent = self.to.parent().filter(|it| !it.as_os_str().is_empty());
        crate::paths::sync_directory(parent.unwrap_or(Path::new(".")))?;
        Ok(sha256)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Gone already when it has its name.
        let _ = fs::remove_dir_all(&self.beside);
    }
}
