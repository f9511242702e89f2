//! Real bytes, rate and time left, on a terminal.

use hanse_image::{Progress, Snapshot};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// One bar; it disappears when dropped.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new(what: &str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template(
            "{msg} {bar:24} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}",
        );
        bar.set_style(style.expect("the template is a constant that is tested"));
        bar.set_message(what.to_owned());
        Self(bar)
    }

    /// Shows `done` of `total` bytes.
    pub(crate) fn set(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }
}

impl Progress for Bar {
    fn update(&self, snapshot: Snapshot) {
        self.set(snapshot.done, snapshot.total);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests;
