//! LM-31: what somebody with the disk, but without the key, can do to a log. Each is found, and at the right place.

use std::fs;

use weir_verify::Fault;

use crate::log::{Lab, numbers, picked, place_of, renumbered, with_sidecars, with_text};

/// The faults that name exactly these rows.
fn naming(faults: &[Fault], first: u64, last: u64) -> Vec<&Fault> {
    let rows = (Some(first), Some(last));
    faults
        .iter()
        .filter(|fault| (fault.place.first_row, fault.place.last_row) == rows)
        .collect()
}

/// A fault with these words names exactly these rows.
#[track_caller]
fn assert_names(faults: &[Fault], first: u64, last: u64, words: &str) {
    let named = naming(faults, first, last);
    assert!(
        named.iter().any(|fault| fault.what.contains(words)),
        "no {words:?} for rows {first} to {last} in {faults:#?}"
    );
}

#[test]
fn what_nobody_touched_holds_and_says_what_it_cannot_prove_lm_31() {
    let report = Lab::new().check();
    assert!(report.holds(), "{}", report.to_text());
    let log = &report.logs[0];
    assert_eq!(
        (log.proved, log.after, log.before, log.removed),
        (164, 0, 0, 0)
    );
    assert_eq!((log.starts, log.stops, log.gaps), (2, 2, 0));
    let text = report.to_text();
    assert!(
        text.contains("no checkpoint from outside was given"),
        "{text}"
    );
    assert!(text.contains("no key from outside was given"), "{text}");
}

#[test]
fn an_edited_row_is_named_lm_31() {
    for seq in [2, 33, 57, 103, 120, 163] {
        let lab = Lab::new();
        let file = lab.file_of(seq);
        lab.alter(&file, |rows| with_text(&rows, "user", seq, "eve"));
        let faults = lab.faults();
        let first = &faults[0];
        assert_eq!(first.place.file.as_deref(), Some(file.shown.as_str()));
        assert!(first.what.contains("is not the one that was sealed"));
        let altered = faults
            .iter()
            .find(|fault| fault.what.contains("not what was signed"));
        let place = &altered.unwrap().place;
        assert_eq!(
            (place.first_row, place.last_row),
            (Some(seq), Some(seq)),
            "{faults:#?}"
        );
    }
}

#[test]
fn an_edit_of_any_field_is_seen_lm_31() {
    for (column, text) in [
        ("node", "other"),
        ("kind", "refusal"),
        ("groups", "staff"),
        ("client", "10.0.0.1"),
        ("host", "harmless.example"),
        ("path", "/good/page"),
        ("verdict", "warn"),
        ("rule", "another"),
        ("policy_version", "1"),
        ("end", "client_gone"),
        ("note", "never was"),
    ] {
        let lab = Lab::new();
        lab.alter(&lab.file_of(50), |rows| with_text(&rows, column, 50, text));
        let faults = lab.faults();
        let is_seen = faults
            .iter()
            .any(|fault| fault.what.contains("not what was signed"));
        assert!(is_seen, "{column}: {faults:#?}");
    }
}

#[test]
fn an_inserted_row_is_named_lm_31() {
    let lab = Lab::new();
    let file = lab.file_of(50);
    let last = file.last.unwrap();
    // The rows behind the new one move up by a number, into that of the next file.
    lab.alter(&file, |rows| {
        let copy = place_of(&rows, 50);
        let moved = renumbered(&rows, |seq| if seq >= 50 { seq + 1 } else { seq });
        let mut places: Vec<usize> = (0..rows.num_rows()).collect();
        places.push(copy);
        let all = picked(&moved, &places);
        let count = std::cell::Cell::new(0);
        renumbered(&all, |seq| {
            count.set(count.get() + usize::from(seq == 51));
            if seq == 51 && count.get() == 2 {
                50
            } else {
                seq
            }
        })
    });
    let faults = lab.faults();
    assert_names(&faults, file.first, last, "its name says other rows");
    assert_names(&faults, last + 1, last + 1, "stands twice");
    let altered = faults
        .iter()
        .find(|fault| fault.what.contains("not what was signed"));
    // The row that was put in has the number and the fields of the one that was there.
    assert_eq!(altered.unwrap().place.first_row, Some(51), "{faults:#?}");
}

#[test]
fn a_deleted_row_is_named_lm_31() {
    for seq in [50, 2, 164] {
        let lab = Lab::new();
        lab.alter(&lab.file_of(seq), |rows| {
            let gone = place_of(&rows, seq);
            let places: Vec<usize> = (0..rows.num_rows()).filter(|at| *at != gone).collect();
            picked(&rows, &places)
        });
        assert_names(&lab.faults(), seq, seq, "these rows are missing");
    }
}

