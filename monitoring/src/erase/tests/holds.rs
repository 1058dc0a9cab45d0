//! What a case holds stays, whoever asks and whatever time is over; what none holds goes (LM-14, LM-15).

use super::*;

#[test]
fn a_held_row_is_not_erased_by_whoever_asks_and_the_case_is_named_lm_15() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 0, 60);
    serve(directory.path(), &hold("ann", "H-7")).unwrap();
    let held = holds(&store(directory.path())).unwrap();
    assert_eq!((held.len(), held[0].grounds.case.as_str()), (1, "H-7"));
    let refused = serve(directory.path(), &erase("ann")).unwrap_err();
    assert!(refused.contains("held by case H-7"), "{refused}");
    assert_eq!(count(directory.path(), "ann"), 20);
    assert_eq!(serve(directory.path(), &erase("bob")).unwrap().count, 20);
    assert!(
        serve(directory.path(), &release("H-8"))
            .unwrap_err()
            .contains("no hold of case H-8")
    );
    assert_eq!(serve(directory.path(), &release("H-7")).unwrap().count, 1);
    assert_eq!(serve(directory.path(), &erase("ann")).unwrap().count, 20);
    let rows = rows_of(directory.path(), &Query::default());
    for (kind, words) in [
        (Kind::Hold, "case H-7 holds"),
        (Kind::Release, "case H-7 holds nothing"),
    ] {
        let told = of_kind(&rows, kind);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].note.starts_with(words) && told[0].note.contains("role DPO"),
            "{}",
            told[0].note
        );
    }
    assert_eq!(log_holds(directory.path()).erased, 40);
}

#[test]
fn what_is_held_survives_the_end_of_its_time_and_nothing_else_does_lm_15() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 100, 130);
    record(directory.path(), 1, 30);
    serve_without_retention(directory.path(), &hold("ann", "H-1"));
    let before = count(directory.path(), "ann");
    // Ninety days are over for the first.
    let recorder = Recorder::start(own(directory.path())).unwrap();
    assert!(recorder.retain(PATIENCE));
    stop(&recorder);
    assert_eq!(count(directory.path(), "ann"), before);
    assert_eq!(count(directory.path(), "bob"), 10, "those of yesterday");
    let all = everything(directory.path());
    assert!(says(&all, "of-ann.example"));
    let log = log_holds(directory.path());
    assert!(log.erased > 80, "{log:?}");
    // Looking again changes nothing and tells nothing.
    let told = rows_of(directory.path(), &Query::default());
    let told = of_kind(&told, Kind::Retention).len();
    let recorder = Recorder::start(own(directory.path())).unwrap();
    assert!(recorder.retain(PATIENCE));
    stop(&recorder);
    let rows = rows_of(directory.path(), &Query::default());
    assert_eq!(of_kind(&rows, Kind::Retention).len(), told);
    // Once it is released it goes as a whole.
    assert_eq!(serve(directory.path(), &release("H-1")).unwrap().count, 1);
    let recorder = Recorder::start(own(directory.path())).unwrap();
    assert!(recorder.retain(PATIENCE));
    stop(&recorder);
    assert_eq!(count(directory.path(), "ann"), 10);
    log_holds(directory.path());
}

#[test]
fn content_goes_after_its_own_time_events_stay_and_the_log_holds_lm_14() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 40, 90);
    record(directory.path(), 1, 30);
    assert_eq!(
        (
            count(directory.path(), "ann"),
            paths_of(directory.path(), "ann")
        ),
        (40, 14)
    );
    expire_content(directory.path());
    assert_eq!(
        (
            count(directory.path(), "ann"),
            paths_of(directory.path(), "ann")
        ),
        (40, 4)
    );
    let log = log_holds(directory.path());
    assert_eq!(log.expired, 30);
    let rows = rows_of(directory.path(), &Query::default());
    let told = of_kind(&rows, Kind::Retention);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].note.contains("30 rows had some"),
        "{}",
        told[0].note
    );
    // A search for words in a path finds what is left, and names nothing as unreadable.
    let query = Query {
        text: Some("/path/of/ann".to_owned()),
        ..Query::default()
    };
    assert_eq!(rows_of(directory.path(), &query).len(), 4);
    // And once more changes nothing.
    expire_content(directory.path());
    assert_eq!(log_holds(directory.path()).expired, 30);
    // Erasing around it holds too.
    assert_eq!(serve(directory.path(), &erase("bob")).unwrap().count, 40);
    assert_eq!(log_holds(directory.path()).erased, 40);
}

