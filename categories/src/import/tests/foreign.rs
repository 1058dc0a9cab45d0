//! Imports of other formats than squidGuard's, and what their manifests say of the lines.

use super::*;

/// Imports `content` as the file `list.txt`, as a list of the category `social`.
fn single(
    place: &Place,
    content: &[u8],
    category: Option<&str>,
    format: Option<Format>,
) -> Result<ImportReport, ImportError> {
    let path = place.directory.path().join("list.txt");
    fs::write(&path, content).unwrap();
    let options = Options {
        category: category.map(str::to_owned),
        format,
        ..Options::default()
    };
    let map = CategoryMap::default();
    run_with(&options, &path, "ut1", &place.lists(), &map, &mut |_| {})
}

const ADBLOCK: &[u8] = b"[Adblock Plus 2.0]\n||a.example^\n||b.example^$script\n@@||ok.a.example^\n||a.example^\n||bad..x^\n";

#[test]
fn a_file_alone_becomes_a_source_of_the_category_that_is_named() {
    let place = Place::new();
    for content in [ADBLOCK.to_vec(), gzip(ADBLOCK), zstd(ADBLOCK)] {
        let report = single(&place, &content, Some("social"), None).unwrap();
        assert_eq!(report.format, Format::AdBlock);
        assert_eq!(report.detected.unwrap().lines, 5);
        assert_eq!(place.text("social/domains"), "a.example\n");
        assert_eq!(place.text("social/exceptions"), "ok.a.example\n");
        assert_eq!(report.categories["social"].exceptions, 1);
        let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0].starts_with("list.txt:6: \"||bad..x^\": "),
            "{faults:?}"
        );
        place.index();
    }
}

#[test]
fn the_manifest_says_what_became_of_the_lines() {
    let place = Place::new();
    single(&place, ADBLOCK, Some("social"), None).unwrap();
    let manifest = Manifest::read(&place.lists().join("ut1")).unwrap().unwrap();
    assert_eq!(manifest.list_format, Some(Format::AdBlock));
    let [origin] = &manifest.origins[..] else {
        panic!("{:?}", manifest.origins)
    };
    assert_eq!((&*origin.file, &*origin.category), ("list.txt", "social"));
    assert_eq!(origin.into, ["social"]);
    let tally = &origin.tally;
    let numbers = (
        tally.lines,
        tally.entries,
        tally.duplicates,
        tally.blank,
        tally.skipped(),
        tally.faulty,
    );
    assert_eq!(numbers, (6, 2, 1, 1, 1, 1));
    assert_eq!(manifest.tally().as_ref(), Some(tally));
    place.import(&sample()).unwrap();
    let manifest = Manifest::read(&place.lists().join("ut1")).unwrap().unwrap();
    let download = manifest
        .origins
        .iter()
        .find(|origin| origin.category == "download");
    assert!(download.unwrap().into.is_empty());
    let hate = manifest
        .origins
        .iter()
        .find(|origin| origin.category == "agressif");
    assert_eq!(hate.unwrap().into, ["hate", "violence"]);
}

#[test]
fn a_manifest_of_an_earlier_version_is_read_without_counts() {
    let place = Place::new();
    place.import(&sample()).unwrap();
    let file = place.lists().join("ut1").join(crate::manifest::FILE_NAME);
    let text = fs::read_to_string(&file).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["format"] = 1.into();
    let object = json.as_object_mut().unwrap();
    object.remove("origins");
    object.remove("list_format");
    fs::write(&file, json.to_string()).unwrap();
    let manifest = Manifest::read(&place.lists().join("ut1")).unwrap().unwrap();
    assert_eq!(manifest.tally(), None);
    place.index();
}