#[test]
fn rows_that_changed_places_are_named_lm_31() {
    let lab = Lab::new();
    lab.alter(&lab.file_of(50), |rows| {
        renumbered(&rows, |seq| match seq {
            50 => 53,
            53 => 50,
            other => other,
        })
    });
    let faults = lab.faults();
    for seq in [50, 53] {
        assert_names(&faults, seq, seq, "not what was signed");
    }
}

#[test]
fn a_row_that_stands_twice_is_named_lm_31() {
    let lab = Lab::new();
    lab.alter(&lab.file_of(50), |rows| {
        let mut places: Vec<usize> = (0..rows.num_rows()).collect();
        places.push(place_of(&rows, 50));
        picked(&rows, &places)
    });
    assert_names(&lab.faults(), 50, 50, "stands twice");
}

#[test]
fn a_segment_of_another_log_is_named_lm_31() {
    let (lab, other) = (Lab::new(), Lab::other());
    let file = lab.file_of(50);
    let theirs = other.file_of(50);
    // Cuts of journals depend on when rows came, so only the same rows can stand in.
    let pairs = with_sidecars(&theirs.path);
    for (from, to) in pairs.iter().zip(with_sidecars(&file.path)) {
        fs::copy(from, to).unwrap();
    }
    let faults = lab.faults();
    assert_names(
        &faults,
        file.first,
        file.last.unwrap(),
        "not the one that was sealed",
    );
    // It is encrypted under keys that are not there.
    assert!(
        faults
            .iter()
            .any(|fault| fault.what.contains("cannot be read"))
    );
}

#[test]
fn a_log_cut_off_at_its_end_is_named_lm_31() {
    let lab = Lab::new();
    let file = lab.files().pop().unwrap();
    lab.remove(&file);
    assert_names(
        &lab.faults(),
        file.first,
        file.last.unwrap(),
        "is not there",
    );
}

#[test]
fn a_segment_missing_in_the_middle_or_at_the_beginning_is_named_lm_31() {
    for seq in [1, 50] {
        let lab = Lab::new();
        let file = lab.file_of(seq);
        lab.remove(&file);
        assert_names(
            &lab.faults(),
            file.first,
            file.last.unwrap(),
            "is not there",
        );
    }
}

#[test]
fn a_log_cut_off_and_then_continued_is_named_lm_31() {
    let lab = Lab::new();
    let file = lab.files().pop().unwrap();
    lab.remove(&file);
    lab.record(30);
    assert_names(
        &lab.faults(),
        file.first,
        file.last.unwrap(),
        "is not there",
    );
    // Not even the recorder takes the numbers again.
    let rows: Vec<u64> = lab
        .files()
        .iter()
        .flat_map(|file| file.rows(&lab.store()).unwrap().rows)
        .map(|row| row.seq)
        .collect();
    assert!(
        rows.iter()
            .all(|seq| *seq < file.first || *seq > file.last.unwrap())
    );
}

#[test]
fn checkpoints_cut_off_and_then_continued_are_named_lm_31() {
    let lab = Lab::new();
    let points = lab.points();
    let kept = &points[..points.len() - 2];
    let latest = fs::read(lab.log("latest")).unwrap();
    lab.put_points(kept);
    fs::write(lab.log("latest"), latest).unwrap();
    let faults = lab.faults();
    assert!(
        faults[0].what.contains("later ones were deleted"),
        "{faults:#?}"
    );
    lab.record(5);
    let faults = lab.faults();
    assert!(faults[0].what.contains("was set aside"), "{faults:#?}");
}

#[test]
fn a_deleted_checkpoint_is_named_lm_31() {
    let count = Lab::new().points().len();
    assert!(count >= 4);
    for gone in 0..count {
        let lab = Lab::new();
        let mut points = lab.points();
        points.remove(gone);
        lab.put_points(&points);
        let faults = lab.faults();
        let number = gone as u64 + 1;
        if gone + 1 < count {
            let first = &faults[0];
            assert_eq!(first.place.checkpoint, Some(number), "{faults:#?}");
        } else {
            // The last one, and `latest` made to fit: the stop is there, but not what belongs to it.
            assert_eq!(faults[0].place.checkpoint, Some(number), "{faults:#?}");
            assert!(
                faults[0]
                    .what
                    .contains("the checkpoint that belongs to it is not there")
            );
        }
    }
}

#[test]
fn a_checkpoint_that_was_altered_is_named_lm_31() {
    let lab = Lab::new();
    let text = fs::read_to_string(lab.log("checkpoints")).unwrap();
    let later =
        text.replacen("every 600\n", "every 601\n", 2)
            .replacen("every 601\n", "every 600\n", 1);
    assert_ne!(text, later);
    fs::write(lab.log("checkpoints"), later).unwrap();
    let faults = lab.faults();
    assert_eq!(faults[0].place.checkpoint, Some(2), "{faults:#?}");
    assert!(faults[0].what.contains("not signed by the key in force"));
}

