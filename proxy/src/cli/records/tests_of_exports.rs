//! Exports: what is written, over what, for whom, and what lies beside it.

#![allow(clippy::unwrap_used)]

use std::fs;

use weir_monitoring::Kind;

use super::tests::{recorded, records, said};
use super::*;

#[test]
fn an_empty_export_says_whether_the_person_is_known_at_all() {
    let (directory, loaded) = recorded();
    let remarks = |user: &str, from: &str| {
        let path = directory.path().join(format!("{user}.csv"));
        let file = path.to_str().unwrap();
        let line = [
            "export",
            "--purpose",
            "facts",
            "--case",
            "C-1",
            "--user",
            user,
            "--from",
            from,
            "--output",
            file,
        ];
        let text = said(&line, &loaded);
        assert!(text.starts_with("Exported 0 rows"), "{text}");
        let statement = fs::read_to_string(format!("{file}.statement.json")).unwrap();
        let statement: serde_json::Value = serde_json::from_str(&statement).unwrap();
        statement["remarks"].to_string()
    };
    let unknown = remarks("ana", "2026-01-01");
    assert!(
        unknown.contains("no user of that name is known"),
        "{unknown}"
    );
    assert_eq!(remarks("Anna", "2030-01-01"), "null");
}

#[test]
fn an_export_writes_over_nothing_by_itself_and_never_over_what_is_no_file() {
    let (directory, loaded) = recorded();
    let export = |path: &std::path::Path, force: bool| {
        let mut line = vec!["export", "--purpose", "facts", "--output"];
        line.push(path.to_str().unwrap());
        line.extend(force.then_some("--force"));
        records(&line).unwrap().run(&loaded, &mut Vec::new())
    };
    let path = directory.path().join("evidence.csv");
    fs::write(&path, "of another case").unwrap();
    assert!(matches!(export(&path, false), Err(Failure::Arguments(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), "of another case");
    export(&path, true).unwrap();
    assert!(fs::read_to_string(&path).unwrap().contains("a.example"));
    // What an export is written to first is a file of its own, whatever somebody has put there before.
    let theirs = directory.path().join("theirs");
    fs::write(&theirs, "of somebody else").unwrap();
    let part = directory.path().join("other.csv.part");
    std::os::unix::fs::symlink(&theirs, &part).unwrap();
    export(&directory.path().join("other.csv"), false).unwrap();
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "of somebody else");
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for force in [false, true] {
        assert!(matches!(export(&link, force), Err(Failure::Arguments(_))));
        let refused = export(directory.path(), force);
        assert!(matches!(refused, Err(Failure::Arguments(_))));
    }
    assert!(link.is_symlink());
}

#[test]
fn an_export_comes_with_its_statement_and_only_for_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, loaded) = recorded();
    let path = directory.path().join("anna.jsonl");
    let file = path.to_str().unwrap();
    let line = [
        "export",
        "--purpose",
        "unauthorised-use",
        "--case",
        "C-1",
        "--user",
        "anna",
        "--format",
        "jsonl",
        "--output",
        file,
    ];
    let text = said(&line, &loaded);
    assert!(
        text.starts_with("Exported 2 rows for unauthorised-use"),
        "{text}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    let statement = fs::read_to_string(format!("{file}.statement.json")).unwrap();
    let statement: serde_json::Value = serde_json::from_str(&statement).unwrap();
    assert_eq!(
        (&statement["rows"], &statement["purpose"]),
        (&2.into(), &"unauthorised-use".into())
    );
    for name in ["anna.jsonl", "anna.jsonl.statement.json"] {
        let mode = fs::metadata(directory.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
    assert!(!directory.path().join("anna.jsonl.part").exists());
}

#[test]
fn no_export_takes_an_address_of_a_mandatory_list_along_in_its_query_lm_28() {
    let (directory, loaded) = recorded();
    let settings = &loaded.settings;
    let slot = crate::sealed::slot(&settings.mandatory[0]);
    let place = weir_config::lists::sealed(settings);
    let now = crate::sealed::now();
    let list = b"zealous.test\n";
    let fill = weir_categories::sealed::Fill::prepare(&place, &slot, list, None, now).unwrap();
    fill.commit().unwrap();
    let (file, bundle) = (directory.path().join("z.csv"), directory.path().join("z"));
    for target in [
        ["--output", file.to_str().unwrap()],
        ["--bundle", bundle.to_str().unwrap()],
    ] {
        for filter in [
            ["--host", "www.zealous.test"],
            ["--text", "at ZEALOUS.test"],
        ] {
            let line = ["export", "--purpose", "facts", "--case", "C-1"];
            let line = [&line[..], &target, &filter].concat();
            let failure = records(&line)
                .unwrap()
                .run(&loaded, &mut Vec::new())
                .unwrap_err();
            let told = failure.to_string();
            assert!(matches!(failure, Failure::Arguments(_)), "{told}");
            assert!(
                told.starts_with(filter[0]) && !told.contains("zealous"),
                "{told}"
            );
        }
    }
    assert!(!file.exists() && !bundle.exists());
    let reads = super::tests::reads(&loaded);
    assert_eq!(
        reads.len(),
        8,
        "each is asked for and refused in a row: {reads:?}"
    );
    assert!(
        !format!("{reads:?}").to_lowercase().contains("zealous"),
        "{reads:?}"
    );
}

#[test]
fn an_export_without_a_file_goes_to_the_output_but_not_as_parquet() {
    let (_directory, loaded) = recorded();
    let line = [
        "export",
        "--purpose",
        "facts",
        "--case",
        "C-1",
        "--user",
        "tom",
        "--format",
        "csv",
    ];
    let text = said(&line, &loaded);
    assert_eq!(text.lines().count(), 2, "{text}");
    let parquet = ["export", "--purpose", "facts", "--format", "parquet"];
    let refused = records(&parquet).unwrap().run(&loaded, &mut Vec::new());
    assert!(matches!(refused, Err(Failure::Arguments(_))));
}

#[test]
fn a_bundle_is_made_under_its_name_alone_and_leaves_its_lines_lm_36_lm_18() {
    let (directory, loaded) = recorded();
    let to = directory.path().join("handed-over");
    let name = to.to_str().unwrap();
    let line = [
        "export",
        "--purpose",
        "unauthorised-use",
        "--user",
        "anna",
        "--bundle",
        name,
        "--case",
        "2026/17",
        "--exhibit",
        "JS/1",
        "--withhold",
        "content=not needed for this case",
    ];
    let told = said(&line, &loaded);
    assert!(told.contains("signed by\nweir/weir/"), "{told}");
    let report = weir_verify::check_bundle(&to, &weir_verify::Outside::default(), None).unwrap();
    assert!(report.holds(), "{}", report.to_text());
    let query = fs::read_to_string(to.join("query.json")).unwrap();
    assert!(
        query.contains("2026/17") && query.contains("JS/1"),
        "{query}"
    );
    let audit = fs::read_to_string(loaded.settings.state.join("audit.jsonl")).unwrap();
    assert!(audit.contains("\"records export --bundle\""), "{audit}");
    // Before anything was read, and what was given.
    let reads = weir_monitoring::query::Query {
        kinds: vec![Kind::Read],
        ..weir_monitoring::query::Query::default()
    };
    let mut count = 0;
    weir_monitoring::query::search(
        &crate::recording::store(&loaded.settings).unwrap(),
        &reads,
        &mut |batch| {
            count += batch.num_rows();
            std::ops::ControlFlow::Continue(())
        },
    )
    .unwrap();
    assert_eq!(count, 2);
    let again = records(&line).unwrap().run(&loaded, &mut Vec::new());
    assert!(
        matches!(again, Err(Failure::Arguments(_))),
        "never written over"
    );
    let without_case = records(&line[..7]).unwrap().run(&loaded, &mut Vec::new());
    assert!(matches!(without_case, Err(Failure::Arguments(_))), "LM-12");
    for wrong in [
        &["--withhold", "row=no"][..],
        &["--withhold", "who="],
        &["--withhold", "who"],
        &["--output", "x"],
        &["--format", "csv"],
    ] {
        assert!(records(&[&line[..], wrong].concat()).is_err(), "{wrong:?}");
    }
    let limited = [&line[..6], &["/nowhere", "--case", "1", "--limit", "3"]].concat();
    let limited = records(&limited).unwrap().run(&loaded, &mut Vec::new());
    assert!(matches!(limited, Err(Failure::Arguments(_))));
}
