//! The compiled base as callers meet it: opened when current, made anew when not, refused when damaged.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use tempfile::TempDir;
use weir_host::Host;

use super::*;
use crate::manifest::{FILE_NAME, Manifest, Written};
use crate::{Built, Source, build, embedded, look, open};

const FILES: [(&str, &str); 7] = [
    (
        "games/domains",
        "a.example\nb.example\n10.0.0.0/8\n192.0.2.1\n2001:db8::/32\n",
    ),
    ("chat/domains", "b.example\nc.b.example\n"),
    ("chat/urls", "a.example/x\na.example/y?z=1\n"),
    ("chat/expressions", "needle[0-9]\n"),
    (
        "chat/exceptions",
        "good.b.example\nb.example/fine\n10.1.0.0/16\n",
    ),
    ("games/urls", "192.0.2.9/play\n"),
    ("games/keywords", "*needle*\nfine x\nпроба\n武器\n"),
];

struct State {
    root: TempDir,
}

impl State {
    fn new() -> State {
        let state = State {
            root: tempfile::tempdir().unwrap(),
        };
        state.import(&FILES);
        state
    }

    fn place(&self) -> PathBuf {
        self.root.path().join(".index")
    }

    /// An import, written as one writes it.
    fn import(&self, files: &[(&str, &str)]) {
        let source = self.root.path().join("ut1");
        _ = fs::remove_dir_all(&source);
        let mut manifest = Manifest::new("ut1", "ut1.tar", 0);
        for (path, text) in files {
            let file = source.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
            let written = Written::of(text.as_bytes());
            manifest.files.insert((*path).to_owned(), written);
        }
        fs::write(source.join(FILE_NAME), manifest.to_json().unwrap()).unwrap();
    }

