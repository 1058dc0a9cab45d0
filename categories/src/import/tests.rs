//! Imports of small archives: what comes out, what is refused, and that the old lists stay in force then.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::*;
use crate::lock::LockError;
use crate::{Index, Phase, Source, build};

enum Member<'a> {
    File(&'a str, &'a [u8]),
    Symlink(&'a str, &'a str),
    HardLink(&'a str, &'a str),
}
use Member::{File, HardLink, Symlink};

/// A tar of the members, whose paths are written as they are, safe or not.
fn tar(members: &[Member<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for member in members {
        let (path, kind, content, target) = match member {
            File(path, content) => (path, EntryType::Regular, *content, ""),
            Symlink(path, target) => (path, EntryType::Symlink, &b""[..], *target),
            HardLink(path, target) => (path, EntryType::Link, &b""[..], *target),
        };
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_gnu_mut().unwrap().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A directory for lists and one for archives.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().unwrap();
        Place { directory }
    }

    fn lists(&self) -> PathBuf {
        self.directory.path().join("lists")
    }

    fn import(&self, archive: &[u8]) -> Result<ImportReport, ImportError> {
        self.import_within(&Limits::default(), archive)
    }

    fn import_within(&self, limits: &Limits, archive: &[u8]) -> Result<ImportReport, ImportError> {
        let path = self.directory.path().join("archive");
        fs::write(&path, archive).unwrap();
        let map = CategoryMap::default();
        run_within(limits, &path, "ut1", &self.lists(), &map, &mut |_| {})
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.lists().join("ut1").join(file)).unwrap()
    }

    fn index(&self) -> Index {
        let sources = Source::imported(&self.lists()).unwrap();
        build(&sources, &mut |_| {}).unwrap().index
    }

    /// Everything in the lists' directory.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.lists()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn sample() -> Vec<u8> {
    tar(&[
        File("blacklists/README", b"not a list"),
        File(
            "blacklists/drogue/domains",
            b"b.example\nA.example\nb.example\nbad..name\n",
        ),
        File("blacklists/drogue/urls", b"x.example/a/#top\n\n"),
        File("blacklists/drogue/usage", b"black\n"),
        File("blacklists/adult/very_restrictive_expression", b"sex\n"),
        File("blacklists/adult/domains", b"adult.example\n"),
        File(
            "blacklists/redirector/domains",
            b"proxy.example\n192.0.2.1\n",
        ),
        File(
            "blacklists/strict_redirector/domains",
            b"proxy.example\nother.example\n",
        ),
        File("blacklists/strict_redirector/expressions", b"(cache)\n(\n"),
        File("blacklists/download/domains", b"zzz.example\n"),
        Symlink("blacklists/porn", "adult"),
        File("blacklists/agressif/domains", b"hate.example\n"),
        File("blacklists/dynamic-dns/domains", b".afshin.example\n"),
    ])
}

#[test]
fn an_archive_becomes_a_source_under_the_schools_categories() {
    let place = Place::new();
    let report = place.import(&sample()).unwrap();
    assert_eq!(place.text("drugs/domains"), "a.example\nb.example\n");
    assert_eq!(place.text("drugs/urls"), "x.example/a\n");
    assert_eq!(
        place.text("bypass/domains"),
        "192.0.2.1\nother.example\nproxy.example\n"
    );
    assert_eq!(place.text("bypass/expressions"), "(cache)\n");
    assert_eq!(place.text("hate/domains"), place.text("violence/domains"));
    assert_eq!(place.text("dynamic-dns/domains"), "afshin.example\n");
    let bypass = &report.categories["bypass"];
    assert_eq!((bypass.domains, bypass.urls, bypass.expressions), (3, 0, 1));
    let from: Vec<&str> = bypass.from.iter().map(String::as_str).collect();
    assert_eq!(from, ["redirector", "strict_redirector"]);
    assert_eq!(report.duplicates, 2);
    assert!(!report.replaced);
    assert_eq!(place.names(), ["ut1"]);
}

