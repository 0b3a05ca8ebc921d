//! Elements of weight files, little-endian, as f32.

use half::{bf16, f16};

/// How a number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    F32,
    F16,
    Bf16,
    F64,
}

impl Element {
    /// Bytes of one.
    pub fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// As many values as `values` holds, from `raw` of exactly their size.
    ///
    /// # Panics
    /// If the lengths do not fit each other.
    pub fn decode(self, raw: &[u8], values: &mut [f32]) {
        assert_eq!(raw.len(), values.len() * self.size(), "bytes and values must fit");
        match self {
            Self::F32 => each(raw, values, f32::from_le_bytes),
            Self::F16 => each(raw, values, |b| f16::from_le_bytes(b).to_f32()),
            Self::Bf16 => each(raw, values, |b| bf16::from_le_bytes(b).to_f32()),
            Self::F64 => each(raw, values, |b| f64::from_le_bytes(b) as f32),
        }
    }
}

fn each<const N: usize>(raw: &[u8], values: &mut [f32], value: impl Fn([u8; N]) -> f32) {
    let (elements, _) = raw.as_chunks::<N>();
    for (out, bytes) in values.iter_mut().zip(elements) {
        *out = value(*bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_element_is_read() {
        let mut found = [0.0; 2];
        Element::F32.decode(&[1.5f32.to_le_bytes(), (-0.25f32).to_le_bytes()].concat(), &mut found);
        assert_eq!(found, [1.5, -0.25]);
        Element::F64.decode(&[0.1f64.to_le_bytes(), f64::INFINITY.to_le_bytes()].concat(), &mut found);
        assert_eq!(found, [0.1, f32::INFINITY]);
        Element::F16.decode(&[0x00, 0x3c, 0x00, 0xc0], &mut found);
        assert_eq!(found, [1.0, -2.0]);
        Element::Bf16.decode(&[0x80, 0x3f, 0x00, 0xc0], &mut found);
        assert_eq!(found, [1.0, -2.0]);
    }
}