#[test]
fn held_content_outlives_its_time_and_unheld_goes_lm_15() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 40, 90);
    serve_without_retention(directory.path(), &hold("cal", "H-3"));
    expire_content(directory.path());
    assert_eq!(
        (
            paths_of(directory.path(), "cal"),
            paths_of(directory.path(), "ann")
        ),
        (10, 0)
    );
    assert_eq!(count(directory.path(), "ann"), 30);
    let all = everything(directory.path());
    assert!(says(&all, "/path/of/cal") && !says(&all, "/path/of/ann"));
    assert_eq!(log_holds(directory.path()).expired, 20);
    expire_content(directory.path());
    let rows = rows_of(directory.path(), &Query::default());
    assert_eq!(of_kind(&rows, Kind::Retention).len(), 1);
}

#[test]
fn whatever_is_held_and_erased_held_rows_stay_erased_ones_are_gone_and_the_log_holds_lm_15() {
    let users = ["ann", "bob", "cal", "dan", "eva"];
    let mut dice = Dice::new(99);
    for _ in 0..6 {
        let directory = tempfile::tempdir().unwrap();
        let (mut held, mut erased) = (BTreeSet::new(), BTreeSet::new());
        let mut expected: Vec<usize> = vec![0; users.len()];
        let mut number = 0;
        let mut gone = 0;
        for _ in 0..4 {
            let recorder = Recorder::start(own(directory.path())).unwrap();
            let mut lane = recorder.lane();
            for _ in 0..20 + dice.below(60) {
                let user = dice.below(5) as usize;
                lane.push(row(users[user], number, clock::now()));
                (expected[user], number) = (expected[user] + 1, number + 1);
            }
            drop(lane);
            let user = dice.below(5) as usize;
            let case = format!("H-{user}");
            if dice.chance(40) {
                recorder.serve(&hold(users[user], &case), PATIENCE).unwrap();
                held.insert(user);
            } else if held.contains(&user) && dice.chance(50) {
                recorder.serve(&release(&case), PATIENCE).unwrap();
                held.remove(&user);
            }
            let user = dice.below(5) as usize;
            wait_until(&recorder, "written", |health| health.queued == 0);
            let done = recorder.serve(&erase(users[user]), PATIENCE);
            if held.contains(&user) && expected[user] > 0 {
                assert!(done.unwrap_err().contains(&format!("H-{user}")));
            } else {
                assert_eq!(done.unwrap().count as usize, expected[user]);
                gone += expected[user] as u64;
                expected[user] = 0;
                erased.insert(user);
            }
            stop(&recorder);
        }
        let all = everything(directory.path());
        for (user, count_of) in users.iter().zip(&expected) {
            assert_eq!(count(directory.path(), user), *count_of, "{user}");
            assert_eq!(
                says(&all, &format!("of-{user}.example")),
                *count_of > 0,
                "{user}"
            );
        }
        assert_eq!(log_holds(directory.path()).erased, gone);
        let rows = rows_of(directory.path(), &Query::default());
        let told: u64 = of_kind(&rows, Kind::Erasure)
            .iter()
            .map(|row| row.note.split(' ').next().unwrap().parse::<u64>().unwrap())
            .sum();
        assert_eq!(told, gone);
    }
}

#[test]
fn holds_and_waiting_erasures_follow_a_new_key_encryption_key_lm_16() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 0, 30);
    serve(directory.path(), &hold("ann", "H-9")).unwrap();
    crate::rekey(directory.path(), &kek(directory.path()), None).unwrap();
    assert_eq!(holds(&store(directory.path())).unwrap().len(), 1);
    assert!(
        serve(directory.path(), &erase("ann"))
            .unwrap_err()
            .contains("H-9")
    );
    let all = std::fs::read_dir(directory.path().join("holds")).unwrap();
    for file in all {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!says(&bytes, "ann") && bytes.starts_with(b"weir-wrapped-1"));
    }
}