#[test]
fn faults_are_reported_with_file_and_line_and_the_rest_is_used() {
    let report = Place::new().import(&sample()).unwrap();
    let told: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    assert_eq!(report.faults.count(), 2);
    assert!(
        told[0].starts_with("blacklists/drogue/domains:4: \"bad..name\": "),
        "{told:?}"
    );
    assert!(
        told[1].starts_with("blacklists/strict_redirector/expressions:2: \"(\": "),
        "{told:?}"
    );
}

#[test]
fn a_linked_category_is_another_name_and_brings_nothing_of_its_own() {
    let place = Place::new();
    let report = place.import(&sample()).unwrap();
    assert_eq!(report.aliases["porn"], "adult");
    assert!(!report.categories.contains_key("porn"));
    assert_eq!(report.categories["adult"].domains, 1);
    assert_eq!(report.categories["adult"].expressions, 0);
}

#[test]
fn a_linked_list_brings_that_list_whatever_comes_first() {
    let place = Place::new();
    let report = place
        .import(&tar(&[
            Symlink("b/one/domains", "../two/domains"),
            File("b/two/domains", b"x.example\n"),
            HardLink("b/three/domains", "b/two/domains"),
            Symlink("b/four/domains", "../none/domains"),
        ]))
        .unwrap();
    for category in ["one", "two", "three"] {
        assert_eq!(place.text(&format!("{category}/domains")), "x.example\n");
    }
    assert!(
        report
            .faults
            .iter()
            .any(|fault| fault.file == Path::new("four/domains"))
    );
}

#[test]
fn the_map_leaves_out_what_upstream_spoilt_and_says_so() {
    let place = Place::new();
    let report = place.import(&sample()).unwrap();
    assert_eq!(report.left_out["download"], 1);
    assert!(place.index().names().id("download").is_none());
}

#[test]
fn every_compression_and_a_directory_give_the_same_lists() {
    let plain = Place::new();
    plain.import(&sample()).unwrap();
    let unpacked = tempfile::tempdir().unwrap();
    tar::Archive::new(&sample()[..]).unpack(&unpacked).unwrap();
    let from_directory = Place::new();
    let map = CategoryMap::default();
    run(
        unpacked.path(),
        "ut1",
        &from_directory.lists(),
        &map,
        &mut |_| {},
    )
    .unwrap();
    let version = plain.index().version().to_owned();
    assert_eq!(from_directory.index().version(), version);
    for compressed in [gzip(&sample()), zstd(&sample())] {
        let place = Place::new();
        place.import(&compressed).unwrap();
        assert_eq!(place.index().version(), version);
    }
}

#[test]
fn a_second_import_replaces_the_first_whole() {
    let place = Place::new();
    place.import(&sample()).unwrap();
    let second = tar(&[File("x/games/domains", b"game.example\n")]);
    assert!(place.import(&second).unwrap().replaced);
    assert_eq!(place.names(), ["ut1"]);
    let index = place.index();
    assert!(index.names().id("drugs").is_none());
    assert_eq!(index.counts().domains, 1);
}

#[test]
fn what_leads_out_of_the_archive_refuses_the_import() {
    let hostile = [
        File("../games/domains", b"x.example\n"),
        File("/games/domains", b"x.example\n"),
        File("a/../../games/domains", b"x.example\n"),
        Symlink("a/games", "/etc"),
        Symlink("a/games", "../../etc"),
        Symlink("a/games/domains", "/etc/passwd"),
        HardLink("a/games/domains", "/etc/passwd"),
        HardLink("a/games/domains", "../x"),
    ];
    for member in hostile {
        let place = Place::new();
        place.import(&sample()).unwrap();
        let before = place.index().version().to_owned();
        let archive = tar(&[File("a/chat/domains", b"ok.example\n"), member]);
        let refused = place.import(&archive);
        assert!(
            matches!(refused, Err(ImportError::Unsafe(_))),
            "{refused:?}"
        );
        assert_eq!(place.index().version(), before);
        assert_eq!(place.names(), ["ut1"]);
    }
}

