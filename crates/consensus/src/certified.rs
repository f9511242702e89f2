//! Which heights have a certificate of their own, as runs: years of heights in a few entries, found in a few steps.

use std::collections::BTreeMap;

use hanse_types::Height;

/// Disjoint runs of heights that do not touch, by their first height.
#[derive(Debug, Default)]
pub(crate) struct Runs(BTreeMap<Height, Height>);

impl Runs {
    /// Adds a height. Most come in order.
    pub(crate) fn add(&mut self, height: Height) {
        let before = self.0.range(..=height).next_back().map(|(first, last)| (*first, *last));
        if before.is_some_and(|(_, last)| last >= height) {
            return;
        }
        let first = match before {
            Some((first, last)) if last.checked_add(1) == Some(height) => first,
            _ => height,
        };
        let after = height.checked_add(1).and_then(|next| self.0.remove(&next));
        self.0.insert(first, after.unwrap_or(height));
    }

    /// The lowest height at or above `height`.
    pub(crate) fn next(&self, height: Height) -> Option<Height> {
        match self.0.range(..=height).next_back() {
            Some((_, last)) if *last >= height => Some(height),
            _ => self.0.range(height..).next().map(|(first, _)| *first),
        }
    }
}

#[cfg(test)]
mod tests;
