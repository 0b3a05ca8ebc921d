//! 32-byte names: addresses and object ids (hex), digests (Base58).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Text or bytes that are no 32-byte name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IdError {
    #[error("`{0}` is not hex: an id is 1 to 64 hex digits, with or without 0x")]
    Hex(String),
    #[error("`{0}` is not Base58 of 32 bytes")]
    Base58(String),
    #[error("{0} bytes instead of 32")]
    Length(usize),
}

/// Longest excerpt of foreign text that an error repeats.
fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

fn parse_hex(text: &str) -> Result<[u8; 32], IdError> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.is_empty() || digits.len() > 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(IdError::Hex(excerpt(text)));
    }
    // Servers drop leading zeros (`protocol.md §0.2`): pad on the left.
    let mut bytes = [0; 32];
    hex::decode_to_slice(format!("{digits:0>64}"), &mut bytes).map_err(|_| IdError::Hex(excerpt(text)))?;
    Ok(bytes)
}

macro_rules! hex_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// `0x` and 64 digits.
            pub fn to_hex_prefixed(&self) -> String {
                format!("0x{self}")
            }

            /// The first eight digits, for narrow columns.
            pub fn short(&self) -> String {
                hex::encode(&self.0[..4])
            }
        }

        /// 64 lower-case hex digits without `0x`.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "0x{self}")
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_hex(text).map(Self)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = IdError;
            fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
                bytes.try_into().map(Self).map_err(|_| IdError::Length(bytes.len()))
            }
        }

        /// Text in human-readable formats; 32 raw bytes without a length in BCS (`protocol.md §0.1`).
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
                } else {
                    <[u8; 32]>::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

hex_name! {
    /// An account: `H(0x00 ‖ public key)`.
    Address
}
hex_name! {
    /// A coin, stake, target, model or pool.
    ObjectId
}

impl ObjectId {
    /// The id of the system state, `0x…05`.
    pub const SYSTEM_STATE: Self = {
        let mut bytes = [0; 32];
        bytes[31] = 5;
        Self(bytes)
    };

    /// The id that a transaction gives to the object it creates as number `creation_num` (`protocol.md §5.3`).
    pub fn derive(transaction: &Digest, creation_num: u64) -> Self {
        let mut hasher = super::Hasher::default();
        hasher.update(&transaction.0).update(&creation_num.to_le_bytes());
        Self(hasher.finish().0)
    }

    /// The seed of a target's embedding: the first eight bytes, little-endian (`protocol.md §7.3`).
    pub fn seed(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

/// A 32-byte hash: transaction digests, checksums, commitments. Base58 in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// What effects show as the digest of a deleted object (`protocol.md §5.2`).
    pub const DELETED: Self = Self([0x63; 32]);

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(self.0).into_string())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut bytes = [0; 32];
        match bs58::decode(text).onto(&mut bytes) {
            Ok(32) => Ok(Self(bytes)),
            _ => Err(IdError::Base58(excerpt(text))),
        }
    }
}

impl TryFrom<&[u8]> for Digest {
    type Error = IdError;
    fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
        bytes.try_into().map(Self).map_err(|_| IdError::Length(bytes.len()))
    }
}

/// Text in human-readable formats; a byte vector of length 32 in BCS: digests carry their length (`protocol.md §0.1`).
impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_bytes(&self.0) }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return String::deserialize(deserializer)?.parse().map_err(de::Error::custom);
        }
        struct Bytes;
        impl de::Visitor<'_> for Bytes {
            type Value = Digest;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("32 bytes with their length")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Digest, E> {
                Digest::try_from(bytes).map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_prefixed_hex_is_padded_on_the_left() {
        assert_eq!("0x5".parse(), Ok(ObjectId::SYSTEM_STATE));
        assert_eq!(ObjectId::SYSTEM_STATE.to_string().parse(), Ok(ObjectId::SYSTEM_STATE));
        assert!("".parse::<ObjectId>().is_err());
        assert!("0xzz".parse::<Address>().is_err());
        assert!("1".repeat(65).parse::<Address>().is_err());
    }

    #[test]
    fn bcs_gives_digests_a_length_and_ids_none() -> Result<(), bcs::Error> {
        assert_eq!(bcs::to_bytes(&Digest([7; 32]))?, [&[32][..], &[7; 32]].concat());
        assert_eq!(bcs::to_bytes(&ObjectId([7; 32]))?, [7; 32]);
        assert_eq!(bcs::from_bytes::<Digest>(&[&[32][..], &[7; 32]].concat())?, Digest([7; 32]));
        assert!(bcs::from_bytes::<Digest>(&[&[31][..], &[7; 31]].concat()).is_err());
        Ok(())
    }
}
