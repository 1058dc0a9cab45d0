//! Imports that are made, or have become by accident, to take more memory or time than a school's machine has.

use std::time::{Duration, Instant};

use super::*;

#[test]
fn threats_7_files_that_include_each_other_very_often_are_cut_short_and_told() {
    let place = Place::new();
    let names: String = (0..5_000).map(|n| format!("n{n}.example\n")).collect();
    // A few kilobytes once compressed; 150 million entries when all are followed.
    let often = |line: &str| format!("full:own.example\n{}", line.repeat(10_000));
    let archive = tar(&[
        File("data/names", names.as_bytes()),
        File("data/often", often("include:names\n").as_bytes()),
        File("data/chosen", often("include:names @ads\n").as_bytes()),
        File(
            "data/unchosen",
            often("include:names @-ads @-cn\n").as_bytes(),
        ),
    ]);
    let path = place.directory.path().join("archive");
    fs::write(&path, archive).unwrap();
    let begin = Instant::now();
    let map = CategoryMap::none();
    let report = run(&path, "v2fly", &place.lists(), &map, &mut |_| {}).unwrap();
    assert!(
        begin.elapsed() < Duration::from_secs(60),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(report.format, Format::V2fly);
    let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    assert!(report.faults.count() > 20_000, "{}", report.faults.count());
    assert!(
        faults[0].contains("include each other too often"),
        "{faults:?}"
    );
    assert!(report.origins.iter().all(|origin| origin.tally.adds_up()));
    assert_eq!(report.categories["names"].domains, 5_000);
}

#[test]
fn threats_7_a_line_of_attributes_without_end_is_a_fault() {
    let place = Place::new();
    let long = format!("a.example {}\n", "@x ".repeat(1_000));
    let archive = tar(&[File(
        "data/names",
        format!("{long}full:b.example @x\n").as_bytes(),
    )]);
    let path = place.directory.path().join("archive");
    fs::write(&path, archive).unwrap();
    let report = run(
        &path,
        "v2fly",
        &place.lists(),
        &CategoryMap::none(),
        &mut |_| {},
    )
    .unwrap();
    assert_eq!(report.faults.count(), 1);
    assert_eq!(report.categories["names"].domains, 1);
}

#[test]
fn threats_7_a_list_of_more_lines_than_memory_can_hold_is_refused_and_the_old_one_stays() {
    let place = Place::new();
    place.import(&sample()).unwrap();
    let before = place.names();
    // Each line is short: bytes alone do not bound what it costs.
    let bomb = "a.bc\n".repeat(10_001);
    let flat = tar(&[File("blacklists/drogue/domains", bomb.as_bytes())]);
    let v2fly = tar(&[File(
        "data/names",
        format!("full:x.example\n{bomb}").as_bytes(),
    )]);
    let limits = Limits {
        lines: 10_000,
        ..Limits::default()
    };
    for archive in [flat, v2fly] {
        let refused = place.import_within(&limits, &gzip(&archive));
        assert!(
            matches!(refused, Err(ImportError::TooManyLines)),
            "{refused:?}"
        );
        assert_eq!(place.names(), before);
    }
    // The lines of all lists together count.
    let half = "a.bc\n".repeat(6_000);
    let both = tar(&[
        File("x/drogue/domains", half.as_bytes()),
        File("x/adult/domains", half.as_bytes()),
    ]);
    let refused = place.import_within(&limits, &both);
    assert!(
        matches!(refused, Err(ImportError::TooManyLines)),
        "{refused:?}"
    );
}

#[test]
fn an_exception_for_a_whole_ending_is_kept_as_one() {
    let place = Place::new();
    let archive = tar(&[
        File("x/adult/domains", b"a.example\nb.example\n.xxx\n"),
        File("x/adult/exceptions", b".example\n"),
    ]);
    place.import(&archive).unwrap();
    assert_eq!(place.text("adult/exceptions"), ".example\n");
    let sources = Source::imported(&place.lists()).unwrap();
    let built = build(&sources, &mut |_| {}).unwrap();
    assert!(built.report.faults.is_empty(), "{:?}", built.report.faults);
    let categories = |host: &str| {
        let host = weir_host::Host::parse(host).unwrap();
        let set = built.index.host_categories(&host);
        set.iter()
            .map(|id| built.index.names().name(id).to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(categories("a.example"), ["unlisted"]);
    assert_eq!(categories("a.xxx"), ["adult"]);
}

#[test]
fn threats_7_lists_that_could_not_be_one_index_with_the_others_are_refused_before_they_are_in_force()
 {
    let place = Place::new();
    let many = |prefix: &str| {
        let names: Vec<String> = (0..150).map(|n| format!("x/{prefix}{n}/domains")).collect();
        let members: Vec<Member<'_>> = names
            .iter()
            .map(|name| File(name, b"a.example\n"))
            .collect();
        tar(&members)
    };
    let import = |name: &str, archive: &[u8]| {
        let path = place.directory.path().join("archive");
        fs::write(&path, archive).unwrap();
        let options = Options {
            beside: Some(Beside {
                place: place.lists().join(".index"),
                sources: Source::imported(&place.lists()).unwrap(),
            }),
            ..Options::default()
        };
        run_with(
            &options,
            &path,
            name,
            &place.lists(),
            &CategoryMap::none(),
            &mut |_| {},
        )
    };
    import("b", &many("one")).unwrap();
    let refused = import("a", &many("two")).unwrap_err().to_string();
    assert!(refused.contains("302 categories together"), "{refused}");
    assert_eq!(place.names(), [".index", "b"]);
    // What is accepted has been compiled for the Weir that takes it up.
    import("a", &tar(&[File("x/one1/domains", b"b.example\n")])).unwrap();
    let compiled = || {
        fs::metadata(place.lists().join(".index/base"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = compiled();
    let sources = Source::imported(&place.lists()).unwrap();
    let opened = crate::open(&place.lists().join(".index"), &sources, None, &mut |_| {}).unwrap();
    assert_eq!(opened.report.files.len(), 151);
    assert_eq!(compiled(), before);
    // Another list that is damaged is no reason against this one: it could not be mended one by one.
    fs::write(place.lists().join("b/one1/domains"), "cut").unwrap();
    import("a", &tar(&[File("x/one1/domains", b"c.example\n")])).unwrap();
    import("b", &many("one")).unwrap();
}
