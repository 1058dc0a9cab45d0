//! One look from beginning to end, over files: what is taken, what is refused, and what is remembered. Looks over the
//! network are in `tests/e2e/sources`, before a running Weir.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use weir_config::Settings;

use super::*;
use crate::resolve::{Names, Resolver};

/// A source `ads` with these lines.
pub(crate) fn source(lines: &str) -> ListSource {
    settings(Path::new("/nowhere"), lines)
        .lists
        .sources
        .remove(0)
}

fn settings(directory: &Path, lines: &str) -> Settings {
    let from = if lines.contains("from =") {
        ""
    } else {
        "from = 'https://lists.example/ads.txt'\n"
    };
    let text = format!("state = 'state'\n[[lists.source]]\nname = 'ads'\n{from}{lines}\n");
    let policy = include_str!("../../../tests/src/policy.toml");
    weir_config::parse(&text, policy, directory)
        .unwrap()
        .settings
}

/// A directory with a list, and looks for it.
struct Place {
    directory: tempfile::TempDir,
    lines: String,
}

impl Place {
    fn new(lines: &str) -> Place {
        Place {
            directory: tempfile::tempdir().unwrap(),
            lines: format!("from = 'list.txt'\n{lines}"),
        }
    }

    fn write(&self, text: &str) {
        fs::write(self.directory.path().join("list.txt"), text).unwrap();
    }

    fn lists(&self) -> PathBuf {
        self.directory.path().join("state/lists")
    }

    fn look(&self, force: bool) -> (State, Outcome) {
        let settings = settings(self.directory.path(), &self.lines);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default())
            .unwrap();
        let resolver = Resolver::new(&settings.resolver, runtime.handle().clone()).unwrap();
        let network = Network {
            names: &Names::new(resolver, 8),
            egress: &crate::snapshot::egress(&settings),
            tls: &crate::tls::client_config(&[]).unwrap(),
            settings: &settings,
        };
        let look = Look {
            source: &settings.lists.sources[0],
            network: &network,
            force,
        };
        runtime.block_on(once(&look, &mut |_| {}))
    }

    fn in_force(&self) -> String {
        fs::read_to_string(self.lists().join("ads/ads/domains")).unwrap_or_default()
    }

    /// The look that is refused, with what is said of it.
    fn refused(&self) -> String {
        let before = self.in_force();
        let (state, outcome) = self.look(false);
        assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
        assert_eq!(self.in_force(), before);
        state.fault.unwrap()
    }
}

#[test]
fn a_file_is_taken_then_unchanged_then_taken_again() {
    let place = Place::new("category = 'ads'");
    place.write("b.example\na.example\n");
    let (state, outcome) = place.look(false);
    assert!(
        matches!(
            outcome,
            Outcome::Updated {
                entries: 2,
                before: None
            }
        ),
        "{outcome:?}"
    );
    assert_eq!(place.in_force(), "a.example\nb.example\n");
    assert_eq!((state.failures, state.entries), (0, 2));
    let (again, outcome) = place.look(false);
    assert!(
        matches!(outcome, Outcome::Unchanged { entries: 2 }),
        "{outcome:?}"
    );
    assert_eq!(again.changed, state.changed);
    assert!(again.good > state.good);
    place.write("a.example\nb.example\nc.example\n");
    let (_, outcome) = place.look(false);
    assert!(
        matches!(
            outcome,
            Outcome::Updated {
                entries: 3,
                before: Some(2)
            }
        ),
        "{outcome:?}"
    );
}

#[test]
fn what_is_written_anew_with_the_same_bytes_is_unchanged() {
    let place = Place::new("category = 'ads'");
    place.write("a.example\n");
    place.look(false);
    std::thread::sleep(Duration::from_millis(20));
    place.write("a.example\n");
    let (_, outcome) = place.look(false);
    assert!(matches!(outcome, Outcome::Unchanged { .. }), "{outcome:?}");
    let (_, outcome) = place.look(true);
    assert!(matches!(outcome, Outcome::Updated { .. }), "{outcome:?}");
}

