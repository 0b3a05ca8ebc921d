//! The last numbers of a kind, and their median: asked for with every candidate, changed with every fill.

use std::collections::VecDeque;

/// Numbers that a median is taken of.
const KEPT: usize = 255;

#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    /// The newest last.
    numbers: VecDeque<u64>,
    sorted: Vec<u64>,
}

impl Recent {
    pub fn note(&mut self, number: u64) {
        let place = |sorted: &[u64], number| sorted.partition_point(|held| *held < number);
        self.numbers.push_back(number);
        self.sorted.insert(place(&self.sorted, number), number);
        if self.numbers.len() > KEPT
            && let Some(oldest) = self.numbers.pop_front()
        {
            self.sorted.remove(place(&self.sorted, oldest));
        }
    }

    /// Of an even count the upper one of the middle.
    pub fn median(&self) -> Option<u64> {
        self.sorted.get(self.sorted.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_median_is_that_of_the_last_ones(numbers in prop::collection::vec(0u64..50, 0..600)) {
            let mut recent = Recent::default();
            for (count, number) in numbers.iter().enumerate() {
                recent.note(*number);
                let mut last = numbers[(count + 1).saturating_sub(KEPT)..=count].to_vec();
                last.sort_unstable();
                prop_assert_eq!(recent.median(), Some(last[last.len() / 2]));
            }
        }
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(Recent::default().median(), None);
    }
}
