//! LM-14, LM-15: what is gone by right is told from what is gone by wrong, by whoever has the disk and by whoever has the key.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use weir_evidence::Hash;
use weir_monitoring::bundle::Why;
use weir_monitoring::erase::{Grounds, Request, ask};
use weir_monitoring::query::Query;
use weir_monitoring::{EventId, Recorder, RecorderSettings};

use crate::bundle::{Handed, person, request};
use crate::log::{Lab, with_sidecars};

const PATIENCE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn grounds(case: &str) -> Grounds {
    Grounds::new(case, "DPO", "art 17").unwrap()
}

fn carry_out(lab: &Lab, request: &Request) {
    ask(lab.settings(), request, PATIENCE).unwrap();
}

pub(crate) fn erase(lab: &Lab, query: Query) {
    let request = Request::Erase {
        query: Box::new(query),
        grounds: grounds("E-1"),
    };
    carry_out(lab, &request);
}

fn of_event(number: u64) -> Query {
    Query {
        event: Some(EventId(number)),
        ..Query::default()
    }
}

/// Lets what is due go, the requests of every lab among it.
fn expire(settings: RecorderSettings) {
    let recorder = Recorder::start(settings).unwrap();
    assert!(recorder.retain(PATIENCE));
    recorder.stop(PATIENCE).unwrap();
}

pub(crate) fn expire_content(lab: &Lab) {
    expire(RecorderSettings {
        retain_content: DAY,
        ..lab.settings()
    });
}

/// A log of which only what is of ann, and of the day of its checkpoints, is left.
fn held() -> Lab {
    let lab = Lab::new();
    let hold = Request::Hold {
        query: Box::new(person("ann")),
        grounds: grounds("H-1"),
    };
    carry_out(&lab, &hold);
    expire(RecorderSettings {
        retain: DAY,
        ..lab.settings()
    });
    lab
}

pub(crate) fn tombstones(lab: &Lab) -> Vec<PathBuf> {
    let files = lab.files().into_iter();
    let paths = files.map(|file| file.path.with_extension("tombstones"));
    paths.filter(|path| path.exists()).collect()
}

#[test]
fn a_bundle_of_somebody_whose_rows_were_erased_holds_and_says_how_many_are_gone_lm_15_lm_36() {
    let lab = Lab::new();
    erase(&lab, person("ann"));
    lab.record(30);
    let handed = Handed::of(&lab, &request(person("ann")));
    let report = handed.holds();
    let counts = handed.asked().counts;
    assert_eq!((counts.rows, counts.erased), (10, 54));
    let told = report.to_text();
    assert!(
        told.contains("rows of the person were erased") && told.contains("54 rows of "),
        "{told}"
    );
    let page = handed.text("report.html");
    assert!(
        page.contains("54 further rows were of this person")
            || page.contains("54 further rows were")
    );
    let context = handed.text("context.jsonl");
    assert_eq!(
        context.matches("\"kind\":\"erasure\"").count(),
        1,
        "{context}"
    );
    // Others are not touched by it.
    Handed::of(&lab, &request(person("bob"))).holds();
    // What is gone can be left out as little as what is there, and not be made out to be another's or whole.
    let proofs = handed.proofs();
    let first = proofs.iter().position(|it| it.why == Why::Erased).unwrap();
    let spoils: [fn(&mut weir_monitoring::bundle::ProofLine); 5] = [
        |line| line.seq += 1,
        |line| line.leaf = Hash::of(b"other").to_string(),
        |line| line.event = None,
        |line| line.why = Why::Outside,
        |line| line.time = 1,
    ];
    for spoil in spoils {
        let mut proofs = proofs.clone();
        spoil(&mut proofs[first]);
        handed.put_lines("proof.jsonl", &proofs);
        handed.faults_of_proofs();
    }
    let mut fewer = proofs.clone();
    fewer.remove(first);
    handed.put_lines("proof.jsonl", &fewer);
    let faults = handed.faults_of_proofs();
    assert!(
        faults.iter().any(|what| what.contains("were left out")),
        "{faults:?}"
    );
}

#[test]
fn a_bundle_of_rows_whose_content_has_expired_holds_and_names_it_as_gone_lm_14_lm_36() {
    let lab = Lab::new();
    expire_content(&lab);
    assert!(lab.check().holds(), "{}", lab.check().to_text());
    let handed = Handed::of(&lab, &request(person("ann")));
    handed.holds();
    assert_eq!(handed.asked().counts.rows, 54);
    let redactions = handed.text("redactions.json");
    assert!(
        redactions.contains("is over: it is not there any more"),
        "{redactions}"
    );
}

#[test]
fn content_whose_key_somebody_destroyed_is_no_expired_content_lm_14_lm_31() {
    let lab = Lab::new();
    let folder = lab.path.join("keys/default");
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.display().to_string().contains(".content.") {
            fs::remove_file(path).unwrap();
        }
    }
    let faults = lab.faults();
    assert!(
        faults[0]
            .what
            .contains("no row tells that its time was over"),
        "{faults:#?}"
    );
}

#[test]
fn held_rows_outlive_their_day_provably_and_others_of_it_are_told_as_gone_lm_15_lm_36() {
    let lab = held();
    assert!(lab.check().holds(), "{}", lab.check().to_text());
    let handed = Handed::of(&lab, &request(person("ann")));
    handed.holds();
    let counts = handed.asked().counts;
    assert_eq!((counts.rows, counts.unproved, counts.erased), (54, 0, 0));
    let handed = Handed::of(&lab, &request(person("bob")));
    handed.holds();
    assert!(handed.asked().counts.erased > 0);
}

