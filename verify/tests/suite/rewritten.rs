//! LM-31, LM-32: what somebody who has a key can do. Inside the log it fits; what gives it away is time, the order of keys, or a
//! checkpoint that was kept outside.

use weir_evidence::{Entry, Hash, Note, SealedFile};

use crate::log::{Lab, with_text, with_times};

#[test]
fn a_log_signed_anew_over_the_same_rows_holds_so_the_tool_of_these_tests_is_right() {
    let lab = Lab::new();
    lab.sign_anew(&lab.key(), |_| ());
    let report = lab.check();
    assert!(report.holds(), "{}", report.to_text());
    assert_eq!(report.logs[0].proved, 164);
}

#[test]
fn a_clock_set_back_without_a_row_that_says_so_is_named_lm_32() {
    // The second run is moved to an hour before the first, by somebody with the key.
    let lab = Lab::new();
    let hour = 3_600_000_000;
    let begin = lab
        .points()
        .iter()
        .position(|entry| entry.checkpoint.last == 102);
    let stopped = lab.points()[begin.unwrap()].checkpoint.number;
    for file in lab.files().iter().filter(|file| file.first > 102) {
        lab.alter(file, |rows| with_times(&rows, |time| time - hour));
    }
    lab.sign_anew(&lab.key(), |checkpoint| {
        if checkpoint.last > 102 {
            checkpoint.time -= hour;
        }
    });
    let faults = lab.faults();
    let place = &faults[0].place;
    assert_eq!(place.first_row, Some(103), "{faults:#?} after {stopped}");
    assert!(
        faults[0]
            .what
            .contains("no row tells of a step of the clock")
    );
}

#[test]
fn a_checkpoint_signed_with_a_time_before_the_last_is_named_lm_32() {
    let lab = Lab::new();
    let last = lab.points().last().unwrap().checkpoint.number;
    lab.sign_anew(&lab.key(), |checkpoint| {
        if checkpoint.number == last {
            checkpoint.time -= 3_600_000_000;
        }
    });
    let faults = lab.faults();
    assert_eq!(faults[0].place.checkpoint, Some(last), "{faults:#?}");
}

#[test]
fn old_entries_sealed_again_with_a_newer_key_are_named_lm_31() {
    let lab = Lab::new();
    lab.rotate();
    lab.record(20);
    assert!(lab.check().holds(), "{}", lab.check().to_text());
    let newer = lab.key();
    // From a checkpoint before the rotation on, everything is signed again with the key that is in force now.
    for from in [0, 2] {
        let lab = lab.copy();
        let points = lab.points();
        let again: Vec<Entry> = points
            .iter()
            .enumerate()
            .map(|(at, entry)| Entry {
                note: if at < from {
                    entry.note.clone()
                } else {
                    Note::sign(entry.note.text().to_owned(), &[&newer])
                },
                ..entry.clone()
            })
            .collect();
        lab.put_points(&again);
        let faults = lab.faults();
        let expected = from as u64 + 1;
        assert_eq!(faults[0].place.checkpoint, Some(expected), "{faults:#?}");
        assert!(faults[0].what.contains("not signed by the key in force"));
    }
}

#[test]
fn a_checkpoint_under_a_wrong_key_is_named_lm_31() {
    let lab = Lab::new();
    let wrong = Lab::other().key();
    let mut points = lab.points();
    let last = points.last_mut().unwrap();
    last.note = Note::sign(last.note.text().to_owned(), &[&wrong]);
    let number = last.checkpoint.number;
    lab.put_points(&points);
    assert_eq!(lab.faults()[0].place.checkpoint, Some(number));
}

#[test]
fn a_private_key_that_is_not_the_logs_is_named_lm_31() {
    let (lab, other) = (Lab::new(), Lab::other());
    std::fs::copy(other.log("key"), lab.log("key")).unwrap();
    let faults = lab.faults();
    assert_eq!(faults[0].place.file.as_deref(), Some("log/weir/key"));
}

#[test]
fn rows_edited_and_signed_anew_with_the_key_hold_inside_which_is_why_there_is_an_outside_lm_30() {
    let lab = Lab::new();
    lab.alter(&lab.file_of(50), |rows| with_text(&rows, "user", 50, "eve"));
    lab.sign_anew(&lab.key(), |_| ());
    let report = lab.check();
    assert!(report.holds(), "{}", report.to_text());
    assert!(
        report
            .to_text()
            .contains("written anew by whoever has the key")
    );
}

#[test]
fn a_number_of_rows_or_a_span_of_time_that_a_checkpoint_says_wrongly_is_named_lm_36() {
    for change in [
        |sealed: &mut SealedFile| sealed.rows += 1,
        |sealed: &mut SealedFile| sealed.latest -= 1,
        |sealed: &mut SealedFile| sealed.earliest += 1,
        |sealed: &mut SealedFile| sealed.entries -= 1,
        |sealed: &mut SealedFile| sealed.users = Hash::of(b"other"),
    ] {
        let lab = Lab::new();
        let file = lab.file_of(50);
        lab.sign_anew(&lab.key(), |checkpoint| {
            let mut sealed = checkpoint.sealed.iter_mut();
            sealed
                .find(|sealed| sealed.path == file.sealed_name())
                .into_iter()
                .for_each(change);
        });
        let faults = lab.faults();
        let shown = Some(file.shown.as_str());
        assert_eq!(faults[0].place.file.as_deref(), shown, "{faults:#?}");
        assert!(faults[0].what.contains("says of it"), "{faults:#?}");
    }
}
