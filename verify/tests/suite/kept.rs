//! LM-01, LM-06, LM-34: what lies beside the records and decides what they may hold is what the log says, or it is told.

use std::fs;
use std::path::{Path, PathBuf};

use weir_monitoring::{Recorder, RecorderSettings};
use weir_verify::{Outside, Report, check};

use crate::log::Lab;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// A log whose checkpoints speak of the files of its state directory.
struct Site {
    lab: Lab,
    state: PathBuf,
}

const LISTS: &str = "policies/lists-00ab12.json";

impl Site {
    fn new() -> Site {
        let lab = Lab::new();
        let state = lab.path.with_file_name("state");
        fs::create_dir_all(state.join("policies")).unwrap();
        let site = Site { lab, state };
        site.put("basis.jsonl", "{\"act\":\"set\"}\n");
        site.put("notice.jsonl", "{\"identity\":\"user:ann\"}\n");
        site.put(LISTS, "{\"gambling\":3}");
        site.put(
            "policies/00ab12.toml",
            "another file, which is not spoken of",
        );
        site.run();
        site
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.state.join(name), text).unwrap();
    }

    fn get(&self, name: &str) -> String {
        fs::read_to_string(self.state.join(name)).unwrap()
    }

    /// Starts and stops, which signs.
    fn run(&self) {
        let recorder = Recorder::start(RecorderSettings {
            state: Some(self.state.clone()),
            ..self.lab.settings()
        });
        recorder.unwrap().stop(PATIENCE).unwrap();
    }

    fn check_with(&self, state: Option<&Path>) -> Report {
        let mut outside = Outside::default();
        state.into_iter().for_each(|state| outside.add_state(state));
        check(&self.lab.store(), &outside, &mut |_, _, _| Ok(())).unwrap()
    }

    #[track_caller]
    fn holds(&self) -> String {
        let report = self.check_with(Some(&self.state));
        assert!(report.holds(), "{}", report.to_text());
        report.to_text()
    }

    #[track_caller]
    fn faulty(&self, name: &str, words: &str) {
        let report = self.check_with(Some(&self.state));
        assert_eq!(report.faults.len(), 1, "{}", report.to_text());
        let fault = &report.faults[0];
        assert_eq!(fault.place.file.as_deref(), Some(name));
        assert!(fault.what.contains(words), "{fault:?}");
        assert!(fault.place.checkpoint.is_some());
    }
}

#[test]
fn authorisation_notice_ledger_and_list_versions_are_what_the_log_says_lm_01_lm_34() {
    let site = Site::new();
    let told = site.holds();
    let words = "these are what the log says: basis.jsonl, notice.jsonl, versions of the lists";
    assert!(told.contains(words), "{told}");
    // They are named once, and again when they have grown.
    let named = |site: &Site| -> Vec<String> {
        let points = site.lab.points();
        let kept = points.iter().flat_map(|it| &it.checkpoint.kept);
        kept.map(|it| format!("{} {}", it.name, it.bytes)).collect()
    };
    let before = named(&site);
    assert_eq!(before.len(), 3, "{before:?}");
    site.run();
    assert_eq!(named(&site), before);
    site.put(
        "basis.jsonl",
        &format!("{}{{\"act\":\"end\"}}\n", site.get("basis.jsonl")),
    );
    let told = site.holds();
    assert!(
        told.contains("the last 14 bytes of basis.jsonl came after"),
        "{told}"
    );
    site.run();
    assert!(!site.holds().contains("came after checkpoint"));
    assert_eq!(named(&site)[3..], ["basis.jsonl 28".to_owned()]);
}

#[test]
fn an_altered_authorisation_ledger_or_list_version_is_named_lm_01_lm_06_lm_34() {
    for (name, other) in [
        ("basis.jsonl", "{\"act\":\"sot\"}\n"),
        ("basis.jsonl", "{\"act\""),
        ("notice.jsonl", "{\"identity\":\"user:bob\"}\n"),
        (LISTS, "{\"gambling\":4}"),
    ] {
        let site = Site::new();
        site.put(name, other);
        site.faulty(name, "altered or cut off");
    }
    let site = Site::new();
    fs::remove_file(site.state.join("basis.jsonl")).unwrap();
    site.faulty("basis.jsonl", "it is not there");
    // A version of lists goes with the records that name it.
    let site = Site::new();
    fs::remove_file(site.state.join(LISTS)).unwrap();
    let told = site.holds();
    assert!(
        told.contains("1 versions of lists that checkpoints name are not there"),
        "{told}"
    );
}

#[test]
fn an_authorisation_written_anew_between_two_checkpoints_is_told_lm_01() {
    let site = Site::new();
    site.put("basis.jsonl", "{\"act\":\"sot\"}\n{\"act\":\"end\"}\n");
    site.run();
    let told = site.holds();
    assert!(
        told.contains("basis.jsonl was written anew between checkpoint "),
        "{told}"
    );
}

#[test]
fn without_the_state_directory_a_check_says_what_it_did_not_look_at_lm_37() {
    let site = Site::new();
    let report = site.check_with(None);
    assert!(report.holds());
    let told = report.to_text();
    assert!(
        told.contains("3 files beside the records") && told.contains("--state"),
        "{told}"
    );
}
