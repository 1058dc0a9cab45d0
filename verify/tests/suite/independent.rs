//! LM-29: a second implementation, in another language and from the documentation alone, comes to the same.

use std::fs;
use std::process::{Command, Output};

use weir_evidence::Hash;

use crate::bundle::person;
use crate::gone::{erase, expire_content, tombstones};
use crate::log::{Lab, with_text};

/// The script checks what it is given: directory, leaves and rows.
fn python(lab: &Lab) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let (leaves, rows) = (folder.path().join("leaves"), folder.path().join("rows"));
    let verified = Command::new(env!("CARGO_BIN_EXE_weir-verify"))
        .arg(&lab.path)
        .arg("--kek-file")
        .arg(lab.kek_file())
        .arg("--leaves")
        .arg(&leaves)
        .output()
        .unwrap();
    assert!(verified.status.code().is_some_and(|code| code < 2));
    let mut exported = Vec::new();
    let query = weir_monitoring::query::Query::default();
    let form = weir_monitoring::export::Format::Jsonl;
    let purpose = "effective-operation";
    weir_monitoring::export::run(&lab.store(), &query, form, purpose, &mut exported).unwrap();
    fs::write(&rows, exported).unwrap();
    // The script reads secrets and salts in the clear; at rest they are encrypted.
    let open = lab.copy();
    for file in open.files() {
        let salts = file.salts(&open.store()).unwrap().unwrap();
        fs::write(file.path.with_extension("secret"), salts.to_bytes()).unwrap();
    }
    let tags = weir_monitoring::proof::tag_key(&lab.store(), "weir").unwrap();
    fs::write(open.log("tag-key"), tags.unwrap().to_text()).unwrap();
    Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rfc6962.py"))
        .args([open.path.as_path(), &leaves, &rows])
        .output()
        .unwrap()
}

/// What the script says of a log in which it must find nothing wrong.
fn told_of_a_log_that_holds(lab: &Lab) -> String {
    let output = python(lab);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}{wrong}");
    told
}

#[test]
fn python_recomputes_leaves_roots_proofs_and_signatures_lm_29() {
    let lab = Lab::new();
    lab.rotate();
    lab.record(20);
    let told = told_of_a_log_that_holds(&lab);
    assert!(
        told.contains("188 rows recomputed from their fields"),
        "{told}"
    );
    assert!(told.contains("checkpoints verified"), "{told}");
    let segments = lab.files().len();
    let rebuilt = format!("{segments} users trees rebuilt");
    assert!(told.contains(&rebuilt), "{told}");
    assert!(told.contains("inclusion proofs"), "{told}");
    assert!(told.contains("consistency proofs"), "{told}");
}

#[test]
fn python_follows_erased_rows_and_expired_content_by_their_tombstones_lm_15_lm_29() {
    let lab = Lab::new();
    erase(&lab, person("ann"));
    lab.record(30);
    expire_content(&lab);
    let told = told_of_a_log_that_holds(&lab);
    assert!(told.contains("54 tombstones"), "{told}");
    let rebuilt = format!("{} users trees rebuilt", lab.files().len());
    assert!(told.contains(&rebuilt), "{told}");
    // A tombstone with another leaf, of another person, or that another event is to tell of.
    let stones = |lab: &Lab| tombstones(lab).pop().unwrap();
    let text = fs::read_to_string(stones(&lab)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let event = lines[1].rsplit(' ').next().unwrap();
    let (leaf, tag) = lines[2].split_once(' ').unwrap();
    for (what, other, words) in [
        (
            leaf,
            Hash::of(b"other").to_string(),
            "the root of checkpoint",
        ),
        (tag, "00".repeat(16), "the users or numbers of"),
        (event, "00000000000000aa".to_owned(), "no row tells of"),
    ] {
        let lab = lab.copy();
        fs::write(stones(&lab), text.replacen(what, &other, 1)).unwrap();
        let output = python(&lab);
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{what}: {told}");
        assert!(told.contains(words), "{what}: {told}");
    }
}

#[test]
fn python_sees_an_edited_row_and_an_altered_checkpoint_too_lm_29() {
    let lab = Lab::new();
    lab.alter(&lab.file_of(50), |rows| with_text(&rows, "user", 50, "eve"));
    let output = python(&lab);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("root"));
    let lab = Lab::new();
    let text = fs::read_to_string(lab.log("checkpoints")).unwrap();
    fs::write(
        lab.log("checkpoints"),
        text.replacen("why stop", "why seal", 1),
    )
    .unwrap();
    let output = python(&lab);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("signature"));
}
