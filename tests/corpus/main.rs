//! Every input that fuzzing was ever given or found, through the properties of the fuzz targets.
#![allow(clippy::unwrap_used)]

#[path = "../../fuzz/src/lib.rs"]
#[expect(
    unreachable_pub,
    reason = "the fuzz workspace is the other user of this file"
)]
mod targets;

use std::path::Path;

/// Runs each file of a corpus; the file's name is printed before it, so that a failure names it.
fn replay(corpus: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(corpus);
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        target(&std::fs::read(path).unwrap());
        count += 1;
    }
    assert!(count >= 10, "the corpus is there");
}

#[test]
fn every_host_of_the_corpus_has_one_normal_form() {
    replay("host", targets::host);
}

#[test]
fn every_target_of_the_corpus_reads_back_as_itself() {
    replay("target", targets::target);
}

#[test]
fn every_list_line_of_the_corpus_is_stored_in_normal_form() {
    replay("list_line", targets::list_line);
}

#[test]
fn every_index_file_of_the_corpus_is_refused_or_answers() {
    replay("index_file", targets::index_file);
}

#[test]
fn every_configuration_of_the_corpus_is_read_or_every_fault_is_named() {
    replay("configuration", targets::configuration);
}

#[test]
fn every_list_of_the_corpus_is_counted_line_by_line() {
    replay("list_format", targets::list_format);
}

#[test]
fn every_keyword_of_the_corpus_is_found_in_itself_and_in_nothing_else() {
    replay("keywords", targets::keywords);
}

#[test]
fn every_file_of_a_mandatory_list_of_the_corpus_is_refused_or_answers() {
    replay("sealed_file", targets::sealed_file);
}
