//! Bytes to token ids, position ids and targets (`model.md §2`).
//!
//! Knows nothing of models. Cannot fail: every byte string has a tokenisation (the empty one has no sequences).

const PAD: u32 = 256;
const EOS: u32 = 257;

/// One model input of `seq` tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    pub tokens: Vec<u32>,
    /// Byte offsets into the whole data; EOS and all padding share the offset just after the last byte.
    pub positions: Vec<u32>,
    /// The next token at each position; [`Sequence::counted`] of them, a prefix, enter the loss.
    pub targets: Vec<u32>,
}

impl Sequence {
    /// How many positions predict something: all others have padding for a target.
    pub fn counted(&self) -> usize {
        self.targets.iter().take_while(|target| **target != PAD).count()
    }
}

/// Number of sequences that `bytes` bytes of data take.
pub fn sequence_count(bytes: usize, sequence_length: usize) -> usize {
    bytes.div_ceil(sequence_length)
}

/// The `index`-th sequence of the data. Past the end it is all padding after an EOS.
pub fn sequence(data: &[u8], index: usize, sequence_length: usize) -> Sequence {
    let start = index.saturating_mul(sequence_length).min(data.len());
    let bytes = &data[start..data.len().min(start.saturating_add(sequence_length))];
    let mut tokens: Vec<u32> = bytes.iter().map(|byte| u32::from(*byte)).collect();
    if tokens.len() < sequence_length {
        tokens.push(EOS);
        tokens.resize(sequence_length, PAD);
    }
    // Submissions are at most 1 MiB; beyond 2³² the offset would wrap long after f32 has stopped telling neighbours apart.
    let positions = (0..sequence_length).map(|slot| (start + slot.min(bytes.len())) as u32).collect();
    let mut targets = tokens[1..].to_vec();
    targets.push(PAD);
    Sequence { tokens, positions, targets }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_zero_byte_is_followed_by_the_end_and_padding() {
        let sequence = sequence(&[0], 0, 4);
        assert_eq!(sequence.tokens, [0, 257, 256, 256]);
        assert_eq!(sequence.positions, [0, 1, 1, 1]);
        assert_eq!(sequence.targets, [257, 256, 256, 256]);
        assert_eq!(sequence.counted(), 1);
    }
}