    fn local(&self, path: &str, text: &str) {
        let file = self.root.path().join("local").join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn sources(&self) -> Vec<Source> {
        let mut sources = vec![embedded()];
        let local = self.root.path().join("local");
        if local.exists() {
            sources.push(Source::directory("local", local));
        }
        sources.push(Source::directory("ut1", self.root.path().join("ut1")));
        sources
    }

    fn open(&self, last: Option<&Index>) -> Built {
        let built = open(&self.place(), &self.sources(), last, &mut |_| {}).unwrap();
        assert_eq!(built.warning, None);
        built
    }

    /// The file's number: another file, another number.
    fn file(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(self.place().join(FILE)).unwrap().ino()
    }
}

/// Everything that can be told of a few targets.
fn told(index: &Index) -> Vec<String> {
    let hosts = [
        "a.example",
        "x.b.example",
        "c.b.example",
        "good.b.example",
        "10.1.2.3",
        "10.2.2.3",
        "192.0.2.9",
        "[2001:db8::7]",
        "pornhub.com",
        "mine.example",
    ];
    let paths = [
        (None, None),
        (Some("/x"), None),
        (Some("/y"), Some("z=1")),
        (Some("/needle7"), None),
        (Some("/play"), None),
        (Some("/fine/x"), None),
    ];
    let mut told = Vec::new();
    for host in hosts.map(|host| Host::parse(host).unwrap()) {
        for (path, query) in paths {
            let matches = index.all(&host, 80, path, query);
            let set = match path {
                Some(path) => index.url_categories(&host, 80, path, query),
                None => index.host_categories(&host),
            };
            let set: Vec<_> = set.iter().map(|id| index.names().name(id)).collect();
            told.push(format!("{host} {path:?} {set:?} {matches:?}"));
        }
    }
    told
}

#[test]
fn a_base_from_a_file_answers_and_reports_as_one_in_memory() {
    let state = State::new();
    state.local("chat/domains", "mine.example\n");
    let memory = build(&state.sources(), &mut |_| {}).unwrap();
    let first = state.open(None);
    let again = state.open(None);
    for built in [&first, &again] {
        assert_eq!(told(&built.index), told(&memory.index));
        assert_eq!(built.report, memory.report);
        assert_eq!(built.index.version(), memory.index.version());
        assert_eq!(built.index.counts(), memory.index.counts());
    }
}

#[test]
fn a_current_file_is_opened_and_a_stale_one_is_made_anew() {
    let state = State::new();
    let first = state.open(None);
    let file = state.file();
    state.open(None);
    assert_eq!(state.file(), file, "nothing changed");
    // The same content written again looks otherwise, but is the same.
    state.import(&FILES);
    let same = state.open(None);
    assert_eq!(state.file(), file, "the content did not change");
    assert_eq!(same.index.version(), first.index.version());
    let mut files = FILES;
    files[0].1 = "new.example\n";
    state.import(&files);
    let new = state.open(Some(&first.index));
    assert_ne!(state.file(), file);
    assert_ne!(new.index.version(), first.index.version());
    let host = Host::parse("new.example").unwrap();
    assert_eq!(new.index.all(&host, 80, None, None).len(), 1);
    assert_eq!(
        first.index.all(&host, 80, None, None).len(),
        0,
        "the old one stays as it was"
    );
    let old = Host::parse("b.example").unwrap();
    assert_eq!(first.index.all(&old, 80, None, None).len(), 2);
}

#[test]
fn a_local_edit_leaves_the_base_alone() {
    let state = State::new();
    state.local("chat/domains", "mine.example\n");
    let first = state.open(None).index;
    state.local("news/domains", "b.example\nmine.example\n");
    let next = state.open(Some(&first)).index;
    assert!(Arc::ptr_eq(first.base(), next.base()));
    assert_ne!(first.version(), next.version());
    let host = Host::parse("mine.example").unwrap();
    let names = |index: &Index| -> Vec<String> {
        let set = index.host_categories(&host);
        set.iter()
            .map(|id| index.names().name(id).to_string())
            .collect()
    };
    assert_eq!(names(&first), ["chat"]);
    assert_eq!(names(&next), ["chat", "news"]);
    // Numbers move when a category comes between others; names of the base's entries must not.
    let both = Host::parse("b.example").unwrap();
    let found: Vec<String> = next
        .host_categories(&both)
        .iter()
        .map(|id| next.names().name(id).to_string())
        .collect();
    assert_eq!(found, ["chat", "games", "news"]);
}

#[test]
fn a_file_with_any_byte_wrong_or_cut_off_anywhere_is_refused() {
    use std::os::unix::fs::FileExt;
    let state = State::new();
    // Without the starter lists it is small enough to try every byte.
    let sources = [Source::directory("ut1", state.root.path().join("ut1"))];
    open(&state.place(), &sources, None, &mut |_| {}).unwrap();
    let path = state.place().join(FILE);
    let whole = fs::read(&path).unwrap();
    let copy = state.root.path().join("copy");
    fs::write(&copy, &whole).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&copy).unwrap();
    // Miri takes its time.
    let step = if cfg!(miri) { 499 } else { 1 };
    for at in (0..whole.len()).step_by(step) {
        let wrong = whole[at] ^ (1 << (at % 8));
        file.write_all_at(&[wrong], at as u64).unwrap();
        assert!(open_alone(&copy).is_err(), "byte {at}");
        file.write_all_at(&whole[at..=at], at as u64).unwrap();
    }
    assert!(open_alone(&copy).is_ok());
    file.write_all_at(&[0], whole.len() as u64).unwrap();
    assert!(open_alone(&copy).is_err(), "a byte more");
    for length in (0..whole.len()).rev().step_by(step) {
        file.set_len(length as u64).unwrap();
        assert!(open_alone(&copy).is_err(), "{length} bytes");
    }
}

/// The sums of a file are no secret: one that was made to pass may say anything, and is refused or answers.
#[test]
fn a_file_made_to_pass_its_check_sums_neither_panics_nor_stalls() {
    let state = State::new();
    let sources = [Source::directory("ut1", state.root.path().join("ut1"))];
    open(&state.place(), &sources, None, &mut |_| {}).unwrap();
    let whole = fs::read(state.place().join(FILE)).unwrap();
    let place = state.root.path().join("made");
    let mut opened = 0;
    let step = if cfg!(miri) { 499 } else { 3 };
    // A head has nothing but zeros behind its list of parts.
    for at in (0..440).chain(4096..whole.len()).step_by(step) {
        for value in [0, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            let beside = state.root.path().join("beside");
            fs::write(&beside, with_right_sums(&bytes)).unwrap();
            fs::rename(beside, &place).unwrap();
            if let Ok(index) = open_alone(&place) {
                opened += 1;
                told(&index);
            }
        }
    }
    assert!(opened > 0, "the sums were put right");
}

