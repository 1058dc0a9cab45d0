//! LM-14, LM-31: what is removed because its time is over is judged by the time that the log promised, which also whoever has the
//! key cannot shorten unseen.

use std::fs;
use std::time::Duration;

use weir_evidence::{Checkpoint, Entry, Hash, Note, Retention};
use weir_monitoring::{EventIds, Kind, Record, Recorder, RecorderSettings};

use crate::bundle::{Handed, person, request};
use crate::log::Lab;

const DAY: Duration = Duration::from_secs(86_400);
const PATIENCE: Duration = Duration::from_secs(60);

/// Signs a further checkpoint over the same rows, as somebody with the key could; its number.
fn sign_on(lab: &Lab, change: impl FnOnce(&mut Checkpoint)) -> u64 {
    let mut points = lab.points();
    let last = points.last().unwrap();
    let mut checkpoint = Checkpoint {
        number: last.checkpoint.number + 1,
        previous: Some(Hash::of(last.note.text().as_bytes())),
        time: last.checkpoint.time + 1_000_000,
        key: None,
        tag_key: None,
        retention: None,
        kept: Vec::new(),
        sealed: Vec::new(),
        removed: Vec::new(),
        ..last.checkpoint.clone()
    };
    change(&mut checkpoint);
    let number = checkpoint.number;
    points.push(Entry {
        note: Note::sign(checkpoint.to_text(), &[&lab.key()]),
        checkpoint,
        subtrees: Vec::new(),
    });
    lab.put_points(&points);
    number
}

/// The day of the requests; those of recording itself are of today.
fn day(lab: &Lab) -> String {
    let name = lab.file_of(50).sealed_name().to_owned();
    name.split('/').next().unwrap().to_owned()
}

/// Removes everything of a day, without a row.
fn remove(lab: &Lab, day: &str) {
    fs::remove_dir_all(lab.path.join("segments").join(day)).unwrap();
}

const NOTHING: Retention = Retention {
    rows: 0,
    content: 0,
};

#[test]
fn whoever_has_the_key_cannot_remove_a_day_before_the_time_that_was_promised_lm_14_lm_31() {
    // Saying that less is kept while removing is no promise either.
    for retention in [None, Some(NOTHING)] {
        let lab = Lab::new();
        let day = day(&lab);
        remove(&lab, &day);
        let number = sign_on(&lab, |checkpoint| {
            checkpoint.retention = retention;
            checkpoint.removed.push(day.clone());
        });
        let faults = lab.faults();
        assert_eq!(faults.len(), 1, "{faults:#?}");
        assert_eq!(faults[0].place.checkpoint, Some(number));
        let what = &faults[0].what;
        assert!(
            what.contains(&format!("{day} was removed on "))
                && what.contains("checkpoint 1 promises to keep it until ")
                && what.contains("10000 days"),
            "{what}"
        );
    }
}

#[test]
fn a_row_that_was_written_after_a_day_went_does_not_cover_it_lm_14_lm_31() {
    let lab = Lab::new();
    let day = day(&lab);
    remove(&lab, &day);
    let number = sign_on(&lab, |checkpoint| checkpoint.removed.push(day.clone()));
    // Weir goes on, and much later a row is written that would be right by then.
    let recorder = Recorder::start(RecorderSettings::new(&lab.path)).unwrap();
    let mut lane = recorder.lane();
    let late = 4_102_444_800_000_000;
    let mut row = Record::new(Kind::Retention, EventIds::new().next(), late);
    let note = format!("period {day} is removed because its time is over: 1 segments with 9 rows");
    row.note = Some(note.into());
    lane.push(row);
    drop(lane);
    recorder.stop(PATIENCE).unwrap();
    let faults = lab.faults();
    assert!(
        faults
            .iter()
            .any(|fault| fault.place.checkpoint == Some(number)),
        "{faults:#?}"
    );
}

