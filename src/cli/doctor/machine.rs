//! This computer: files that must be private, processor and memory, data to score.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{Check, available_memory};
use crate::{
    chain::client::ActiveModelInfo,
    cli::{exit::Exit, place},
    model::{self, Device},
    primitives::clean,
    wallet::CliConfig,
};

/// Everything of ours that holds a secret or is ours alone.
pub(super) fn files() -> Vec<Check> {
    let mut private = vec![PathBuf::from(".env")];
    let mut checks = Vec::new();
    if let Ok(data) = place::data_dir() {
        private.push(data.join("devnet.json"));
        let wallets = data.join("wallets");
        if let Ok(entries) = fs::read_dir(&wallets) {
            private.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()));
        }
        private.push(wallets);
    }
    if let Ok(Some(CliConfig { keystore: Some(keystore), .. })) = CliConfig::find() {
        private.push(keystore);
    }
    let mut seen = 0;
    for path in private {
        match mode(&path) {
            Ok(None) => {}
            Ok(Some((mode, is_dir))) => {
                seen += 1;
                if mode & 0o077 != 0 {
                    let wanted = if is_dir { "700" } else { "600" };
                    checks.push(Check::fail(
                        "file modes",
                        Exit::BadInput,
                        format!("others may read {} (mode {:o})", path.display(), mode & 0o777),
                        format!("run `chmod {wanted} {}`", path.display()),
                    ));
                }
            }
            Err(error) => checks.push(Check::warn(
                "file modes",
                format!("{}: {error}", path.display()),
                "see that you own it and may read it",
            )),
        }
    }
    if checks.is_empty() {
        checks.push(Check::ok("file modes", format!("{seen} files and directories are closed to others")));
    }
    checks
}

/// `None`: there is none.
fn mode(path: &Path) -> io::Result<Option<(u32, bool)>> {
    match fs::metadata(path) {
        Ok(about) => Ok(Some((about.permissions().mode(), about.is_dir()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What scores here, and whether the network's models fit.
pub(super) fn device(models: Option<&[ActiveModelInfo]>) -> Vec<Check> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut checks = vec![Check::ok("device", format!("processor, {cores} threads, {}; {}", features(), cards()))];
    let Some(available) = available_memory() else {
        checks.push(Check::warn(
            "memory",
            "how much is free is not known here",
            "compare it with the models' size yourself",
        ));
        return checks;
    };
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
    let Some(models) = models else {
        checks.push(Check::ok("memory", format!("{} available", gib(available))));
        return checks;
    };
    // As files: in full precision, which half of them may be stored below, a model takes twice as much.
    let needed = models.iter().fold(0_u64, |sum, model| sum.saturating_add(model.size));
    let largest = models.iter().map(|model| model.size).max().unwrap_or(0);
    checks.push(if largest > available {
        Check::warn(
            "memory",
            format!("{} available, and the largest model needs {}", gib(available), gib(largest)),
            "targets of models that do not fit cannot be scored here: free memory, use a larger machine, or --scorer",
        )
    } else if needed > available {
        Check::warn(
            "memory",
            format!("{} available, and all active models together need {}", gib(available), gib(needed)),
            "they take turns, which costs time for loading: free memory or use a larger machine",
        )
    } else {
        Check::ok("memory", format!("{} available, the models need {}", gib(available), gib(needed)))
    });
    checks
}

/// What this build can use of them.
fn cards() -> String {
    let cards = model::devices().into_iter().filter(|info| info.device != Device::Cpu);
    let named: Vec<String> = cards.map(|info| format!("{} ({})", info.device, clean(&info.name))).collect();
    if named.is_empty() { "no card".to_owned() } else { named.join(", ") }
}

#[cfg(target_arch = "x86_64")]
fn features() -> String {
    let known = [
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("fma", std::is_x86_feature_detected!("fma")),
        ("avx512f", std::is_x86_feature_detected!("avx512f")),
    ];
    let found: Vec<&str> = known.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    if found.is_empty() { "x86-64 without avx2".to_owned() } else { format!("x86-64 with {}", found.join(" ")) }
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> String {
    std::env::consts::ARCH.to_owned()
}

/// Whether what is to be scored can be read at all.
pub(in crate::cli) fn data(paths: &[PathBuf]) -> Vec<Check> {
    let check = |path: &PathBuf| {
        let opened = fs::metadata(path).and_then(|about| match about.is_dir() {
            true => fs::read_dir(path).map(|entries| format!("a directory with {} entries", entries.count())),
            false => fs::File::open(path).map(|_| format!("a file of {} bytes", about.len())),
        });
        match opened {
            Ok(what) => Check::ok("data", format!("{}: {what}", path.display())),
            Err(error) => Check::fail(
                "data",
                Exit::BadInput,
                format!("{}: {error}", path.display()),
                "check the path and its permissions",
            ),
        }
    };
    paths.iter().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Status;

    #[test]
    fn models_that_do_not_fit_are_a_warning_with_a_remedy() {
        let model = |size| ActiveModelInfo {
            id: Default::default(),
            owner: Default::default(),
            stake: 0,
            commission_bps: 0,
            url: String::new(),
            checksum: Default::default(),
            size,
            decryption_key: [0; 32],
            embedding: Vec::new(),
        };
        let status = |size| device(Some(&[model(size)])).last().map(|check| (check.status, check.remedy.is_some()));
        assert_eq!(status(1 << 60), Some((Status::Warn, true)));
        assert_eq!(status(1), Some((Status::Ok, false)));
        let hostile = device(Some(&[model(u64::MAX), model(u64::MAX)]));
        assert_eq!(hostile.last().map(|check| check.status), Some(Status::Warn));
    }

    #[test]
    fn missing_data_fails_and_names_it() {
        let found = data(&["/no/such/data".into()]);
        assert!(found[0].status == Status::Fail && found[0].what.contains("/no/such/data"));
    }
}