#[test]
fn a_directory_with_a_link_that_leads_out_is_refused() {
    let place = Place::new();
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("games")).unwrap();
    fs::write(root.path().join("games/domains"), "x.example\n").unwrap();
    std::os::unix::fs::symlink("/etc", root.path().join("chat")).unwrap();
    let map = CategoryMap::default();
    let refused = run(root.path(), "ut1", &place.lists(), &map, &mut |_| {});
    assert!(
        matches!(refused, Err(ImportError::Unsafe(_))),
        "{refused:?}"
    );
}

#[test]
fn a_cut_off_archive_leaves_the_old_lists_in_force() {
    let place = Place::new();
    place.import(&sample()).unwrap();
    let before = place.index().version().to_owned();
    let longer = tar(&[
        File("b/games/domains", "game.example\n".repeat(4000).as_bytes()),
        File("b/chat/domains", b"chat.example\n"),
    ]);
    for archive in [longer.clone(), gzip(&longer), zstd(&longer)] {
        for cut in [1, 8, 300, 1024, archive.len() / 2].map(|n| archive.len().saturating_sub(n)) {
            if place.import(&archive[..cut]).is_ok() {
                // The last of two end blocks is optional, and so may be cut.
                assert_eq!(archive, longer, "cut to {cut} of {}", archive.len());
                assert!(archive.len() - cut <= 512);
                place.import(&sample()).unwrap();
            }
            assert_eq!(place.index().version(), before);
            assert_eq!(place.names(), ["ut1"]);
        }
    }
}

#[test]
fn what_is_no_archive_or_has_no_list_is_refused() {
    let place = Place::new();
    assert!(place.import(b"").is_err());
    assert!(place.import(b"<html>not found</html>").is_err());
    assert!(place.import(&gzip(b"hello")).is_err());
    let empty = place.import(&tar(&[File("b/adult/readme", b"x.example\n")]));
    assert!(matches!(empty, Err(ImportError::Empty)), "{empty:?}");
    let empty = place.import(&tar(&[File("b/adult/domains", b"# nothing\n")]));
    assert!(matches!(empty, Err(ImportError::Empty)), "{empty:?}");
    let hole = place.import(&tar(&[File("b/adult/domains", b"a.example\n\0\0\0\0\n")]));
    assert!(matches!(hole, Err(ImportError::HalfWritten(_))), "{hole:?}");
    let absent = Path::new("no/such/archive");
    assert!(
        run(
            absent,
            "ut1",
            &place.lists(),
            &CategoryMap::none(),
            &mut |_| {}
        )
        .is_err()
    );
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn archive_bombs_are_refused() {
    let place = Place::new();
    let small = Limits {
        entries: 3,
        bytes: 1 << 20,
        ..Limits::default()
    };
    let many: Vec<String> = (0..4).map(|n| format!("b/c{n}/domains")).collect();
    let many: Vec<Member> = many.iter().map(|path| File(path, b"x.example\n")).collect();
    let refused = place.import_within(&small, &tar(&many));
    assert!(
        matches!(refused, Err(ImportError::TooManyEntries(3))),
        "{refused:?}"
    );
    let big = tar(&[File("b/games/domains", &b"#\n".repeat(1 << 20))]);
    for bomb in [big.clone(), gzip(&big), zstd(&big)] {
        let refused = place.import_within(&small, &bomb);
        assert!(
            matches!(refused, Err(ImportError::TooManyBytes)),
            "{refused:?}"
        );
    }
    let ignored = tar(&[File("b/games/huge.bin", &vec![7; 2 << 20])]);
    let refused = place.import_within(&small, &gzip(&ignored));
    assert!(
        matches!(refused, Err(ImportError::TooManyBytes)),
        "{refused:?}"
    );
}

#[test]
fn more_categories_than_any_index_can_have_are_refused() {
    let place = Place::new();
    let paths: Vec<String> = (0..255).map(|n| format!("b/c{n}/domains")).collect();
    let members: Vec<Member> = paths
        .iter()
        .map(|path| File(path, b"x.example\n"))
        .collect();
    let refused = place.import(&tar(&members));
    assert!(
        matches!(refused, Err(ImportError::TooManyCategories(255))),
        "{refused:?}"
    );
    place.import(&tar(&members[1..])).unwrap();
    assert_eq!(place.index().counts().categories, 254);
}

#[test]
fn an_endless_line_is_one_fault() {
    let place = Place::new();
    let mut text = vec![b'a'; 200 << 10];
    text.extend_from_slice(b"\nx.example\n");
    let report = place
        .import(&tar(&[File("b/games/domains", &text)]))
        .unwrap();
    assert_eq!(report.faults.count(), 1);
    assert_eq!(report.categories["games"].domains, 1);
}

#[test]
fn two_imports_at_once_do_not_mix() {
    let place = Place::new();
    place.import(&sample()).unwrap();
    let lock = Lock::take(&place.lists()).unwrap();
    let refused = place.import(&sample());
    assert!(
        matches!(refused, Err(ImportError::Lock(LockError::Busy))),
        "{refused:?}"
    );
    drop(lock);
    place.import(&sample()).unwrap();
}

#[test]
fn what_a_killed_import_left_is_cleared_away() {
    let place = Place::new();
    place.import(&sample()).unwrap();
    let before = place.index().version().to_owned();
    let left = place.lists().join(".importing-ut1/.raw");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("0"), "half").unwrap();
    assert_eq!(place.index().version(), before, "half an import was read");
    fs::rename(place.lists().join("ut1"), place.lists().join(".old-ut1")).unwrap();
    assert!(place.import(b"no archive").is_err());
    assert_eq!(
        place.index().version(),
        before,
        "the old lists did not come back"
    );
    assert_eq!(place.names(), ["ut1"]);
}

