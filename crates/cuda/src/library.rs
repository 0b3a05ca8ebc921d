//! Finding the driver, NVRTC and cuBLASLt.
//!
//! The bindings' loader panics where a library is missing, so nothing of them is called before [`open`] has seen all three. It looks
//! along the system's search path; toolkits and Python packages put theirs elsewhere, so those places are tried here. A library opened
//! by its path is then found by its name.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libloading::Library;

use crate::CardError;

const DRIVER: (&str, &str) = ("the NVIDIA driver (libcuda)", "install the card's driver, or choose `cpu`");
const COMPILER: (&str, &str) =
    ("NVRTC (libnvrtc)", "install the CUDA toolkit 12 or 13, or add the folder that holds it to LD_LIBRARY_PATH");
const PRODUCTS: (&str, &str) =
    ("cuBLASLt (libcublasLt)", "install the CUDA toolkit 12 or 13, or add the folder that holds it to LD_LIBRARY_PATH");

/// Whether all three are there; looks once.
pub(crate) fn open() -> Result<(), CardError> {
    static MISSING: OnceLock<Option<(&'static str, &'static str)>> = OnceLock::new();
    match MISSING.get_or_init(missing) {
        None => Ok(()),
        Some((library, hint)) => Err(CardError::Library { library, hint }),
    }
}

fn missing() -> Option<(&'static str, &'static str)> {
    // SAFETY: opening a library runs its initialisers; these are NVIDIA's own, which any CUDA program runs.
    let present = unsafe {
        [
            cudarc::driver::sys::is_culib_present,
            cudarc::nvrtc::sys::is_culib_present,
            cudarc::cublaslt::sys::is_culib_present,
        ]
        .map(|check| move || check())
    };
    let [driver, compiler, products] = present;
    if !driver() {
        return Some(DRIVER);
    }
    if !compiler() {
        preload("libnvrtc.so");
        preload("libnvrtc-builtins.so");
    }
    if !compiler() {
        return Some(COMPILER);
    }
    if !products() {
        preload("libcublasLt.so");
    }
    (!products()).then_some(PRODUCTS)
}

/// Opens, and keeps open, the newest library of this name in the first folder that has one.
fn preload(name: &str) {
    for folder in folders() {
        let mut found = entries(&folder, |file| file.starts_with(name) && !file.contains(".alt."));
        found.sort();
        for path in found.iter().rev() {
            // SAFETY: as in `missing`.
            if let Ok(library) = unsafe { Library::new(path) } {
                // Closed, it would no longer be found by its name.
                std::mem::forget(library);
                return;
            }
        }
    }
}

/// Where toolkits and Python environments keep CUDA's libraries.
fn folders() -> Vec<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let mut toolkits: Vec<PathBuf> = ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(variable).collect();
    toolkits.extend([PathBuf::from("/usr/local/cuda"), PathBuf::from("/opt/cuda")]);
    let mut versions = entries(Path::new("/usr/local"), |name| name.starts_with("cuda-"));
    versions.sort();
    toolkits.extend(versions.into_iter().rev());
    let mut folders: Vec<PathBuf> = toolkits.iter().flat_map(|t| [t.join("lib64"), t.join("lib")]).collect();
    for environment in ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(variable) {
        folders.push(environment.join("lib"));
        for python in entries(&environment.join("lib"), |name| name.starts_with("python")) {
            let packages = entries(&python.join("site-packages/nvidia"), |_| true);
            folders.extend(packages.into_iter().map(|package| package.join("lib")));
        }
    }
    folders
}

fn entries(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.file_name().and_then(OsStr::to_str).is_some_and(&wanted))
        .collect()
}
