//! LM-36, LM-37, LM-38: export bundles, as they are made and as somebody would alter them who has everything but the log's key.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use weir_evidence::{Opening, Salt, Tag};
use weir_monitoring::bundle::{self, Asked, ProofLine, Request, SegmentLine, Why};
use weir_monitoring::export::{Encoder, Format};
use weir_monitoring::proof::Group;
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
        bundle::make(&lab.path, request, &handed.path, &mut |_, _| ()).unwrap();
        handed
    }

    fn copy(&self) -> Handed {
        let copy = Handed::empty();
        copy_directory(&self.path, &copy.path);
        copy
    }

    fn check(&self) -> BundleReport {
        check_bundle(&self.path, &Outside::default(), None).unwrap()
    }

    #[track_caller]
    fn holds(&self) -> BundleReport {
        let report = self.check();
        assert!(report.holds(), "{}", report.to_text());
        report
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path.join(name)).unwrap()
    }

    fn asked(&self) -> Asked {
        serde_json::from_str(&self.text("query.json")).unwrap()
    }

    fn proofs(&self) -> Vec<ProofLine> {
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

    fn put(&self, name: &str, text: &str) {
        fs::write(self.path.join(name), text).unwrap();
    }

    fn put_lines<T: serde::Serialize>(&self, name: &str, lines: &[T]) {
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
    fn faults_of_proofs(&self) -> Vec<String> {
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

#[test]
fn a_bundle_of_one_person_has_every_form_and_holds_without_key_or_network_lm_36_lm_37() {
    let lab = Lab::new();
    let handed = Handed::of(&lab, &request(person("ANN")));
    let report = handed.holds();
    let asked = handed.asked();
    // 34 of the first hundred, 20 of the sixty after.
    assert_eq!(asked.counts.rows, 54);
    assert_eq!((asked.counts.outside, asked.counts.unproved), (0, 0));
    assert_eq!(asked.counts.context, 4, "two starts and two stops");
    let segments = lab.files().len();
    let told = report.to_text();
    assert!(
        told.contains(&format!("{segments} segments meet the period")),
        "{told}"
    );
    assert!(
        told.contains("58 rows are proved to be in the log"),
        "{told}"
    );
    let lines = |name: &str| handed.text(name).lines().count();
    assert_eq!((lines("rows.jsonl"), lines("rows.csv")), (54, 55));
    let page = handed.text("report.html");
    assert!(page.contains("This page shows 54 rows of ANN"), "{page}");
    assert!(page.contains("JS/1") && !page.contains("<script"));
    let sums = Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", "SHA256SUMS"])
        .current_dir(&handed.path)
        .status();
    assert!(sums.unwrap().success(), "sha256sum reads the list");
    // Nobody else's name leaves.
    for name in [
        "rows.jsonl",
        "rows.csv",
        "context.jsonl",
        "report.html",
        "segments.jsonl",
    ] {
        let text = handed.text(name);
        assert!(
            !text.contains("\"bob\"") && !text.contains(">bob<"),
            "{name}"
        );
    }
    let output = Command::new(env!("CARGO_BIN_EXE_weir-verify"))
        .arg(&handed.path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_key_and_a_checkpoint_from_outside_and_the_tag_key_are_compared_lm_30() {
    let (lab, other) = (Lab::new(), Lab::other());
    let handed = Handed::of(&lab, &request(person("ann")));
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("key");
    let run = |flag: &str, file: &Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_weir-verify"))
            .args([handed.path.as_path(), Path::new(flag), file])
            .output()
            .unwrap();
        output.status.code()
    };
    let public = |lab: &Lab| lab.points()[0].checkpoint.key.clone().unwrap();
    for (lab, expected) in [(&lab, Some(0)), (&other, Some(1))] {
        fs::write(&kept, format!("{}\n", public(lab))).unwrap();
        assert_eq!(run("--key", &kept), expected);
        assert_eq!(run("--checkpoint", &lab.log("latest")), expected);
        assert_eq!(run("--tag-key", &lab.log("tag-key")), expected);
    }
    // What was kept after the bundle was made says nothing against it.
    lab.record(5);
    assert_eq!(run("--checkpoint", &lab.log("latest")), Some(0));
}

#[test]
fn rows_outside_the_period_are_accounted_for_by_number_and_time_alone_lm_36() {
    let lab = Lab::new();
    let query = Query {
        from: moment(10),
        to: moment(70),
        ..person("ann")
    };
    let handed = Handed::of(&lab, &request(query));
    let report = handed.holds();
    let asked = handed.asked();
    // Both runs have requests 0 to 59; the first one 60 to 99 as well. Of each three the first is ann's.
    assert_eq!(asked.counts.rows, 20 + 16);
    assert!(asked.counts.outside > 0, "{}", report.to_text());
    for proof in handed
        .proofs()
        .iter()
        .filter(|proof| proof.why == Why::Outside)
    {
        assert!(proof.salts.is_empty(), "{proof:?}");
    }
    assert!(!handed.text("redactions.json").contains("\"groups\":[{"));
}

#[test]
fn a_narrower_query_says_how_many_rows_it_does_not_show_lm_36() {
    let lab = Lab::new();
    let query = Query {
        host: Some("host3.example".to_owned()),
        ..person("ann")
    };
    let handed = Handed::of(&lab, &request(query));
    handed.holds();
    let counts = handed.asked().counts;
    assert!(counts.rows > 0 && counts.narrower > 0, "{counts:?}");
    assert_eq!(counts.rows + counts.narrower, 54);
    // Whoever makes it out to be all of them is found out.
    let mut asked = handed.asked();
    asked.query.host = None;
    handed.put("query.json", &serde_json::to_string(&asked).unwrap());
    let faults = handed.faults_of_proofs();
    assert!(
        faults[0].contains("all rows of the person were asked for"),
        "{faults:?}"
    );
}

#[test]
fn somebody_without_rows_is_proved_to_have_none_lm_36() {
    let lab = Lab::new();
    let handed = Handed::of(&lab, &request(person("nobody-at-all")));
    let report = handed.holds();
    assert_eq!(handed.asked().counts.rows, 0);
    assert!(
        report
            .to_text()
            .contains("in 0 of them the person has rows")
    );
    assert!(
        report.to_text().contains("--tag-key"),
        "{}",
        report.to_text()
    );
    // One neighbour is not enough, and neither is another gap.
    let lines = handed.segments();
    for at in 0..lines.len() {
        let spoils: [fn(&mut SegmentLine); 3] = [
            |line| (line.before, line.after) = (None, None),
            |line| match line.before.take() {
                Some(_) => {}
                None => line.after = None,
            },
            |line| {
                line.after
                    .iter_mut()
                    .chain(&mut line.before)
                    .for_each(|entry| entry.index += 1)
            },
        ];
        for spoil in spoils {
            let handed = handed.copy();
            let mut lines = lines.clone();
            spoil(&mut lines[at]);
            handed.put_lines("segments.jsonl", &lines);
            handed.faults_of_proofs();
        }
        let handed = handed.copy();
        let mut lines = lines.clone();
        lines.remove(at);
        handed.put_lines("segments.jsonl", &lines);
        let faults = handed.faults_of_proofs();
        assert!(faults[0].contains("nothing tells whether"), "{faults:?}");
    }
}

#[test]
fn every_single_row_that_is_left_out_is_missed_whoever_sums_anew_lm_36() {
    let handed = Handed::of(&Lab::new(), &request(person("ann")));
    let proofs = handed.proofs();
    let own: Vec<u64> = proofs
        .iter()
        .filter(|proof| proof.why == Why::Row)
        .map(|proof| proof.seq)
        .collect();
    assert_eq!(own.len(), 54);
    for seq in own {
        let altered = handed.copy();
        altered.leave_out(seq);
        let faults = altered.faults_of_proofs();
        let is_missed = faults
            .iter()
            .any(|what| what.contains("rows were left out"));
        assert!(is_missed, "{seq}: {faults:?}");
    }
}

#[test]
fn a_row_that_is_left_out_with_its_segment_altered_to_fit_is_missed_too_lm_36() {
    let handed = Handed::of(&Lab::new(), &request(person("ann")));
    let lines = handed.segments();
    let seq = lines[1].present.as_ref().unwrap().first;
    let spoils: [fn(&mut SegmentLine); 4] = [
        |line| line.present.as_mut().unwrap().rows -= 1,
        |line| line.present = None,
        |line| {
            let entry = line.present.take();
            (line.before, line.after) = (entry.clone(), entry);
        },
        |line| {
            let entry = line.present.as_mut().unwrap();
            entry.rows -= 1;
            entry.first += 3;
            entry.digest = weir_evidence::Hash::of(b"forged").to_string();
        },
    ];
    for spoil in spoils {
        let altered = handed.copy();
        altered.leave_out(seq);
        let mut lines = lines.clone();
        spoil(&mut lines[1]);
        altered.put_lines("segments.jsonl", &lines);
        altered.faults_of_proofs();
    }
    // Said to lie outside the period.
    let altered = handed.copy();
    let mut proofs = altered.proofs();
    let rows: Vec<String> = altered
        .text("rows.jsonl")
        .lines()
        .map(str::to_owned)
        .collect();
    let kept: Vec<String> = rows
        .into_iter()
        .filter(|row| !row.starts_with(&format!("{{\"seq\":{seq},")))
        .collect();
    let proof = proofs.iter_mut().find(|proof| proof.seq == seq).unwrap();
    proof.why = Why::Outside;
    proof.salts.clear();
    altered.rewrite(&kept, &proofs);
    altered.faults_of_proofs();
    // With the last checkpoints, which name its segment.
    let altered = handed.copy();
    let text = altered.text("log/weir/checkpoints");
    let cut = text
        .rfind("weir/weir/")
        .and_then(|at| text[..at].rfind("\n\nweir/weir/"));
    altered.put("log/weir/checkpoints", &text[..cut.unwrap() + 2]);
    altered.faults_of_proofs();
}

#[test]
fn every_field_of_a_row_and_every_part_of_its_proof_is_checked_lm_36() {
    let handed = Handed::of(&Lab::new(), &request(person("ann")));
    let rows: Vec<String> = handed
        .text("rows.jsonl")
        .lines()
        .map(str::to_owned)
        .collect();
    let proofs = handed.proofs();
    for (from, to) in [
        ("\"host\":\"host", "\"host\":\"other"),
        ("\"verdict\":\"block\"", "\"verdict\":\"allow\""),
        ("\"path\":\"/bad/page\"", "\"path\":\"/good/page\""),
        (",\"path\":\"/bad/page\"", ""),
        ("\"user\":\"ann\"", "\"user\":\"bob\""),
        ("\"bytes_down\":0", "\"bytes_down\":1"),
        (
            "\"end\":\"complete\"",
            "\"end\":\"complete\",\"error\":\"x\"",
        ),
    ] {
        let altered = handed.copy();
        let mut rows = rows.clone();
        let row = rows.iter_mut().find(|row| row.contains(from)).unwrap();
        *row = row.replace(from, to);
        altered.rewrite(&rows, &proofs);
        let faults = altered.faults_of_proofs();
        assert!(
            faults
                .iter()
                .any(|what| what.contains("not what was signed")),
            "{from}: {faults:?}"
        );
    }
    let spoils: [fn(&mut ProofLine); 7] = [
        |proof| proof.time += 1,
        |proof| proof.tag = Tag::NONE.to_string(),
        |proof| proof.index += 1,
        |proof| proof.leaf = weir_evidence::Hash::of(b"x").to_string(),
        |proof| proof.salts.clear(),
        |proof| proof.seq += 500,
        |proof| {
            drop(proof.commitments.insert(
                "content".to_owned(),
                weir_evidence::Hash::of(b"x").to_string(),
            ))
        },
    ];
    for spoil in spoils {
        let altered = handed.copy();
        let mut proofs = proofs.clone();
        spoil(&mut proofs[9]);
        altered.put_lines("proof.jsonl", &proofs);
        altered.faults_of_proofs();
    }
    // A row of somebody else among them, a row twice, and forms that differ.
    let altered = handed.copy();
    let mut more = rows.clone();
    more.push(rows[3].clone());
    altered.rewrite(&more, &proofs);
    assert!(altered.faults_of_proofs()[0].contains("stands twice"));
    for name in [
        "rows.csv",
        "report.html",
        "identity.json",
        "redactions.json",
        "log/weir/nodes",
    ] {
        let altered = handed.copy();
        let whole = altered.text(name);
        let cut = match name {
            "identity.json" => "[]\n".to_owned(),
            "redactions.json" => whole.replace(
                "\"groups\": []",
                "\"groups\": [{\"group\": \"who\", \"reason\": \"x\", \"rows\": 1}]",
            ),
            "report.html" => whole.replacen("<tr id=\"row-weir-", "<tr id=\"row-weir-9", 1),
            _ => whole[..whole.trim_end().rfind('\n').unwrap() + 1].to_owned(),
        };
        assert_ne!(whole, cut, "{name}");
        altered.put(name, &cut);
        altered.faults_of_proofs();
    }
}

#[test]
fn a_group_is_withheld_in_all_rows_and_they_still_prove_and_no_name_can_be_tested_lm_38() {
    let lab = Lab::of(["annabel.smith", "bartholomew.jones", "clementine.brown"]);
    let mut request = request(Query::default());
    request.withhold = BTreeMap::from([
        (Group::Who, "third parties".to_owned()),
        (Group::Content, "not needed".to_owned()),
    ]);
    let handed = Handed::of(&lab, &request);
    let report = handed.holds();
    assert!(report.to_text().contains("no person was asked for"));
    let mut names = Vec::new();
    walk(&handed.path, "", &mut names);
    for name in &names {
        let bytes = fs::read(handed.path.join(name)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for person in ["annabel", "bartholomew", "clementine", "/bad/page"] {
            assert!(!text.contains(person), "{person} in {name}");
        }
    }
    // No salt that is in the bundle opens a commitment to a guessed name.
    let (mut salts, mut commitments) = (Vec::new(), BTreeSet::new());
    for proof in handed.proofs() {
        assert!(!proof.salts.contains_key("who") && !proof.salts.contains_key("content"));
        salts.extend(
            proof
                .salts
                .values()
                .map(|salt| salt.parse::<Tag>().unwrap().0),
        );
        commitments.extend(proof.commitments.get("who").cloned());
    }
    assert!(commitments.len() >= 100);
    salts.push([0; 16]);
    for salt in salts {
        for person in ["annabel.smith", "bartholomew.jones", "clementine.brown"] {
            let mut opening = Opening::new(1, Salt(salt));
            opening.field(20, person.as_bytes()).unwrap();
            opening.field(23, b"none").unwrap();
            assert!(!commitments.contains(&opening.finish().to_string()));
        }
    }
    // What is withheld cannot be filled in, and not without a word.
    let text = handed.text("rows.jsonl");
    let filled = text.replacen("\"identity\":\"\"", "\"identity\":\"none\"", 1);
    assert_ne!(text, filled);
    handed.put("rows.jsonl", &filled);
    assert!(handed.faults_of_proofs()[0].contains("nothing opens them"));
    handed.put("rows.jsonl", &text);
    handed.put("redactions.json", "{\"groups\":[],\"rows\":[]}");
    let faults = handed.faults_of_proofs();
    assert!(
        faults[0].contains("not those that the rows withhold"),
        "{faults:?}"
    );
}

#[test]
fn one_flipped_bit_in_any_file_of_a_bundle_is_seen_lm_31() {
    let handed = Handed::of(&Lab::new(), &request(person("ann")));
    let mut names = Vec::new();
    walk(&handed.path, "", &mut names);
    assert_eq!(names.len(), 13 + 3 + 2);
    let mut number = 0x9e37_79b9_u64;
    let mut roll = move || {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(number >> 33).unwrap()
    };
    let mut tried = 0;
    for name in names {
        let path = handed.path.join(&name);
        let whole = fs::read(&path).unwrap();
        if whole.is_empty() {
            continue;
        }
        let samples = if name.starts_with("SHA256SUMS") {
            200
        } else {
            6
        };
        let mut places: Vec<usize> = (0..samples).map(|_| roll() % whole.len()).collect();
        places.extend([0, whole.len() - 1]);
        for at in places {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (roll() % 8);
            fs::write(&path, flipped).unwrap();
            let report = handed.check();
            assert!(!report.holds(), "byte {at} of {name}: {}", report.to_text());
            tried += 1;
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(tried > 400, "{tried}");
    handed.holds();
}

#[test]
fn a_file_more_or_less_is_seen_and_an_unknown_one_too_lm_36() {
    let handed = Handed::of(&Lab::new(), &request(person("ann")));
    let mut names = Vec::new();
    walk(&handed.path, "", &mut names);
    for name in names {
        let less = handed.copy();
        fs::remove_file(less.path.join(&name)).unwrap();
        assert!(!less.check().holds(), "{name} is not missed");
    }
    for name in ["more.txt", "log/weir/more", "log/other/checkpoints"] {
        let more = handed.copy();
        let path = more.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
        assert!(!more.check().holds(), "{name} is not seen");
        // Also when it is listed.
        more.faults_of_proofs();
    }
    let link = handed.copy();
    std::os::unix::fs::symlink("rows.csv", link.path.join("link")).unwrap();
    assert!(!link.check().holds());
}

#[test]
fn a_bundle_is_made_whole_or_not_at_all_lm_36() {
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("bundle");
    let make = |lab: &Lab, request: &Request| bundle::make(&lab.path, request, &to, &mut |_, _| ());
    let own = request(person("ann"));
    for spoil in [
        (|lab: &Lab| fs::remove_file(lab.log("key")).unwrap()) as fn(&Lab),
        |lab| fs::remove_file(lab.log("tag-key")).unwrap(),
        |lab| fs::remove_file(lab.log("checkpoints")).unwrap(),
        |lab| lab.remove(&lab.file_of(50)),
        |lab| fs::remove_file(lab.file_of(50).path.with_extension("users")).unwrap(),
        |lab| fs::remove_file(lab.file_of(50).path.with_extension("secret")).unwrap(),
        |lab| {
            lab.alter(&lab.file_of(49), |rows| {
                crate::log::with_text(&rows, "host", 50, "x")
            })
        },
    ] {
        let lab = lab.copy();
        spoil(&lab);
        assert!(make(&lab, &own).is_err());
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
    let mut wrong = own.clone();
    wrong.purpose = "national-security".to_owned();
    assert!(make(&lab, &wrong).is_err(), "LM-03");
    make(&lab, &own).unwrap();
    let error = make(&lab, &own).unwrap_err().to_string();
    assert!(error.contains("it is there already"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    #[test]
    fn any_log_and_any_person_give_a_bundle_that_holds_and_misses_any_row_left_out_lm_36(
        users in proptest::collection::vec(0_u8..5, 5..60),
        segment in 5_usize..30,
        asked in 0_u8..6,
        from in 0_i64..30,
        length in 1_i64..60,
        victim in any::<prop::sample::Index>(),
    ) {
        let lab = Lab::random(&users, segment);
        let query = Query {
            from: moment(from),
            to: moment(from + length),
            ..person(&format!("person-{asked}"))
        };
        let handed = Handed::of(&lab, &request(query));
        let report = handed.check();
        prop_assert!(report.holds(), "{}", report.to_text());
        let expected = users
            .iter()
            .enumerate()
            .filter(|(at, user)| **user == asked && (from..from + length).contains(&(*at as i64)));
        prop_assert_eq!(handed.asked().counts.rows, expected.count() as u64);
        let own: Vec<ProofLine> = handed
            .proofs()
            .into_iter()
            .filter(|proof| matches!(proof.why, Why::Row | Why::Outside))
            .collect();
        if !own.is_empty() {
            let victim = &own[victim.index(own.len())];
            handed.leave_out(victim.seq);
            let mut redactions: bundle::Redactions =
                serde_json::from_str(&handed.text("redactions.json")).unwrap();
            let mut asked = handed.asked();
            if victim.why == Why::Outside {
                asked.counts.outside -= 1;
                redactions.rows.iter_mut().for_each(|rows| rows.rows -= 1);
            }
            handed.put("query.json", &serde_json::to_string(&asked).unwrap());
            handed.put("redactions.json", &serde_json::to_string(&redactions).unwrap());
            let faults = handed.faults_of_proofs();
            prop_assert!(faults.iter().any(|what| what.contains("rows were left out")), "{:?}", faults);
        }
    }
}
