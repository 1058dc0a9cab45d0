//! The configuration as a whole.

#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn the_embedded_configuration_has_no_fault() {
    let loaded = embedded().unwrap();
    assert!(loaded.settings.lists.embedded);
    assert_eq!(loaded.warnings, []);
}