#[test]
fn what_lost_too_many_entries_is_refused_until_a_person_wants_it() {
    let place = Place::new("category = 'ads'\nshrink_max = 0.5");
    place.write("a.example\nb.example\nc.example\nd.example\n");
    place.look(false);
    place.write("a.example\n");
    assert!(place.refused().contains("1 entries, 4 before"));
    // What was refused once is refused again, not taken for unchanged.
    assert!(place.refused().contains("1 entries, 4 before"));
    let (state, outcome) = place.look(true);
    assert!(
        matches!(outcome, Outcome::Updated { entries: 1, .. }),
        "{outcome:?}"
    );
    assert_eq!((state.failures, state.fault), (0, None));
    place.write("b.example\nc.example\n");
    assert!(matches!(
        place.look(false).1,
        Outcome::Updated { entries: 2, .. }
    ));
    place.write("b.example\n");
    let half = place.look(false).1;
    assert!(
        matches!(half, Outcome::Updated { entries: 1, .. }),
        "{half:?}"
    );
}

#[test]
fn what_is_empty_absent_too_large_or_a_page_is_refused() {
    let place = Place::new("category = 'ads'\nsize_max = '1KiB'");
    assert!(place.refused().contains("No such file"));
    place.write("");
    assert!(place.refused().contains("empty"));
    place.write("<!DOCTYPE html><title>Gone</title>");
    assert!(place.refused().contains("HTML"));
    place.write(&"a.example\n".repeat(200));
    assert!(place.refused().contains("size_max"));
    place.write("# nothing but words\n");
    assert!(place.refused().contains("it is empty"));
    let (state, outcome) = place.look(false);
    assert!(matches!(outcome, Outcome::Failed(_)));
    assert_eq!(state.failures, 6);
}

#[test]
fn what_has_another_digest_is_refused() {
    let sum = "edeaaff3f1774ad2888673770c6d64097e391bc362d7d6fb34982ddf0efd18cb";
    let place = Place::new(&format!("category = 'ads'\nsha256 = '{sum}'"));
    place.write("abd\n");
    assert!(place.refused().contains(sum));
    let place = Place::new("category = 'ads'\nsha256_from = 'list.txt.sha256'");
    place.write("a.example\n");
    assert!(place.refused().contains("list.txt.sha256"));
    let file = place.directory.path().join("list.txt.sha256");
    fs::write(&file, format!("{sum}  list.txt\n")).unwrap();
    assert!(place.refused().contains(sum));
    fs::write(&file, "nothing\n").unwrap();
    assert!(place.refused().contains("no line for it"));
    let output = sha2_of(b"a.example\n");
    fs::write(&file, format!("{output}  list.txt\n")).unwrap();
    assert!(matches!(
        place.look(false).1,
        Outcome::Updated { entries: 1, .. }
    ));
}

fn sha2_of(bytes: &[u8]) -> String {
    use sha2::Digest;
    fetch::hex(&sha2::Sha256::digest(bytes))
}

#[test]
fn a_source_that_is_configured_otherwise_is_taken_anew() {
    let mut place = Place::new("category = 'ads'");
    place.write("a.example\n");
    place.look(false);
    place.lines = "from = 'list.txt'\ncategory = 'adult'".to_owned();
    let (_, outcome) = place.look(false);
    assert!(matches!(outcome, Outcome::Updated { .. }), "{outcome:?}");
    assert!(place.lists().join("ads/adult/domains").exists());
    assert!(!place.lists().join("ads/ads").exists());
    // Someone removed the import by hand.
    fs::remove_dir_all(place.lists().join("ads")).unwrap();
    let (_, outcome) = place.look(false);
    assert!(matches!(outcome, Outcome::Updated { .. }), "{outcome:?}");
}

