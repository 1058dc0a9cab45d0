//! What the benches share: where their data lies, which mode they run in, and the naive engine that the index is measured
//! against. It decides nothing about Weir, and Weir does not use it.

pub mod keywords;
mod naive;
mod sites;
mod traffic;
mod weir;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use naive::{Naive, Sorted};
pub use sites::{listed, spread, top_sites, unlisted};
pub use traffic::Traffic;
pub use weir::{Running, find};

/// True when each bench is only to show that it runs: under `cargo test`, and with `-- --test`. Data is small then.
///
/// criterion decides in the same way, and does not tell.
pub fn is_smoke() -> bool {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    !has("--bench") || has("--test")
}

/// The top of the checkout.
pub fn checkout() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Bytes of all files below a directory, by what their names end in; wrapped data keys, whose names end in a number, are one kind.
pub fn bytes_at_rest(directory: &Path) -> BTreeMap<String, u64> {
    let mut bytes = BTreeMap::<String, u64>::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let end = path.extension().or(path.file_name()).unwrap_or_default();
            let end = end.to_string_lossy();
            let is_number = end.len() == 16 && end.bytes().all(|byte| byte.is_ascii_hexdigit());
            let kind = if is_number { "keys" } else { &*end };
            let size = entry.metadata().map_or(0, |metadata| metadata.len());
            *bytes.entry(kind.to_owned()).or_default() += size;
        }
    }
    bytes
}

/// The folder with the real lists: `WEIR_SHARED`, by default `shared` beside the checkout. None when it is not there,
/// which is said on standard error.
pub fn shared() -> Option<PathBuf> {
    let beside = || checkout().join("../shared");
    let folder = std::env::var_os("WEIR_SHARED").map_or_else(beside, PathBuf::from);
    if folder.join("lists").is_dir() {
        return Some(folder);
    }
    eprintln!(
        "no real lists at {} (set WEIR_SHARED): skipped",
        folder.display()
    );
    None
}
