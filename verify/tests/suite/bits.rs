//! LM-31, LM-37: one flipped bit, anywhere.

use std::fs;
use std::path::{Path, PathBuf};

use crate::log::Lab;

/// Places of each file that are tried, beside its first and last bytes.
const SAMPLES: usize = 40;

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn one_flipped_bit_in_any_file_is_seen_lm_31() {
    let lab = Lab::new();
    let mut all = Vec::new();
    files(&lab.path, &mut all);
    all.sort();
    let kinds = ["parquet", "secret", "hints", "hosts", "users"];
    for kind in kinds {
        assert!(
            all.iter()
                .any(|path| path.extension().is_some_and(|own| own == kind))
        );
    }
    // A fixed walk, so that a place that is ever found not to be seen stays found.
    let mut number = 0x9e37_79b9_u64;
    let mut roll = move || {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(number >> 33).unwrap()
    };
    let mut tried = 0;
    for path in all {
        // The index proves nothing and is not looked at; a search does not use one that was damaged.
        let name = path.file_name().unwrap();
        if ["periods", "index", "contents"]
            .iter()
            .any(|own| name == *own)
        {
            continue;
        }
        let whole = fs::read(&path).unwrap();
        if whole.is_empty() {
            continue;
        }
        let mut places: Vec<usize> = (0..SAMPLES).map(|_| roll() % whole.len()).collect();
        places.extend([0, 1, whole.len() - 1, whole.len() - whole.len().min(9)]);
        for at in places {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (roll() % 8);
            fs::write(&path, flipped).unwrap();
            tried += 1;
            let Ok(report) = lab.try_check() else {
                // The keys cannot be opened at all, and it is said which.
                continue;
            };
            let shown = path.strip_prefix(&lab.path).unwrap();
            assert!(
                !report.holds(),
                "byte {at} of {}: {}",
                shown.display(),
                report.to_text()
            );
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(tried > 400, "{tried}");
    assert!(lab.check().holds());
}