#[test]
fn a_held_segment_that_somebody_removes_is_named_though_its_day_was_over_lm_15_lm_31() {
    let lab = held();
    let today = lab.files().pop().unwrap();
    let today = today.sealed_name().split('/').next().unwrap().to_owned();
    let is_old = |name: &str| !name.starts_with(&today);
    let file = lab
        .files()
        .into_iter()
        .find(|file| is_old(file.sealed_name()));
    let file = file.unwrap();
    for path in with_sidecars(&file.path) {
        let _ = fs::remove_file(path);
    }
    let faults = lab.faults();
    assert!(
        faults
            .iter()
            .any(|fault| fault.what.contains("this sealed file is not there")),
        "{faults:#?}"
    );
}

#[test]
fn rows_taken_out_under_an_erasure_that_tells_of_fewer_are_named_lm_15_lm_31() {
    let lab = Lab::new();
    erase(&lab, of_event(3));
    let event = |lab: &Lab| {
        let text = fs::read_to_string(&tombstones(lab)[0]).unwrap();
        text.lines()
            .nth(1)
            .unwrap()
            .rsplit(' ')
            .next()
            .unwrap()
            .to_owned()
    };
    let first = event(&lab);
    erase(&lab, of_event(50));
    assert!(lab.check().holds(), "{}", lab.check().to_text());
    // Whoever takes rows out says that an erasure which was in order did.
    let mut altered = 0;
    for path in tombstones(&lab) {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(|line| match line.split_once(" erasure ") {
            Some((rows, _)) => format!("{rows} erasure {first}\n"),
            None => format!("{line}\n"),
        });
        let changed: String = lines.collect();
        altered += usize::from(changed != text);
        fs::write(&path, changed).unwrap();
    }
    assert!(altered > 0);
    let faults = lab.faults();
    assert!(
        faults
            .iter()
            .any(|fault| fault.what.contains("were taken out, and row")),
        "{faults:#?}"
    );
    assert!(
        faults
            .iter()
            .any(|fault| fault.what.contains("and none are")),
        "{faults:#?}"
    );
}

#[test]
fn a_row_taken_out_by_an_erasure_that_came_before_it_is_named_lm_15_lm_31() {
    let lab = Lab::new();
    erase(&lab, of_event(3));
    lab.record(30);
    erase(&lab, of_event(11));
    let files = tombstones(&lab);
    let read = |path: &PathBuf| fs::read_to_string(path).unwrap();
    let event = |text: &str| {
        text.lines()
            .nth(1)
            .unwrap()
            .rsplit(' ')
            .next()
            .unwrap()
            .to_owned()
    };
    let first = event(&read(&files[0]));
    let last = files.last().unwrap();
    let text = read(last);
    fs::write(last, text.replace(&event(&text), &first)).unwrap();
    let faults = lab.faults();
    assert!(
        faults
            .iter()
            .any(|fault| fault.what.contains("came before it")),
        "{faults:#?}"
    );
}

#[test]
fn somebody_with_the_key_cannot_take_a_person_out_of_what_was_sealed_by_naming_it_again_lm_31_lm_36()
 {
    for is_of_times in [true, false] {
        let lab = Lab::new();
        let points = lab.points();
        let last = points.last().unwrap().checkpoint.number;
        let sealed = points.iter().find_map(|it| it.checkpoint.sealed.first());
        let sealed = sealed.unwrap().clone();
        lab.sign_anew(&lab.key(), |checkpoint| {
            if checkpoint.number == last {
                let mut again = sealed.clone();
                match is_of_times {
                    true => again.latest += 1,
                    false => again.users = Hash::of(b"without ann"),
                }
                checkpoint.sealed.push(again);
            }
        });
        let faults = lab.faults();
        assert_eq!(faults[0].place.checkpoint, Some(last), "{faults:#?}");
        assert!(
            faults[0].what.contains("what was sealed never changes"),
            "{faults:#?}"
        );
    }
}

#[test]
fn a_report_that_shows_anything_but_the_rows_is_named_lm_36() {
    let lab = Lab::new();
    let handed = Handed::of(&lab, &request(person("ann")));
    let page = handed.text("report.html");
    for (what, other) in [
        ("host3.example", "casino.example"),
        ("<td>block</td>", "<td>allow</td>"),
        ("54 rows", "55 rows"),
        ("</body>", "<p>The person admitted it.</p></body>"),
    ] {
        let changed = page.replacen(what, other, 1);
        assert_ne!(changed, page, "{what}");
        handed.put("report.html", &changed);
        let faults = handed.faults_of_proofs();
        assert!(
            faults[0].contains("not the page that these rows"),
            "{faults:?}"
        );
    }
}

#[test]
fn what_no_bundle_has_or_is_too_large_is_named_without_being_read_lm_37() {
    let lab = Lab::new();
    let handed = Handed::of(&lab, &request(person("ann")));
    for name in ["rows.csv", "another"] {
        let path = handed.path.join(name);
        let file = fs::File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        file.unwrap().set_len(1 << 40).unwrap();
    }
    let report = handed.check();
    let faults: Vec<&str> = report
        .faults
        .iter()
        .map(|fault| fault.what.as_str())
        .collect();
    assert!(
        faults
            .iter()
            .any(|what| what.contains("larger than any file")),
        "{faults:?}"
    );
    assert!(
        faults
            .iter()
            .any(|what| what.contains("no bundle has such a file") || what.contains("not listed")),
        "{faults:?}"
    );
}
