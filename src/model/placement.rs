//! Where a model computes and how precisely, as settings and as what is there.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A processor or a card that scores. Written `cpu`, `cuda:0`, `metal:0`; a card without a number is the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    #[default]
    Cpu,
    /// An NVIDIA card, by the driver's number.
    Cuda(usize),
    /// An Apple card.
    Metal(usize),
}

/// What matrix products are computed in. Norms, softmax, the residual stream and all means are f32 in each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// The only one that may confirm what is submitted.
    #[default]
    F32,
    /// f32 with products rounded to 10 bits of mantissa, on cards that have it.
    Tf32,
    Bf16,
    F16,
}

/// Device and precision of one loaded model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Placement {
    pub device: Device,
    pub precision: Precision,
}

impl Placement {
    /// The processor in full precision, which every machine has.
    pub const CPU: Self = Self { device: Device::Cpu, precision: Precision::F32 };

    /// The same device in the precision that confirms.
    pub fn confirming(self) -> Self {
        Self { precision: Precision::F32, ..self }
    }
}

/// A device of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    pub device: Device,
    /// As its maker calls it; the processor is called `processor`.
    pub name: String,
    /// Its own memory; `None` where it shares the machine's.
    pub memory_bytes: Option<u64>,
}

/// All devices that this build can use here: the processor first, then cards.
pub fn devices() -> Vec<DeviceInfo> {
    let processor = DeviceInfo { device: Device::Cpu, name: "processor".to_owned(), memory_bytes: None };
    std::iter::once(processor).chain(cards()).collect()
}

fn cards() -> Vec<DeviceInfo> {
    #[cfg(feature = "cuda")]
    let nvidia = super::cuda::devices();
    #[cfg(not(feature = "cuda"))]
    let nvidia = Vec::new();
    let has_apple = cfg!(feature = "metal") && candle_core::Device::new_metal(0).is_ok();
    let apple = DeviceInfo { device: Device::Metal(0), name: "Apple".to_owned(), memory_bytes: None };
    nvidia.into_iter().chain(has_apple.then_some(apple)).collect()
}

/// Why a text names no device or precision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}; use {expected}")]
pub struct NoSuchName {
    what: &'static str,
    text: String,
    expected: &'static str,
}

impl FromStr for Device {
    type Err = NoSuchName;

    fn from_str(text: &str) -> Result<Self, NoSuchName> {
        let unknown = || NoSuchName {
            what: "device",
            text: crate::primitives::clean(text),
            expected: "cpu, cuda:N or metal:N (N counts from 0)",
        };
        let (kind, number) = text.split_once(':').map_or((text, None), |(kind, number)| (kind, Some(number)));
        let number = number.map(|n| n.parse::<usize>().map_err(|_| unknown())).transpose()?;
        match (kind, number) {
            ("cpu", None) => Ok(Self::Cpu),
            ("cuda", number) => Ok(Self::Cuda(number.unwrap_or(0))),
            ("metal", number) => Ok(Self::Metal(number.unwrap_or(0))),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
            Self::Metal(ordinal) => write!(f, "metal:{ordinal}"),
        }
    }
}

impl TryFrom<String> for Device {
    type Error = NoSuchName;

    fn try_from(text: String) -> Result<Self, NoSuchName> {
        text.parse()
    }
}

impl From<Device> for String {
    fn from(device: Device) -> Self {
        device.to_string()
    }
}

impl FromStr for Precision {
    type Err = NoSuchName;

    fn from_str(text: &str) -> Result<Self, NoSuchName> {
        match text {
            "f32" => Ok(Self::F32),
            "tf32" => Ok(Self::Tf32),
            "bf16" => Ok(Self::Bf16),
            "f16" => Ok(Self::F16),
            _ => Err(NoSuchName {
                what: "precision",
                text: crate::primitives::clean(text),
                expected: "f32, tf32, bf16 or f16",
            }),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        })
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.device, self.precision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for device in [Device::Cpu, Device::Cuda(0), Device::Cuda(3), Device::Metal(1)] {
            assert_eq!(device.to_string().parse(), Ok(device));
            let json = serde_json::to_string(&device).unwrap();
            assert_eq!(json, format!("\"{device}\""));
            assert_eq!(serde_json::from_str::<Device>(&json).unwrap(), device);
        }
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        for precision in [Precision::F32, Precision::Tf32, Precision::Bf16, Precision::F16] {
            assert_eq!(precision.to_string().parse(), Ok(precision));
            assert_eq!(serde_json::to_string(&precision).unwrap(), format!("\"{precision}\""));
        }
    }

    #[test]
    fn other_names_are_errors_that_tell_what_there_is() {
        for text in ["", "gpu", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "cuda:0:1", "metal:99999999999999999999"] {
            let error = text.parse::<Device>().unwrap_err().to_string();
            assert!(error.contains("cuda:N"), "{error}");
        }
        assert!("float".parse::<Precision>().unwrap_err().to_string().contains("bf16"));
    }
}
