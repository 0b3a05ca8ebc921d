//! Where an engine scores: `--device`, `--precision`, `--memory`.

use std::str::FromStr;

use anyhow::{bail, ensure};
use clap::Args;

use crate::model::{self, Device, DeviceInfo, Placement, Precision};

#[derive(Args, Clone, Debug)]
pub struct DeviceArgs {
    /// Where to score: `auto` (every card that this build can use, else the processor), `cpu`, `cuda:0`, … Repeat for several.
    #[arg(long = "device", value_name = "DEVICE", default_value = "auto")]
    devices: Vec<Choice>,
    /// How precisely cards search: f32, tf32, bf16 or f16. What is submitted is always confirmed in f32, and the processor always
    /// computes in f32 [default: bf16 on cards].
    #[arg(long, value_name = "PRECISION")]
    precision: Option<Precision>,
    /// Memory for models on each device, in GiB [default: half of what is free, and of a card's nearly all]. Models that do not
    /// fit take turns.
    #[arg(long, value_name = "GIB", value_parser = gib)]
    memory: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Auto,
    One(Device),
}

impl FromStr for Choice {
    type Err = model::NoSuchName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" { Ok(Self::Auto) } else { text.parse().map(Self::One) }
    }
}

/// Bytes.
fn gib(text: &str) -> Result<u64, String> {
    let gib: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    let bytes = gib * f64::from(1 << 30);
    // Of any machine that there is.
    if (1.0..=1e18).contains(&bytes) { Ok(bytes as u64) } else { Err("it must be more than 0".to_owned()) }
}

impl DeviceArgs {
    /// `None`: the engine decides.
    pub fn memory_bytes(&self) -> Option<u64> {
        self.memory
    }

    /// Refuses what is not there. Empty: the engine takes what is best.
    pub fn placements(&self) -> anyhow::Result<Vec<Placement>> {
        self.among(&model::devices())
    }

    fn among(&self, there: &[DeviceInfo]) -> anyhow::Result<Vec<Placement>> {
        let has_auto = self.devices.contains(&Choice::Auto);
        ensure!(!has_auto || self.devices.len() == 1, "--device auto stands alone: name all devices, or none");
        let mut chosen: Vec<Device> = Vec::new();
        for choice in &self.devices {
            match choice {
                Choice::Auto => {
                    chosen.extend(there.iter().map(|info| info.device).filter(|device| *device != Device::Cpu))
                }
                Choice::One(device) if chosen.contains(device) => {}
                Choice::One(device) => chosen.push(*device),
            }
        }
        if chosen.is_empty() {
            chosen.push(Device::Cpu);
        }
        if let Some(absent) = chosen.iter().find(|device| !there.iter().any(|info| info.device == **device)) {
            let names: Vec<String> = there.iter().map(|info| info.device.to_string()).collect();
            bail!(
                "--device {absent}: there is no such device for this build; there is {}{}",
                names.join(", "),
                advice(*absent)
            );
        }
        let cards = chosen.iter().any(|device| *device != Device::Cpu);
        match self.precision {
            Some(precision) if !cards && precision != Precision::F32 => {
                bail!("--precision {precision}: no card would score, and the processor computes in f32 only")
            }
            _ => {}
        }
        let placed = chosen.into_iter().map(|device| match device {
            Device::Cpu => Placement::CPU,
            _ => Placement { device, precision: self.precision.unwrap_or(Precision::Bf16) },
        });
        Ok(placed.collect())
    }
}

/// Cards need a build that knows them.
pub fn advice(device: Device) -> &'static str {
    match device {
        Device::Cuda(_) if cfg!(not(feature = "cuda")) => " (NVIDIA cards need a build with `--features cuda`)",
        Device::Metal(_) if cfg!(not(feature = "metal")) => " (Apple cards need a build with `--features metal`)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        device: DeviceArgs,
    }

    fn chosen(line: &str, cards: usize) -> anyhow::Result<Vec<String>> {
        let line = Line::try_parse_from(std::iter::once("x").chain(line.split_whitespace()))?;
        let info = |device| DeviceInfo { device, name: String::new(), memory_bytes: None };
        let there: Vec<_> = std::iter::once(Device::Cpu).chain((0..cards).map(Device::Cuda)).map(info).collect();
        Ok(line.device.among(&there)?.iter().map(Placement::to_string).collect())
    }

    #[test]
    fn cards_are_taken_where_there_are_any_and_the_processor_where_there_are_none() -> anyhow::Result<()> {
        assert_eq!(chosen("", 0)?, ["cpu in f32"]);
        assert_eq!(chosen("", 2)?, ["cuda:0 in bf16", "cuda:1 in bf16"]);
        assert_eq!(chosen("--precision f16", 1)?, ["cuda:0 in f16"]);
        let both = "--device cuda:1 --device cpu --device cuda:1 --precision tf32";
        assert_eq!(chosen(both, 2)?, ["cuda:1 in tf32", "cpu in f32"]);
        Ok(())
    }

    #[test]
    fn what_is_not_there_or_makes_no_sense_is_refused_with_what_there_is() {
        for (line, part) in [
            ("--device cuda:3", "there is cpu, cuda:0"),
            ("--device gpu", "cuda:N"),
            ("--device cpu --precision bf16", "f32 only"),
            ("--device auto --device cpu", "stands alone"),
            ("--precision f99", "bf16"),
            ("--memory 0", "more than 0"),
            ("--memory lots", "no number"),
            ("--memory nan", "more than 0"),
        ] {
            let error = format!("{:#}", chosen(line, 1).err().unwrap_or_else(|| anyhow::anyhow!("it was taken")));
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn memory_is_in_gib_and_may_be_a_fraction() {
        assert_eq!((gib("1"), gib("0.5")), (Ok(1 << 30), Ok(1 << 29)));
    }
}
