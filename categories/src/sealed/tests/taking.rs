//! Which list is taken in place of the one in force.

use super::*;

#[test]
fn af_01_what_is_no_list_is_refused_with_an_alarm_and_the_list_in_force_stays() {
    let (directory, _) = sealed("bad.example\nworse.example\n");
    let faulty = format!("{}not a name at all\nnor/this\\one?\n", text(&names(30)));
    let table = [
        ("", "no entry"),
        ("# nothing\n\n", "no entry"),
        ("bad.example\n\0worse.example\n", "NUL"),
        ("<!DOCTYPE html><html>\nbad.example\n", "HTML"),
        ("\u{feff}\n <html>\nbad.example\n", "HTML"),
        ("bad.example\nworse.example", "does not end"),
        (&faulty, "lines 31, 32"),
        ("bad.example\nworse.example\nco.uk\n", "line 3"),
        ("google.com\nbad.example\nworse.example\n", "line 1"),
        ("bad.example\n10.0.0.0/8\n", "line 2"),
        ("bad.example\nsite.example/#part\n", "line 2"),
        ("bad.example\ncom\n", "line 2"),
        ("bad.example\n*.worse.example\n", "line 2"),
    ];
    for (text, why) in table {
        let error = fill(directory.path(), text, NOW + 60)
            .unwrap_err()
            .to_string();
        assert!(error.contains(why), "{text:?}: {error}");
        assert!(
            !error.contains("example") && !error.contains("google"),
            "{error}"
        );
        let after = loaded(directory.path(), None);
        assert!(
            hits(&after, "bad.example") && hits(&after, "worse.example"),
            "{text:?}"
        );
        let state = after.slots().next().unwrap();
        assert_eq!(state.refused.as_ref().unwrap().at, NOW + 60);
        assert_eq!(state.protection(NOW), Protection::Alarmed, "{text:?}");
    }
    let mixed = format!("{}bad.example\nworse.example\nno name\n", text(&names(30)));
    let filled = fill(directory.path(), &mixed, NOW + 120).unwrap();
    assert_eq!(
        (filled.faults, filled.faulty_lines, filled.lines),
        (1, vec![33], 33)
    );
    let state = loaded(directory.path(), None);
    assert_eq!(
        state.slots().next().unwrap().refused,
        None,
        "the alarm ends"
    );
}

#[test]
fn af_01_a_list_that_lost_more_than_a_fifth_is_refused_and_small_losses_of_one_day_add_up() {
    let all = names(100);
    let (directory, _) = sealed(&text(&all));
    let path = directory.path();
    assert!(matches!(
        fill(path, &text(&all[..79]), NOW + 60),
        Err(FillError::Shrunk { entries: 79, .. })
    ));
    let filled = fill(path, &text(&all[..90]), NOW + 60).unwrap();
    assert_eq!(filled.entries, 90);
    assert!(
        !hits(&loaded(path, None), &all[95]),
        "what a publisher takes back is open at once"
    );
    fill(path, &text(&all[..80]), NOW + 120).unwrap();
    for step in 1..20 {
        assert!(fill(path, &text(&all[..79]), NOW + 120 + step).is_err());
    }
    // Nor by others in their place.
    let others: Vec<String> = all[30..80]
        .iter()
        .cloned()
        .chain((0..60).map(|n| format!("new-{n}.example")))
        .collect();
    assert!(fill(path, &text(&others), NOW + 200).is_err());
}

#[test]
fn af_01_padding_a_list_does_not_open_what_has_been_there_for_a_week() {
    let all = names(100);
    let (directory, _) = sealed(&text(&all));
    let padding: Vec<String> = (0..2000).map(|n| format!("pad-{n}.example")).collect();
    let padded: Vec<String> = all.iter().chain(&padding).cloned().collect();
    let later = NOW + 8 * DAY;
    fill(directory.path(), &text(&padded), later).unwrap();
    let gone: Vec<String> = padded[50..].to_vec();
    assert!(matches!(
        fill(directory.path(), &text(&gone), later + 60),
        Err(FillError::Shrunk { .. })
    ));
    assert!(hits(&loaded(directory.path(), None), &all[0]));
}