#[test]
fn an_unsealed_file_proves_nothing_lm_31() {
    // A file without secret in the place of one that had it.
    let lab = Lab::new();
    let file = lab.file_of(50);
    fs::remove_file(file.path.with_extension("secret")).unwrap();
    let faults = lab.faults();
    assert_names(&faults, file.first, file.last.unwrap(), "an unsealed file");
    // Rows put behind the end of a log that was stopped: as a segment with everything beside it.
    let lab = Lab::new();
    let last = lab.files().pop().unwrap();
    let next = last.last.unwrap() + 1;
    let rows = last.last.unwrap() - last.first;
    let name = format!("weir-{next:012}-{:012}.parquet", next + rows);
    let forged = last.path.with_file_name(name);
    for (from, to) in with_sidecars(&last.path).iter().zip(with_sidecars(&forged)) {
        fs::copy(from, to).unwrap();
    }
    let file = lab.files().pop().unwrap();
    assert_eq!(file.path, forged);
    lab.alter(&file, |rows| {
        let first = *numbers(&rows).iter().min().unwrap();
        renumbered(&rows, |seq| seq - first + next)
    });
    let faults = lab.faults();
    assert_names(
        &faults,
        next,
        next + rows,
        "no checkpoint names this sealed file",
    );
    // And as a journal, which has no name in the log: it follows the stop without a start.
    let journal = lab.path.join("journal");
    fs::create_dir_all(&journal).unwrap();
    lab.remove(&file);
    fs::write(journal.join(format!("weir-{next:012}.arrows")), "forged").unwrap();
    assert!(!lab.check().holds());
}

#[test]
fn a_log_without_checkpoints_proves_nothing_lm_31() {
    let lab = Lab::new();
    fs::remove_dir_all(lab.log("")).unwrap();
    let faults = lab.faults();
    assert!(
        faults[0].what.contains("nothing proves these records"),
        "{faults:#?}"
    );
}

#[test]
fn altered_hints_are_named_and_harm_nothing_else_lm_31() {
    let lab = Lab::new();
    let file = lab.file_of(50);
    let path = file.path.with_extension("hints");
    let mut hints = fs::read(&path).unwrap();
    hints[2 * (50 - file.first) as usize + 1] ^= 1;
    fs::write(path, hints).unwrap();
    let report = lab.check();
    assert_names(&report.faults, 50, 50, "the row itself is what was signed");
    assert_eq!((report.faults.len(), report.logs[0].proved), (1, 164));
}

#[test]
fn altered_users_are_named_and_so_are_users_that_are_gone_lm_36() {
    for alter in [
        |users: &mut Vec<u8>| users[16 + 7] += 1,
        |users: &mut Vec<u8>| users[71] ^= 1,
        // The whole entry of one person.
        |users: &mut Vec<u8>| drop(users.drain(72..144)),
    ] {
        let lab = Lab::new();
        let file = lab.file_of(50);
        let path = file.path.with_extension("users");
        let mut users = fs::read(&path).unwrap();
        alter(&mut users);
        fs::write(path, users).unwrap();
        let faults = lab.faults();
        let last = file.last.unwrap();
        assert_names(&faults, file.first, last, "not those of its rows");
        assert_names(&faults, file.first, last, "says of it");
    }
    let lab = Lab::new();
    let file = lab.file_of(50);
    fs::remove_file(file.path.with_extension("users")).unwrap();
    let faults = lab.faults();
    assert_names(
        &faults,
        file.first,
        file.last.unwrap(),
        "its users are gone",
    );
}

#[test]
fn a_copy_without_any_key_is_checked_whole_and_says_what_it_takes_from_the_log_lm_37() {
    let lab = Lab::new();
    fs::remove_file(lab.log("key")).unwrap();
    fs::remove_file(lab.log("tag-key")).unwrap();
    let report = lab.check();
    assert!(report.holds(), "{}", report.to_text());
    assert_eq!(report.logs[0].proved, 164);
    assert!(report.to_text().contains("tag-key is not there"));
    // Also then no row can change its person.
    lab.alter(&lab.file_of(50), |rows| with_text(&rows, "user", 50, "bob"));
    assert!(!lab.check().holds());
}

#[test]
fn the_tag_key_of_another_log_is_named_lm_31() {
    let (lab, other) = (Lab::new(), Lab::other());
    fs::copy(other.log("tag-key"), lab.log("tag-key")).unwrap();
    let faults = lab.faults();
    assert_eq!(faults[0].place.file.as_deref(), Some("log/weir/tag-key"));
}