#[test]
fn a_time_that_was_shortened_before_is_lawful_and_told_with_every_day_that_went_for_it_lm_14() {
    let lab = Lab::new();
    let day = day(&lab);
    remove(&lab, &day);
    let number = sign_on(&lab, |checkpoint| checkpoint.retention = Some(NOTHING));
    sign_on(&lab, |checkpoint| checkpoint.removed.push(day.clone()));
    let report = lab.check();
    assert!(report.holds(), "{}", report.to_text());
    let text = report.to_text();
    assert!(
        text.contains(&format!(
            "{day} went earlier than was promised when the rows were written: checkpoint {number} of "
        )),
        "{text}"
    );
    assert!(
        text.contains(&format!("from checkpoint {number} of ")) && text.contains("kept for 0 s")
    );
    assert_eq!(report.logs[0].promises.len(), 2);
    // Kept for longer again at once: what went stays told.
    sign_on(&lab, |checkpoint| {
        checkpoint.retention = Some(Retention {
            rows: 90 * 86_400,
            content: 0,
        });
    });
    assert!(
        lab.check()
            .to_text()
            .contains("went earlier than was promised")
    );
}

#[test]
fn a_longer_time_counts_at_once_lm_14() {
    let lab = Lab::new();
    let day = day(&lab);
    remove(&lab, &day);
    sign_on(&lab, |checkpoint| checkpoint.retention = Some(NOTHING));
    sign_on(&lab, |checkpoint| {
        checkpoint.retention = Some(Retention {
            rows: 20_000 * 86_400,
            content: 0,
        });
    });
    sign_on(&lab, |checkpoint| checkpoint.removed.push(day));
    let faults = lab.faults();
    assert!(faults[0].what.contains("20000 days"), "{faults:#?}");
}

#[test]
fn what_weir_itself_removes_after_its_time_was_shortened_is_signed_first_and_told_lm_14() {
    let lab = Lab::new();
    let settings = RecorderSettings {
        retain: DAY * 2,
        retain_content: DAY,
        ..lab.settings()
    };
    let recorder = Recorder::start(settings.clone()).unwrap();
    assert!(recorder.retain(PATIENCE));
    recorder.stop(PATIENCE).unwrap();
    let report = lab.check();
    let text = report.to_text();
    assert!(report.holds(), "{text}");
    assert!(text.contains("shortened the time to 2 days"), "{text}");
    let promises = &report.logs[0].promises;
    let said: Vec<(u64, u64)> = promises.iter().map(|it| (it.rows, it.content)).collect();
    let day = DAY.as_secs();
    assert_eq!(said, [(10_000 * day, 10_000 * day), (2 * day, day)]);
    // It is said once, not in every checkpoint.
    let recorder = Recorder::start(settings).unwrap();
    recorder.stop(PATIENCE).unwrap();
    assert_eq!(lab.check().logs[0].promises.len(), 2);
}

#[test]
fn content_that_went_before_its_time_is_named_lm_14_lm_31() {
    let lab = Lab::new();
    let recorder = Recorder::start(RecorderSettings {
        retain_content: DAY,
        ..lab.settings()
    });
    let recorder = recorder.unwrap();
    assert!(recorder.retain(PATIENCE));
    recorder.stop(PATIENCE).unwrap();
    let text = lab.check().to_text();
    assert!(
        text.contains("note   the content of ") && text.contains("shortened the time to 1 day"),
        "{text}"
    );
    // Somebody with the key takes back that it was said.
    lab.sign_anew(&lab.key(), |checkpoint| {
        if checkpoint.number > 1 {
            checkpoint.retention = None;
        }
    });
    let faults = lab.faults();
    assert!(
        faults[0].what.starts_with("the content of ") && faults[0].what.contains("went before"),
        "{faults:#?}"
    );
    assert!(faults[0].place.first_row.is_some());
}

#[test]
fn a_bundle_says_that_a_day_went_before_its_time_lm_14_lm_36() {
    let lab = Lab::new();
    let day = day(&lab);
    // The checkpoints of a bundle tell it, whatever of the rows is in it.
    sign_on(&lab, |checkpoint| checkpoint.removed.push(day));
    let handed = Handed::of(&lab, &request(person("ann")));
    let report = handed.check();
    assert!(
        report
            .faults
            .iter()
            .any(|fault| fault.what.contains("it went before its time was over")),
        "{}",
        report.to_text()
    );
}