#[test]
fn a_damaged_or_lost_file_is_made_anew() {
    let state = State::new();
    let first = state.open(None);
    let path = state.place().join(FILE);
    let whole = fs::read(&path).unwrap();
    let damage: [&dyn Fn(); 4] = [
        &|| fs::write(&path, &whole[..whole.len() / 2]).unwrap(),
        &|| fs::write(&path, b"").unwrap(),
        &|| fs::remove_file(&path).unwrap(),
        &|| fs::remove_dir_all(state.place()).unwrap(),
    ];
    drop(first.index);
    for damage in damage {
        damage();
        let built = state.open(None);
        assert_eq!(
            fs::read(&path).unwrap(),
            whole,
            "the same sources make the same file"
        );
        assert_eq!(built.report, first.report);
    }
}

#[test]
fn where_nothing_can_be_written_the_base_is_held_in_memory_and_a_warning_says_so() {
    let state = State::new();
    fs::write(state.place(), "a file in the way").unwrap();
    let built = open(&state.place(), &state.sources(), None, &mut |_| {}).unwrap();
    let warning = built.warning.unwrap();
    assert!(warning.contains(".index"), "{warning}");
    let memory = build(&state.sources(), &mut |_| {}).unwrap();
    assert_eq!(told(&built.index), told(&memory.index));
    let next = open(
        &state.place(),
        &state.sources(),
        Some(&built.index),
        &mut |_| {},
    )
    .unwrap();
    assert_eq!(told(&next.index), told(&memory.index));
}

#[test]
fn who_only_looks_uses_a_current_file_and_writes_none() {
    let state = State::new();
    let memory = look(&state.place(), &state.sources(), &mut |_| {}).unwrap();
    assert!(!state.place().exists());
    state.open(None);
    let looked = look(&state.place(), &state.sources(), &mut |_| {}).unwrap();
    assert_eq!(told(&looked.index), told(&memory.index));
    assert_eq!(looked.report, memory.report);
    assert!(
        looked.index.bytes() < memory.index.bytes(),
        "its names are mapped"
    );
}

#[test]
fn a_file_of_another_version_is_not_read() {
    let state = State::new();
    state.open(None);
    let path = state.place().join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] += 1;
    fs::write(&path, bytes).unwrap();
    assert!(matches!(open_alone(&path), Err(FileError::Foreign)));
    state.open(None);
    assert!(open_alone(&path).is_ok());
}

/// Not a test: makes the seeds of the fuzz target, anew with each format and version, from the repository's top:
/// `WEIR_SEEDS=$PWD/fuzz/corpus/index_file cargo test -p weir-categories --lib -- --ignored seeds`.
#[test]
#[ignore = "writes fuzz/corpus/index_file"]
fn seeds_of_the_fuzz_target() {
    let to = PathBuf::from(std::env::var_os("WEIR_SEEDS").unwrap());
    fs::create_dir_all(&to).unwrap();
    let state = State::new();
    let sources = [Source::directory("ut1", state.root.path().join("ut1"))];
    open(&state.place(), &sources, None, &mut |_| {}).unwrap();
    let whole = fs::read(state.place().join(FILE)).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(to.join(name), bytes).unwrap();
    write("whole", &whole);
    write("empty", b"");
    write("head-alone", &whole[..4096]);
    write("cut-off", &whole[..whole.len() - 9]);
    let changed = |at: usize, with: &[u8]| {
        let mut bytes = whole.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    write("other-magic", &changed(0, b"someelse"));
    write("other-format", &changed(8, &[255]));
    write("many-sections", &changed(12, &[255, 255, 255, 255]));
    for section in 0..14 {
        let at = 40 + 24 * section;
        write(
            &format!("section-{section}-far"),
            &changed(at + 8, &[255; 4]),
        );
        write(
            &format!("section-{section}-long"),
            &changed(at + 16, &[255, 255]),
        );
        write(
            &format!("section-{section}-none"),
            &changed(at + 16, &[0; 8]),
        );
    }
    for at in (4096..whole.len() - 64).step_by(1024) {
        write(&format!("ones-at-{at}"), &changed(at, &[255; 16]));
    }
}