#[test]
fn a_file_alone_without_a_category_or_a_format_is_refused_with_what_to_do() {
    let place = Place::new();
    let refused = single(&place, ADBLOCK, None, None).unwrap_err().to_string();
    assert!(
        refused.contains("format adblock") && refused.contains("--category"),
        "{refused}"
    );
    let refused = single(&place, b"what is this\n", Some("social"), None);
    assert!(refused.unwrap_err().to_string().contains("--format"));
    let refused = single(&place, b"<html>", Some("social"), None);
    assert!(refused.unwrap_err().to_string().contains("web page"));
    let refused = single(&place, ADBLOCK, Some("No Name"), None);
    assert!(
        matches!(refused, Err(ImportError::Category(_))),
        "{refused:?}"
    );
    let refused = single(
        &place,
        b"||a.example\n",
        Some("social"),
        Some(Format::AdBlock),
    );
    assert!(
        matches!(refused, Err(ImportError::EmptyOf(Format::AdBlock))),
        "{refused:?}"
    );
    let archive = place.directory.path().join("archive");
    fs::write(&archive, sample()).unwrap();
    let options = Options {
        category: Some("social".to_owned()),
        ..Options::default()
    };
    let map = CategoryMap::default();
    let refused = run_with(&options, &archive, "ut1", &place.lists(), &map, &mut |_| {});
    assert!(
        matches!(refused, Err(ImportError::OwnCategories(Format::SquidGuard))),
        "{refused:?}"
    );
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn a_format_that_is_named_is_not_second_guessed() {
    let place = Place::new();
    let report = single(
        &place,
        b"0.0.0.0 a.example\nb.example\n",
        Some("social"),
        Some(Format::Domains),
    )
    .unwrap();
    assert_eq!((report.format, report.detected), (Format::Domains, None));
    assert_eq!(place.text("social/domains"), "b.example\n");
    assert_eq!(report.faults.count(), 1);
}

#[test]
fn v2fly_files_bring_what_they_include_with_and_without_attributes() {
    let place = Place::new();
    let map = place.directory.path().join("map.toml");
    fs::write(&map, "a = \"one\"\nb = \"two\"\nc = \"three\"\n").unwrap();
    let archive = place.directory.path().join("archive");
    let members = [
        File(
            "x/data/a",
            b"a.example\ninclude:b @ads # only those\ninclude:none\nx.b.example\n",
        ),
        File(
            "x/data/b",
            b"b.example @ads\nfull:x.b.example\ninclude:c @-cn\n",
        ),
        File(
            "x/data/c",
            b"c.example @cn\nregexp:^d[0-9]\\.example$ @ads\ninclude:e\n",
        ),
        File("x/data/e", b"e.example\n"),
        File("x/README.md", b"# not a list\n"),
        File("x/LICENSE", b"MIT\n"),
    ];
    fs::write(&archive, tar(&members)).unwrap();
    let map = CategoryMap::read(&map).unwrap();
    let report = run(&archive, "ut1", &place.lists(), &map, &mut |_| {}).unwrap();
    assert_eq!(report.format, Format::V2fly);
    assert_eq!(
        place.text("one/domains"),
        "a.example\nb.example\nx.b.example\n"
    );
    assert_eq!(place.text("one/expressions"), "^d[0-9]\\.example(/|$)\n");
    assert_eq!(
        place.text("two/domains"),
        "b.example\ne.example\nx.b.example\n"
    );
    assert_eq!(place.text("three/domains"), "c.example\ne.example\n");
    assert_eq!(report.left_out["e"], 1);
    let told: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["x/data/a:3: \"include:none\": there is no such file"]
    );
    assert!(report.origins.iter().all(|origin| origin.tally.adds_up()));
}

#[test]
fn v2fly_files_that_include_each_other_in_a_circle_lose_that_include_only() {
    let place = Place::new();
    let archive = place.directory.path().join("archive");
    let members = [
        File("data/a", b"a.example\ninclude:b\n"),
        File("data/b", b"b.example\ninclude:c\ninclude:leaf\n"),
        File("data/c", b"c.example\ninclude:b\n"),
        File("data/self", b"self.example\ninclude:self\n"),
        File("data/leaf", b"leaf.example\n"),
    ];
    fs::write(&archive, tar(&members)).unwrap();
    let report = run(
        &archive,
        "ut1",
        &place.lists(),
        &CategoryMap::none(),
        &mut |_| {},
    )
    .unwrap();
    assert_eq!(
        place.text("a/domains"),
        "a.example\nb.example\nleaf.example\n"
    );
    assert_eq!(place.text("c/domains"), "c.example\n");
    assert_eq!(place.text("self/domains"), "self.example\n");
    assert_eq!(report.faults.count(), 3);
    assert!(report.origins.iter().all(|origin| origin.tally.adds_up()));
}

#[test]
fn includes_that_follow_each_other_without_end_are_cut_off() {
    let place = Place::new();
    let archive = place.directory.path().join("archive");
    let texts: Vec<(String, String)> = (0..200)
        .map(|n| {
            (
                format!("data/f{n}"),
                format!("f{n}.example\ninclude:f{}\n", n + 1),
            )
        })
        .collect();
    let mut members: Vec<Member> = texts
        .iter()
        .map(|(path, text)| File(path, text.as_bytes()))
        .collect();
    members.push(File("data/f200", b"end.example\n"));
    fs::write(&archive, tar(&members)).unwrap();
    let report = run(
        &archive,
        "ut1",
        &place.lists(),
        &CategoryMap::none(),
        &mut |_| {},
    )
    .unwrap();
    assert!(report.faults.count() > 1, "{:?}", report.faults.count());
    assert!(
        report
            .faults
            .iter()
            .all(|fault| fault.reason.contains("too deep"))
    );
}
