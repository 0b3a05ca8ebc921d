//! Which devices score, and how much of their memory models may take.

use std::{collections::HashMap, fs};

use crate::model::{Device, DeviceInfo, Placement, Precision};

/// The rest of a card's memory is for activations and for whoever else uses it: an eighth, and at least this.
const SPARE: u64 = 2 << 30;

/// Bytes of models on each device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    processor: u64,
    cards: HashMap<Device, u64>,
}

impl Budget {
    /// The same on every device.
    pub fn of(bytes: u64) -> Self {
        Self { processor: bytes, cards: HashMap::new() }
    }

    /// What was asked for, on every device; else half of the machine's free memory, and most of each card's.
    pub fn new(asked: Option<u64>, free: Option<u64>, devices: &[DeviceInfo]) -> Self {
        if let Some(bytes) = asked {
            return Self::of(bytes);
        }
        let cards = devices.iter().filter_map(|info| {
            let memory = info.memory_bytes?;
            Some((info.device, memory.saturating_sub(SPARE.max(memory / 8))))
        });
        // Where the system does not tell, nothing is known that could bound it.
        Self { processor: free.map_or(u64::MAX, |free| free / 2), cards: cards.collect() }
    }

    /// On the device with the most.
    pub fn largest(&self) -> u64 {
        self.cards.values().copied().fold(self.processor, u64::max)
    }

    pub fn on(&self, device: Device) -> u64 {
        self.cards.get(&device).copied().unwrap_or(self.processor)
    }
}

impl From<u64> for Budget {
    fn from(bytes: u64) -> Self {
        Self::of(bytes)
    }
}

/// All cards that there are, in the precision that they are known to be fastest in; without one, the processor.
pub(in crate::engine) fn best_placements(devices: &[DeviceInfo]) -> Vec<Placement> {
    let cards = devices.iter().map(|info| info.device).filter(|device| *device != Device::Cpu);
    let precision = |device| if matches!(device, Device::Cuda(_)) { Precision::Bf16 } else { Precision::F32 };
    let placements: Vec<_> = cards.map(|device| Placement { device, precision: precision(device) }).collect();
    if placements.is_empty() { vec![Placement::CPU] } else { placements }
}

/// Bytes, as the kernel estimates them; `None` where it does not.
pub fn available_memory() -> Option<u64> {
    available_in(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn available_in(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(number: usize, gib: u64) -> DeviceInfo {
        DeviceInfo { device: Device::Cuda(number), name: "card".into(), memory_bytes: Some(gib << 30) }
    }

    #[test]
    fn each_device_has_a_budget_of_its_own_unless_one_is_asked_for() {
        let cpu = DeviceInfo { device: Device::Cpu, name: "processor".into(), memory_bytes: None };
        let devices = [cpu, card(0, 80), card(1, 8)];
        let budget = Budget::new(None, Some(32 << 30), &devices);
        assert_eq!(budget.on(Device::Cpu), 16 << 30);
        assert_eq!(budget.on(Device::Cuda(0)), 70 << 30);
        assert_eq!(budget.on(Device::Cuda(1)), 6 << 30);
        let asked = Budget::new(Some(5), Some(32 << 30), &devices);
        assert!(devices.iter().all(|info| asked.on(info.device) == 5));
    }

    #[test]
    fn cards_are_preferred_to_the_processor() {
        assert_eq!(best_placements(&[]), [Placement::CPU]);
        let both = best_placements(&[card(0, 80), card(1, 80)]);
        assert_eq!(both.iter().map(|p| p.device).collect::<Vec<_>>(), [Device::Cuda(0), Device::Cuda(1)]);
        assert!(both.iter().all(|p| p.precision == Precision::Bf16));
    }

    #[test]
    fn available_memory_is_read_as_the_kernel_writes_it() {
        let text = "MemTotal:       65843212 kB\nMemFree:  1 kB\nMemAvailable:   12345678 kB\n";
        assert_eq!(available_in(text), Some(12_345_678 * 1024));
        assert_eq!(available_in("MemTotal: 1 kB\n"), None);
        assert_eq!(available_in("MemAvailable: lots\n"), None);
    }
}
