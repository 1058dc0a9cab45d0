//! LM-36, LM-37, LM-38: what a bundle has and does not have, and what its check says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use weir_evidence::{Opening, Salt, Tag};
use weir_monitoring::bundle::{self, Request, SegmentLine, Why};
use weir_monitoring::proof::Group;
use weir_monitoring::query::Query;
use weir_monitoring::{EventId, Kind, Record};

use super::{Handed, moment, person, request, walk};
use crate::log::Lab;

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
        let tags = weir_monitoring::proof::tag_key(&lab.store(), "weir");
        fs::write(&kept, tags.unwrap().unwrap().to_text()).unwrap();
        assert_eq!(run("--tag-key", &kept), expected);
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
fn a_dispute_stands_beside_the_row_that_it_disputes_whoever_raised_it_lm_22() {
    let lab = Lab::new();
    let period = Query {
        from: moment(0),
        to: moment(20),
        ..person("ann")
    };
    // Of a row of ann's, long after the period, by nobody in particular; and of a row of somebody else.
    let later = moment(1_000_000).unwrap().as_microsecond();
    for event in [3, 4] {
        let mut dispute = Record::new(Kind::Dispute, EventId(event), later);
        dispute.note = Some("it was not me".into());
        lab.put(dispute);
    }
    // And ann's own, at the moment of the event, as the command writes it.
    let mut own = Record::new(
        Kind::Dispute,
        EventId(6),
        moment(6).unwrap().as_microsecond(),
    );
    own.user = Some("ann".into());
    lab.put(own);
    let handed = Handed::of(&lab, &request(period));
    handed.holds();
    let context = handed.text("context.jsonl");
    let disputes = |text: &str| text.matches("\"kind\":\"dispute\"").count();
    assert_eq!(disputes(&context), 1, "{context}");
    assert!(context.contains("0000000000000003"), "{context}");
    assert_eq!(disputes(&handed.text("rows.jsonl")), 1);
    assert!(handed.text("report.html").contains("it was not me"));
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
fn a_bundle_is_made_whole_or_not_at_all_lm_36() {
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("bundle");
    let make =
        |lab: &Lab, request: &Request| bundle::make(&lab.store(), request, &to, &mut |_, _| ());
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
