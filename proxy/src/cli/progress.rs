//! A bar for long work: on a terminal, and nowhere else.

use indicatif::{ProgressBar, ProgressStyle};
use weir_categories::{Phase, Progress};

/// Shows how far the reading, parsing and writing of lists is, on standard error. indicatif
/// draws nothing where that is no terminal.
pub(super) struct Bar {
    bar: ProgressBar,
    phase: Option<Phase>,
}

impl Bar {
    /// A bar that shows itself with the first progress.
    pub(super) fn new() -> Bar {
        let style = "{msg:8} [{bar:40}] {bytes}/{total_bytes} {eta}";
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        Bar { bar, phase: None }
    }

    /// Takes up one report.
    pub(super) fn show(&mut self, progress: Progress) {
        if self.phase != Some(progress.phase) {
            self.phase = Some(progress.phase);
            self.bar.reset();
            self.bar.set_message(progress.phase.as_str());
        }
        self.bar.set_length(progress.total);
        self.bar.set_position(progress.done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