#[test]
fn a_directory_with_categories_is_mapped_as_the_source_says() {
    let place = Place::new("");
    let tree = place.directory.path().join("tree");
    for category in ["publicite", "press", "games"] {
        fs::create_dir_all(tree.join(category)).unwrap();
        fs::write(tree.join(category).join("domains"), "a.example\n").unwrap();
    }
    let place = Place {
        lines: "from = 'tree'\ncategories = { press = '', games = ['adult', 'games'], publicite = 'ads' }".to_owned(),
        ..place
    };
    let (_, outcome) = place.look(false);
    assert!(matches!(outcome, Outcome::Updated { .. }), "{outcome:?}");
    let has = |category: &str| place.lists().join("ads").join(category).is_dir();
    assert!(has("adult") && has("games") && has("ads"));
    assert!(!has("press"));
    assert!(matches!(place.look(false).1, Outcome::Unchanged { .. }));
}

#[test]
fn names_of_files_are_safe_and_of_the_lists_last_part() {
    let name = |from: &str| file_name(&source(&format!("from = '{from}'")).from);
    assert_eq!(
        name("https://lists.example/a/ut1.tar.gz?x=/y"),
        "ut1.tar.gz"
    );
    assert_eq!(name("https://lists.example/"), "list");
    assert_eq!(name("https://lists.example/a/..%2f"), "2f");
    assert_eq!(name("https://lists.example/map.toml"), "list");
    assert_eq!(name("lists/ads.txt"), "ads.txt");
}

/// The rule is written twice, because the configuration does not know the lists.
#[test]
fn the_configuration_takes_the_names_that_lists_take() {
    let taken = |name: &str| {
        let text = format!("[[lists.source]]\nname = {name:?}\nfrom = 'x'\n");
        let policy = include_str!("../../../tests/src/policy.toml");
        weir_config::parse(&text, policy, Path::new("/nowhere")).is_ok()
    };
    let long = "x".repeat(64);
    let longer = "x".repeat(65);
    let names = [
        "ads", "4chan", "a-b_c", "-a", "", "Ads", "a b", "a/b", "..", "é", "unlisted", "address",
        &long, &longer,
    ];
    for name in names {
        let known = weir_categories::category::check_name(name).is_ok();
        assert_eq!(taken(name), known, "{name:?}");
    }
}

/// minisign's own example: what it signs is no list, so what is said of it afterwards is that.
#[test]
fn threats_7_a_list_that_was_signed_before_the_one_in_force_is_refused_unless_it_is_forced() {
    let place = Place::new(
        "category = 'ads'\nformat = 'plain'\npublic_key = 'RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3'",
    );
    let signature = "untrusted comment: signature from minisign secret key\n\
        RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n\
        trusted comment: timestamp:1556193335\tfile:test\n\
        y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==";
    place.write("test");
    fs::write(place.directory.path().join("list.txt.minisig"), signature).unwrap();
    let (_, outcome) = place.look(false);
    assert!(
        matches!(&outcome, Outcome::Failed(Fault::Import(_))),
        "{outcome:?}"
    );
    // As an update that was signed a second later leaves it.
    let import = place.lists().join("ads");
    fs::create_dir_all(import.join("ads")).unwrap();
    let manifest = weir_categories::manifest::Manifest::new("ads", "list.txt", 0);
    fs::write(import.join("manifest.json"), manifest.to_json().unwrap()).unwrap();
    let directory = state::directory(&place.lists(), "ads");
    let mut state = State::read(&directory);
    let signed = |signed| State {
        signed: Some(signed),
        ..state.clone()
    };
    signed(1_556_193_336).write(&directory).unwrap();
    let (after, outcome) = place.look(false);
    assert!(
        matches!(
            outcome,
            Outcome::Failed(Fault::Older {
                signed: 1_556_193_335,
                before: 1_556_193_336
            })
        ),
        "{outcome:?}"
    );
    assert_eq!(after.signed, Some(1_556_193_336));
    assert!(matches!(
        place.look(true).1,
        Outcome::Failed(Fault::Import(_))
    ));
    // The same time again is the same list again.
    signed(1_556_193_335).write(&directory).unwrap();
    assert!(matches!(
        place.look(false).1,
        Outcome::Failed(Fault::Import(_))
    ));
    state.signed = None;
    state.write(&directory).unwrap();
    assert!(matches!(
        place.look(false).1,
        Outcome::Failed(Fault::Import(_))
    ));
}
