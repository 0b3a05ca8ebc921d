//! How many rows fit a device together, as far as it has said.

/// Passes that must fit before more is tried.
const PROBATION: u32 = 64;
/// Of a device that has disappointed again and again.
const LONGEST_PROBATION: u32 = 64 << 8;

/// Rows that are given together: half of what was too much, and carefully more again, because somebody else may have used the memory
/// and be gone. A growth that fails doubles the wait for the next one.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    /// What is wanted, and would be given to a device that has said nothing.
    most: usize,
    now: usize,
    /// Passes of about that size since the last change.
    full: u32,
    probation: u32,
    /// The last change was to more.
    has_grown: bool,
}

impl Room {
    pub fn new(most: usize) -> Self {
        Self { most, now: most, full: 0, probation: PROBATION, has_grown: false }
    }

    pub fn rows(&self) -> usize {
        self.now
    }

    /// What there is room for, if that is less than is wanted.
    pub fn limit(&self) -> Option<usize> {
        (self.now < self.most).then_some(self.now)
    }

    /// So many were too many.
    pub fn short(&mut self, rows: usize) {
        if std::mem::take(&mut self.has_grown) {
            self.probation = (self.probation * 2).min(LONGEST_PROBATION);
        }
        self.now = self.now.min(rows / 2).max(1);
        self.full = 0;
    }

    /// So many were not. Half as many prove nothing.
    pub fn fit(&mut self, rows: usize) {
        if self.now >= self.most || rows <= self.now / 2 {
            return;
        }
        self.full += 1;
        if self.full >= self.probation {
            self.now = self.now.saturating_mul(2).min(self.most);
            (self.full, self.has_grown) = (0, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(room: &mut Room, passes: u32) {
        (0..passes).for_each(|_| room.fit(room.rows()));
    }

    #[test]
    fn room_is_halved_at_once_and_grows_back_after_a_while() {
        let mut room = Room::new(64);
        assert_eq!((room.rows(), room.limit()), (64, None));
        room.short(64);
        room.short(32);
        assert_eq!(room.limit(), Some(16));
        (0..10 * PROBATION).for_each(|_| room.fit(8));
        fit(&mut room, PROBATION - 1);
        assert_eq!(room.limit(), Some(16));
        fit(&mut room, 1);
        assert_eq!(room.limit(), Some(32));
        fit(&mut room, PROBATION);
        assert_eq!((room.rows(), room.limit()), (64, None));
    }

    #[test]
    fn a_growth_that_fails_makes_the_next_one_come_later() {
        let mut room = Room::new(16);
        room.short(16);
        for wait in [PROBATION, 2 * PROBATION, 4 * PROBATION] {
            fit(&mut room, wait - 1);
            assert_eq!(room.rows(), 8);
            fit(&mut room, 1);
            assert_eq!(room.rows(), 16);
            room.short(16);
        }
        (0..40).for_each(|_| {
            fit(&mut room, LONGEST_PROBATION);
            room.short(room.rows());
        });
        assert!(room.rows() >= 1, "a row is always tried");
    }
}