#[test]
fn a_name_that_leaves_the_directory_is_refused() {
    let place = Place::new();
    let archive = place.directory.path().join("archive");
    fs::write(&archive, sample()).unwrap();
    for name in ["", "..", "a/b", ".hidden", "Ut1"] {
        let refused = run(
            &archive,
            name,
            &place.lists(),
            &CategoryMap::none(),
            &mut |_| {},
        );
        assert!(
            matches!(refused, Err(ImportError::Name(_))),
            "{name:?}: {refused:?}"
        );
    }
}

#[test]
fn progress_counts_up_to_its_total_in_each_phase() {
    let place = Place::new();
    let archive = place.directory.path().join("archive.tar");
    let text = "game.example\n".repeat(100_000);
    fs::write(&archive, tar(&[File("b/games/domains", text.as_bytes())])).unwrap();
    let mut told: Vec<Progress> = Vec::new();
    let map = CategoryMap::default();
    run(&archive, "ut1", &place.lists(), &map, &mut |progress| {
        told.push(progress)
    })
    .unwrap();
    assert!(told.len() > 5, "{told:?}");
    for phase in [Phase::Read, Phase::Write] {
        let of_phase: Vec<&Progress> = told.iter().filter(|p| p.phase == phase).collect();
        assert!(of_phase.is_sorted_by_key(|p| p.done));
        assert!(of_phase.iter().all(|p| p.done <= p.total));
        assert!(of_phase.last().is_some_and(|p| p.done == p.total));
    }
    assert!(told.is_sorted_by_key(|p| p.phase == Phase::Write));
}

mod foreign;
mod hostile;
#[test]
fn a_result_with_fewer_entries_than_asked_for_leaves_the_old_lists_in_force() {
    let place = Place::new();
    let two = tar(&[File("b/games/domains", b"a.example\nb.example\n")]);
    place.import_within(&Limits::default(), &two).unwrap();
    let before = place.names();
    let one = tar(&[File("b/games/domains", b"a.example\na.example\n")]);
    let least = |least| Limits {
        least,
        ..Limits::default()
    };
    let refused = place.import_within(&least(2), &one);
    assert!(
        matches!(refused, Err(ImportError::TooFew { found: 1, least: 2 })),
        "{refused:?}"
    );
    assert_eq!(place.names(), before);
    assert!(place.import_within(&least(1), &one).is_ok());
}
