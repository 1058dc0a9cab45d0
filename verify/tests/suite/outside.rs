//! LM-30, LM-31, LM-37: keys and checkpoints kept outside, through the binary as a stranger would run it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::log::{Lab, with_text};

fn run(args: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir-verify"));
    command.args(args);
    // The key lies beside the records of a lab.
    if let Some(kek) = args.first().map(|path| path.with_extension("kek"))
        && kek.exists()
    {
        command.arg("--kek-file").arg(kek);
    }
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    let both = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8(both).unwrap()
}

/// A key and a checkpoint as somebody outside keeps them.
struct Kept {
    folder: tempfile::TempDir,
    key: PathBuf,
    checkpoint: PathBuf,
}

impl Kept {
    fn of(lab: &Lab) -> Kept {
        let folder = tempfile::tempdir().unwrap();
        let (key, checkpoint) = (folder.path().join("key"), folder.path().join("checkpoint"));
        let public = lab.points()[0].checkpoint.key.clone().unwrap();
        fs::write(&key, format!("{public}\n")).unwrap();
        fs::copy(lab.log("latest"), &checkpoint).unwrap();
        Kept {
            folder,
            key,
            checkpoint,
        }
    }

    fn check(&self, lab: &Lab) -> Output {
        let (key, checkpoint) = (Path::new("--key"), Path::new("--checkpoint"));
        run(&[&lab.path, key, &self.key, checkpoint, &self.checkpoint])
    }
}

#[test]
fn a_log_that_grew_since_holds_against_what_was_kept_and_nothing_is_left_open_lm_37() {
    let lab = Lab::new();
    let kept = Kept::of(&lab);
    lab.record(10);
    let output = kept.check(&lab);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("The log holds"), "{told}");
    assert!(!told.contains("from outside was given"), "{told}");
}

#[test]
fn a_log_rolled_back_to_an_older_copy_is_seen_lm_31() {
    let lab = Lab::new();
    let older = lab.copy();
    lab.record(10);
    let kept = Kept::of(&lab);
    assert!(
        older.check().holds(),
        "inside itself an older copy is whole"
    );
    let output = kept.check(&older);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("rows 165 to 176"), "{told}");
    assert!(told.contains("rolled back to an older copy"), "{told}");
    // Also when it was continued in between.
    older.record(10);
    let output = kept.check(&older);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("the log was written anew"), "{told}");
}

#[test]
fn a_log_written_anew_with_the_right_key_is_seen_lm_30() {
    let lab = Lab::new();
    let kept = Kept::of(&lab);
    lab.alter(&lab.file_of(50), |rows| with_text(&rows, "user", 50, "eve"));
    lab.sign_anew(&lab.key(), |_| ());
    let output = kept.check(&lab);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("the log was written anew"), "{told}");
}

#[test]
fn a_log_under_another_key_is_seen_and_so_is_the_wrong_key_lm_31() {
    let (lab, other) = (Lab::new(), Lab::other());
    let kept = Kept::of(&lab);
    let output = kept.check(&other);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("none of its keys is the one that was kept outside"),
        "{told}"
    );
    assert!(
        told.contains("is signed by none of this log's keys"),
        "{told}"
    );
    // The key alone is enough.
    let output = run(&[&other.path, Path::new("--key"), &kept.key]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_key_kept_from_before_a_rotation_still_fits_lm_31() {
    let lab = Lab::new();
    let kept = Kept::of(&lab);
    lab.rotate();
    let output = kept.check(&lab);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn the_answer_is_an_exit_status_and_json_lm_37() {
    let lab = Lab::new();
    let json = run(&[&lab.path, Path::new("--json")]);
    assert_eq!(json.status.code(), Some(0));
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["holds"], true);
    assert_eq!(report["logs"][0]["proved"], 164);
    lab.alter(&lab.file_of(50), |rows| with_text(&rows, "user", 50, "eve"));
    let json = run(&[&lab.path, Path::new("--json")]);
    assert_eq!(json.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["holds"], false);
    assert!(
        report["faults"][0]["file"]
            .as_str()
            .unwrap()
            .starts_with("segments/")
    );
}

#[test]
fn what_cannot_be_checked_is_neither_good_nor_bad_lm_37() {
    let kept = Kept::of(&Lab::new());
    let nowhere = kept.folder.path().join("nowhere");
    let here = kept.folder.path();
    let flag = |flag: &'static str| Path::new(flag);
    for args in [
        vec![],
        vec![nowhere.as_path()],
        vec![here],
        vec![here, here],
        vec![flag("--frobnicate")],
        vec![here, flag("--key"), nowhere.as_path()],
        vec![here, flag("--key")],
        vec![here, flag("--checkpoint"), kept.key.as_path()],
        vec![here, flag("--key"), kept.checkpoint.as_path()],
    ] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output));
    }
    assert_eq!(run(&[flag("--help")]).status.code(), Some(0));
}

#[test]
fn without_the_key_of_the_records_what_can_be_checked_is_and_the_rest_is_said_lm_37() {
    let lab = Lab::new();
    let path = lab.file_of(50).path;
    fs::rename(lab.kek_file(), lab.path.with_extension("elsewhere")).unwrap();
    let output = run(&[&lab.path]);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("no key was given"), "{told}");
    // A sealed file is still the one that was signed, byte for byte.
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let output = run(&[&lab.path]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    // A wrong key is no reason to say that anything was altered.
    fs::write(lab.kek_file(), [7; 32]).unwrap();
    let output = run(&[&lab.path]);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("encrypted under the key with number"),
        "{told}"
    );
}

#[test]
fn the_verifier_has_no_network_code_lm_37() {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "-p",
            "weir-verify",
            "-e",
            "normal",
            "--prefix",
            "none",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = text(&output);
    assert!(tree.contains("weir-evidence"), "{tree}");
    for name in ["tokio", "hyper", "rustls", "hickory", "socket2", "mio"] {
        let is_there = tree.lines().any(|line| line.starts_with(name));
        assert!(!is_there, "{name} in {tree}");
    }
}
