//! Which pieces a content is cut into.

use super::{Pieces, Sampling, WINDOW};

/// Own files above that are not offered whole beside their windows: a bond grows with every byte.
const WHOLE_BESIDE_WINDOWS: u64 = 4 * WINDOW as u64;
/// What the network takes (`protocol.md §7`).
pub(super) const MAX_SUBMISSION: u64 = 1 << 20;

/// A part of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub offset: u64,
    pub len: u32,
    /// There is more than this part.
    pub is_window: bool,
}

/// How contents are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rule {
    pieces: Pieces,
    /// Bytes of a window.
    pub window: u64,
    /// Contents up to so many bytes are also offered whole.
    whole: u64,
    /// Contents above are passed over.
    pub max: u64,
}

impl Rule {
    pub fn of(sampling: &Sampling) -> Self {
        let max = sampling.max_bytes.unwrap_or(u64::MAX);
        let whole = match sampling.pieces {
            Pieces::Whole => max.min(MAX_SUBMISSION),
            Pieces::Windows => 0,
            Pieces::Both => WHOLE_BESIDE_WINDOWS,
        };
        // Not above 16 KiB, so a unit of reading stays small.
        let window = (sampling.window as u64 / WINDOW as u64).clamp(1, 16) * WINDOW as u64;
        Self { pieces: sampling.pieces, window, whole, max }
    }

    /// For contents that are small by choice: they are offered whole up to `max`.
    pub fn up_to(self, max: u64) -> Self {
        let max = max.min(self.max);
        let whole = if self.pieces == Pieces::Windows { 0 } else { max.min(MAX_SUBMISSION) };
        Self { whole, max, ..self }
    }

    pub fn has_whole(&self, len: u64) -> bool {
        0 < len && len <= self.whole.min(self.max)
    }

    pub fn has_windows(&self, len: u64) -> bool {
        let wanted = self.pieces != Pieces::Whole && (len > self.window || !self.has_whole(len));
        wanted && 0 < len && len <= self.max
    }

    /// Pieces of a content.
    pub fn count(&self, len: u64) -> u64 {
        let windows = if self.has_windows(len) { len.div_ceil(self.window) } else { 0 };
        windows + u64::from(self.has_whole(len))
    }

    /// The windows that begin from `from` up to `to`, which are multiples of the window.
    pub fn windows(&self, len: u64, from: u64, to: u64) -> impl Iterator<Item = Cut> + use<> {
        let (window, is_window) = (self.window, len > self.window);
        let end = if self.has_windows(len) { to.min(len) } else { from };
        (from..end).step_by(window as usize).map(move |offset| Cut {
            offset,
            // At most 16 KiB.
            len: (len - offset).min(window) as u32,
            is_window,
        })
    }

    /// All pieces of a content.
    pub fn cut(&self, len: u64) -> impl Iterator<Item = Cut> + use<> {
        // At most `MAX_SUBMISSION`.
        let whole = self.has_whole(len).then_some(Cut { offset: 0, len: len as u32, is_window: false });
        whole.into_iter().chain(self.windows(len, 0, len))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(pieces: Pieces, window: usize, max_bytes: Option<u64>) -> Rule {
        Rule::of(&Sampling { pieces, window, max_bytes, ..Sampling::default() })
    }

    #[test]
    fn small_contents_come_whole_and_large_ones_as_windows() {
        let lens = |rule: Rule, len| rule.cut(len).map(|cut| cut.len).collect::<Vec<_>>();
        let both = rule(Pieces::Both, 1024, None);
        assert!(lens(both, 0).is_empty());
        assert_eq!(lens(both, 1024), [1024]);
        assert_eq!(lens(both, 1025), [1025, 1024, 1]);
        assert_eq!(lens(both, 5000), [1024, 1024, 1024, 1024, 904]);
        assert_eq!(lens(both.up_to(5000), 5000), [5000, 1024, 1024, 1024, 1024, 904]);
        assert!(lens(both.up_to(5000), 5001).is_empty());
        let whole = rule(Pieces::Whole, 1024, None);
        assert_eq!(lens(whole, 1 << 20), [1 << 20]);
        assert!(lens(whole, (1 << 20) + 1).is_empty());
        assert_eq!(lens(rule(Pieces::Windows, 16 << 10, None), 100), [100]);
        assert_eq!(lens(rule(Pieces::Both, 16 << 10, None), 10_000), [10_000]);
        assert_eq!(both.count(2 << 20), 2048);
    }

    proptest! {
        #[test]
        fn windows_cover_a_content_without_gap_or_overlap(
            pieces in prop_oneof![Just(Pieces::Windows), Just(Pieces::Both)],
            kib in 1usize..=16, len in 1u64..3_000_000, max in proptest::option::of(1u64..3_000_000),
        ) {
            let rule = rule(pieces, kib << 10, max);
            let cuts: Vec<Cut> = rule.cut(len).collect();
            prop_assert_eq!(cuts.len() as u64, rule.count(len));
            if max.is_some_and(|max| len > max) {
                prop_assert!(cuts.is_empty());
                return Ok(());
            }
            let windows: Vec<&Cut> = cuts.iter().skip(usize::from(rule.has_whole(len))).collect();
            if windows.is_empty() {
                prop_assert_eq!(cuts, [Cut { offset: 0, len: len as u32, is_window: false }]);
                return Ok(());
            }
            let mut at = 0;
            for window in windows {
                prop_assert_eq!(window.offset, at);
                at += u64::from(window.len);
            }
            prop_assert_eq!(at, len);
        }
    }
}
