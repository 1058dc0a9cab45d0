//! A bar for long work: on a terminal, and nowhere else.

use indicatif::{ProgressBar, ProgressStyle};
use weir_categories::Progress;

/// Shows how far the reading, parsing and writing of lists is, on standard error. indicatif
/// draws nothing where that is no terminal.
pub(super) struct Bar {
    bar: ProgressBar,
    said: Option<&'static str>,
}

impl Bar {
    /// A bar that shows itself with the first progress.
    pub(super) fn new() -> Bar {
        let style = "{msg:11} [{bar:40}] {bytes}/{total_bytes} {eta}";
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        Bar { bar, said: None }
    }

    /// Takes up one report.
    pub(super) fn show(&mut self, progress: Progress) {
        self.bytes(progress.phase.as_str(), progress.done, Some(progress.total));
    }

    /// Shows so many bytes of so many, if that is known, under a word for what is done.
    pub(super) fn bytes(&mut self, word: &'static str, done: u64, total: Option<u64>) {
        if self.said != Some(word) {
            self.said = Some(word);
            self.bar.reset();
            self.bar.set_message(word);
        }
        match total {
            Some(total) => self.bar.set_length(total),
            None => self.bar.unset_length(),
        }
        self.bar.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
