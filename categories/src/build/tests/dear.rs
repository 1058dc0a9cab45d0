//! Lists of expressions that were made to take all memory, or all time.

use std::time::{Duration, Instant};

use super::*;

#[test]
fn threats_7_expressions_beyond_what_a_request_can_bear_are_left_out_and_told_source_by_source() {
    let root = tempfile::tempdir().unwrap();
    // Each passes by itself; a gigabyte together.
    let dear: String = (0..1_000)
        .map(|n| format!("x{n}y[a-z]{{8000}}\n"))
        .collect();
    let slow: String = (0..1_000)
        .map(|n| format!("(a|b)*a(a|b){{{}}}c{n}\n", 100 + n % 300))
        .collect();
    let mut sources = Vec::new();
    for (name, text) in [("dear", &*dear), ("slow", &*slow), ("ut1", "needle[0-9]\n")] {
        let directory = root.path().join(name);
        std::fs::create_dir_all(directory.join("adult")).unwrap();
        std::fs::write(directory.join("adult/expressions"), text).unwrap();
        sources.push(Source::directory(name, directory));
    }
    let built = crate::build(&sources, &mut |_| {}).unwrap();
    for file in &built.report.files {
        assert_eq!(
            file.lines,
            file.entries + file.duplicates + file.blank + file.faulty
        );
    }
    let faulty = |list: &str| {
        built
            .report
            .files
            .iter()
            .find(|file| file.list == list)
            .unwrap()
            .faulty
    };
    assert!(faulty("dear") > 900, "{}", faulty("dear"));
    assert!(faulty("slow") > 100, "{}", faulty("slow"));
    // One source's expressions do not take the room of another's.
    assert_eq!(faulty("ut1"), 0);
    let told = built.report.faults.iter().next().unwrap().to_string();
    assert!(told.contains("slow every request"), "{told}");
    let host = Host::parse("x.example").unwrap();
    let path = format!("/{}needle7", "abax".repeat(2_000));
    let begin = Instant::now();
    let found = built.index.url_categories(&host, 80, &path, None);
    let took = begin.elapsed();
    assert!(found.contains(built.index.names().id("adult").unwrap()));
    assert!(took < Duration::from_secs(2), "{took:?}");
}
