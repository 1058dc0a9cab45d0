//! LM-36, LM-37, LM-38: export bundles, as they are made and as somebody would alter them who has everything but the log's key.

mod attacks;
mod made;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use weir_monitoring::bundle::{self, Asked, ProofLine, Request, SegmentLine};
use weir_monitoring::export::{Encoder, Format};
use weir_monitoring::query::Query;
use weir_monitoring::{Cells, Col};
use weir_verify::{BundleReport, Outside, check_bundle};

use crate::log::{Lab, copy_directory};

/// A bundle of its own.
pub(crate) struct Handed {
    _folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

impl Handed {
    fn empty() -> Handed {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle");
        Handed {
            _folder: folder,
            path,
        }
    }

    pub(crate) fn of(lab: &Lab, request: &Request) -> Handed {
        let handed = Handed::empty();
        bundle::make(&lab.store(), request, &handed.path, &mut |_, _| ()).unwrap();
        handed
    }

    fn copy(&self) -> Handed {
        let copy = Handed::empty();
        copy_directory(&self.path, &copy.path);
        copy
    }

    pub(crate) fn check(&self) -> BundleReport {
        check_bundle(&self.path, &Outside::default(), None).unwrap()
    }

    #[track_caller]
    pub(crate) fn holds(&self) -> BundleReport {
        let report = self.check();
        assert!(report.holds(), "{}", report.to_text());
        report
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path.join(name)).unwrap()
    }

    pub(crate) fn asked(&self) -> Asked {
        serde_json::from_str(&self.text("query.json")).unwrap()
    }

    pub(crate) fn proofs(&self) -> Vec<ProofLine> {
        let text = self.text("proof.jsonl");
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn segments(&self) -> Vec<SegmentLine> {
        let text = self.text("segments.jsonl");
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        fs::write(self.path.join(name), text).unwrap();
    }

    pub(crate) fn put_lines<T: serde::Serialize>(&self, name: &str, lines: &[T]) {
        let lines = lines
            .iter()
            .map(|line| serde_json::to_string(line).unwrap() + "\n");
        self.put(name, &lines.collect::<String>());
    }

    /// Sums everything anew, as whoever alters it would; only the signature cannot be made.
    fn sum_anew(&self) {
        let mut names = Vec::new();
        walk(&self.path, "", &mut names);
        let mut sums = String::new();
        for name in names.iter().filter(|name| !name.starts_with("SHA256SUMS")) {
            let hash = weir_evidence::Hash::of(&fs::read(self.path.join(name)).unwrap());
            let hex: String = hash.0.iter().map(|byte| format!("{byte:02x}")).collect();
            sums.push_str(&format!("{hex}  {name}\n"));
        }
        self.put("SHA256SUMS", &sums);
    }

    /// Faults that have nothing to do with the signature over the sums: what the proofs alone show.
    #[track_caller]
    pub(crate) fn faults_of_proofs(&self) -> Vec<String> {
        self.sum_anew();
        let report = self.check();
        let faults: Vec<String> = report
            .faults
            .iter()
            .filter(|fault| fault.place.file.as_deref() != Some("SHA256SUMS.note"))
            .map(|fault| fault.what.clone())
            .collect();
        assert!(!faults.is_empty(), "{}", report.to_text());
        faults
    }

    /// Rewrites every form so that it fits these JSON lines and proof lines.
    fn rewrite(&self, rows: &[String], proofs: &[ProofLine]) {
        let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
        let batch = bundle::rows(&text).unwrap();
        self.put("rows.jsonl", &text);
        for (name, form) in [("rows.csv", Format::Csv), ("rows.parquet", Format::Parquet)] {
            let mut bytes = Vec::new();
            let mut encoder = Encoder::new(form, &mut bytes).unwrap();
            encoder.write(&batch).unwrap();
            encoder.finish().unwrap();
            fs::write(self.path.join(name), bytes).unwrap();
        }
        self.put_lines("proof.jsonl", proofs);
        let cells = Cells::new(&batch);
        let mut asked = self.asked();
        let counted = |col| {
            let mut counts = BTreeMap::new();
            for row in 0..batch.num_rows() {
                *counts
                    .entry(cells.str_at(col, row).unwrap().to_owned())
                    .or_insert(0) += 1;
            }
            counts
        };
        asked.counts.rows = batch.num_rows() as u64;
        (asked.counts.kinds, asked.counts.verdicts) = (counted(Col::kind), counted(Col::verdict));
        self.put("query.json", &serde_json::to_string(&asked).unwrap());
        let identified = serde_json::to_string(&bundle::identified(&batch)).unwrap();
        self.put("identity.json", &identified);
        let versions = bundle::versions(&batch, &BTreeSet::new());
        self.put("versions.json", &serde_json::to_string(&versions).unwrap());
        let kept: BTreeSet<u64> = proofs.iter().map(|proof| proof.seq).collect();
        let page = self.text("report.html");
        let is_kept = |line: &&str| {
            let id = line.strip_prefix("<tr id=\"row-weir-");
            let seq = id.and_then(|id| id.split('"').next()?.parse().ok());
            seq.is_none_or(|seq| kept.contains(&seq))
        };
        let page: Vec<&str> = page.lines().filter(is_kept).collect();
        self.put("report.html", &(page.join("\n") + "\n"));
    }

    /// Leaves one row out of everything that shows it.
    fn leave_out(&self, seq: u64) {
        let rows: Vec<String> = self
            .text("rows.jsonl")
            .lines()
            .filter(|row| !row.starts_with(&format!("{{\"seq\":{seq},")))
            .map(str::to_owned)
            .collect();
        let mut proofs = self.proofs();
        proofs.retain(|proof| proof.seq != seq);
        self.rewrite(&rows, &proofs);
    }
}

fn walk(directory: &Path, before: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{before}{}", entry.file_name().display());
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), &format!("{name}/"), found);
        } else {
            found.push(name);
        }
    }
    found.sort();
}

pub(crate) fn request(query: Query) -> Request {
    Request {
        query,
        purpose: "unauthorised-use".to_owned(),
        case: Some("2026/17".to_owned()),
        exhibit: Some("JS/1".to_owned()),
        ..Request::default()
    }
}

pub(crate) fn person(user: &str) -> Query {
    Query {
        user: Some(user.to_owned()),
        ..Query::default()
    }
}

/// The moment at which request number `number` of a lab began.
fn moment(number: i64) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_microsecond(1_790_000_000_000_000 + number * 1_000).ok()
}
