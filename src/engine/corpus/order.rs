//! A shuffled order that takes no memory: a keyed permutation of the numbers below n.

/// Rounds of the Feistel network: enough that neighbours are scattered. This is no cipher.
const ROUNDS: u64 = 4;

/// A permutation of `0..len`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    len: u64,
    half_bits: u32,
    seed: u64,
}

impl Order {
    pub fn new(len: u64, seed: u64) -> Self {
        // The smallest even number of bits that holds every number.
        let bits = 64 - len.saturating_sub(1).leading_zeros();
        Self { len, half_bits: bits.div_ceil(2).max(1), seed }
    }

    /// The number at a place, which is below the length.
    pub fn at(&self, place: u64) -> u64 {
        let mut number = place;
        // What falls beyond the length is permuted again: on average fewer than four times.
        loop {
            number = self.permute(number);
            if number < self.len {
                return number;
            }
        }
    }

    fn permute(&self, number: u64) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let (mut left, mut right) = (number >> self.half_bits & mask, number & mask);
        for round in 0..ROUNDS {
            (left, right) =
                (right, left ^ (mix(right ^ self.seed.rotate_left(16 * round as u32) ^ round << 60) & mask));
        }
        left << self.half_bits | right
    }
}

/// Every bit of the result depends on every bit of the number (splitmix64).
pub(super) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_once_and_neighbours_are_scattered() {
        for len in [1u64, 2, 3, 16, 17, 1000, 4097] {
            let order = Order::new(len, 7);
            let mut numbers: Vec<u64> = (0..len).map(|place| order.at(place)).collect();
            let neighbours = numbers.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) == 1).count();
            assert!(len < 100 || neighbours < len as usize / 20, "{neighbours} of {len}");
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..len), "{len}");
        }
    }
}