#[test]
fn a_list_whose_entries_change_a_tenth_a_day_goes_on_and_so_does_one_after_the_holidays() {
    let directory = tempfile::tempdir().unwrap();
    let of_day = |day: usize| -> Vec<String> {
        (day * 10..day * 10 + 100)
            .map(|number| format!("day-{number}.example"))
            .collect()
    };
    for day in 0..30_u64 {
        fill(
            directory.path(),
            &text(&of_day(day as usize)),
            NOW + day * DAY,
        )
        .unwrap();
    }
    let after = of_day(60);
    fill(directory.path(), &text(&after), NOW + 45 * DAY).unwrap();
    assert!(hits(&loaded(directory.path(), None), &after[0]));
}

#[test]
fn a_list_that_really_became_smaller_is_taken_after_a_week_of_alarm_and_not_by_planting_one() {
    let all = names(100);
    let (directory, _) = sealed(&text(&all));
    let path = directory.path();
    let small = text(&all[..40]);
    let Err(FillError::Shrunk { from, .. }) = fill(path, &small, NOW) else {
        panic!("it was taken");
    };
    assert_eq!(from, NOW + 7 * DAY);
    // The usual list comes in between: the smaller one was an accident, or planted.
    fill(path, &text(&all), NOW + DAY).unwrap();
    assert!(fill(path, &small, NOW + 7 * DAY).is_err());
    assert!(fill(path, &small, NOW + 13 * DAY).is_err());
    assert!(
        fill(path, &text(&all[..10]), NOW + 14 * DAY).is_err(),
        "another size begins anew"
    );
    assert!(fill(path, &small, NOW + 15 * DAY).is_err());
    let state = loaded(path, None);
    assert!(hits(&state, &all[99]));
    fill(path, &small, NOW + 23 * DAY).unwrap();
    let after = loaded(path, None);
    assert!(hits(&after, &all[0]) && !hits(&after, &all[99]));
    // And the next day's is measured by it.
    fill(path, &small, NOW + 24 * DAY).unwrap();
}

#[test]
fn a_lost_key_makes_the_slot_unprotected_and_a_new_list_is_measured_by_the_number_before() {
    let all = names(100);
    let (directory, _) = sealed(&text(&all));
    fs::remove_file(directory.path().join("key")).unwrap();
    assert!(fill(directory.path(), &text(&all[..50]), NOW + 60).is_err());
    fill(directory.path(), &text(&all), NOW + 120).unwrap();
    let after = loaded(directory.path(), None);
    assert!(hits(&after, &all[0]));
    assert_eq!(
        after.slots().next().unwrap().protection(NOW + 120),
        Protection::Protected
    );
}

#[test]
fn af_01_padding_lifts_nothing_in_a_lists_first_week_in_any_number_of_steps() {
    let listed = names(5);
    let junk: Vec<String> = (0..60).map(|n| format!("pad-{n}.example")).collect();
    let with = |count: usize| -> Vec<String> { [&listed[..], &junk[..count]].concat() };
    for steps in 1..=3_usize {
        let (directory, _) = sealed(&text(&listed));
        let path = directory.path();
        for step in 1..=steps {
            fill(path, &text(&with(20 * step)), NOW + 60 * step as u64).unwrap();
        }
        for later in [3600, DAY + 300, 2 * DAY] {
            let without = text(&junk[..20 * steps]);
            let refused = fill(path, &without, NOW + later);
            assert!(
                matches!(refused, Err(FillError::Shrunk { .. })),
                "{steps} steps, {later}"
            );
        }
        assert!(hits(&loaded(path, None), &listed[0]), "{steps} steps");
    }
}

#[test]
fn af_03_sealing_guesses_tells_not_how_many_of_them_are_listed() {
    let all = names(100);
    let (directory, _) = sealed(&text(&all));
    let told = |guesses: &[String]| {
        fill(directory.path(), &text(guesses), NOW + 60)
            .unwrap_err()
            .to_string()
    };
    let strangers: Vec<String> = (0..10).map(|n| format!("other-{n}.example")).collect();
    let half = [&all[..5], &strangers[..5]].concat();
    assert_eq!(told(&strangers), told(&half));
    assert_eq!(told(&half), told(&all[..10]));
}
