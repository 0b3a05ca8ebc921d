//! Who may know whom: `ARCHITECTURE.md`, checked from the sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Module → modules of ours that it may name.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("primitives", &[]),
    ("api", &["primitives"]),
    ("app", &["api", "primitives"]),
    ("config", &["app", "primitives"]),
    ("views", &["app", "api", "primitives"]),
    ("terminal", &["app", "views", "api", "primitives"]),
    ("chain", &["primitives"]),
    ("model", &["primitives"]),
    ("storage", &["primitives"]),
    ("wallet", &["chain", "primitives"]),
    ("export", &["primitives"]),
    ("engine", &["api", "chain", "export", "model", "storage", "primitives"]),
    ("service", &["chain", "engine", "model", "storage", "primitives"]),
    ("devnet", &["chain", "model", "service", "storage", "primitives"]),
    (
        "cli",
        &[
            "api",
            "app",
            "chain",
            "config",
            "devnet",
            "engine",
            "export",
            "model",
            "primitives",
            "service",
            "storage",
            "terminal",
            "views",
            "wallet",
        ],
    ),
];

/// Module → crates that it must not name, because they do what it must never do.
const MUST_NOT_USE: &[(&str, &[&str])] = &[
    ("primitives", &["tokio", "reqwest", "rusqlite", "std::fs", "std::net"]),
    (
        "api",
        &["tonic", "candle_core", "rusqlite", "aws_sdk_s3", "reqwest", "ratatui", "crossterm", "std::fs", "std::net"],
    ),
    (
        "app",
        &["tonic", "candle_core", "rusqlite", "aws_sdk_s3", "reqwest", "ratatui", "std::fs", "std::net", "std::thread"],
    ),
    (
        "views",
        &["tonic", "candle_core", "rusqlite", "aws_sdk_s3", "reqwest", "tokio", "std::fs", "std::net", "std::thread"],
    ),
    (
        "config",
        &[
            "tonic",
            "tokio",
            "candle_core",
            "rusqlite",
            "aws_sdk_s3",
            "reqwest",
            "ratatui",
            "secrecy",
            "directories",
            "std::env",
            "std::fs",
            "std::net",
            "std::thread",
        ],
    ),
    ("terminal", &["tonic", "candle_core", "rusqlite", "aws_sdk_s3", "reqwest"]),
    ("chain", &["candle_core", "rusqlite", "aws_sdk_s3", "ratatui", "std::fs"]),
    ("model", &["tokio", "tonic", "rusqlite", "aws_sdk_s3", "reqwest", "ratatui", "std::fs", "std::net"]),
    ("storage", &["tonic", "candle_core", "rusqlite", "ratatui"]),
    ("wallet", &["tonic", "tokio", "reqwest", "rpassword", "rusqlite", "candle_core", "ratatui", "std::net"]),
    ("export", &["tokio", "tonic", "rusqlite", "reqwest", "ratatui", "std::fs", "std::net", "std::thread"]),
    ("engine", &["ratatui", "crossterm", "tonic", "candle_core", "aws_sdk_s3", "plotters"]),
    ("service", &["rusqlite", "candle_core", "aws_sdk_s3", "ratatui", "crossterm", "std::fs"]),
    ("devnet", &["ratatui", "crossterm"]),
];

/// Modules that are told what time it is.
const READ_NO_CLOCK: &[&str] = &["api", "app", "config", "export", "model", "views"];

fn sources() -> BTreeMap<String, Vec<PathBuf>> {
    /// Modules that a file beside them declares for tests only.
    fn is_test_only(path: &Path) -> bool {
        let name = path.file_name().expect("a file has a name").to_string_lossy();
        let declared = [
            format!("#[cfg(test)]\nmod {};", name.trim_end_matches(".rs")),
            format!("#[cfg(test)]\n#[path = \"{name}\"]"),
        ];
        let siblings = path.parent().map(fs::read_dir).expect("below src").expect("src is readable").flatten();
        let mut texts = siblings.filter_map(|sibling| fs::read_to_string(sibling.path()).ok());
        texts.any(|text| declared.iter().any(|line| text.contains(line)))
    }
    fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).expect("src is readable").flatten() {
            let path = entry.path();
            if is_test_only(&path) {
                continue;
            }
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules = BTreeMap::new();
    for entry in fs::read_dir(&src).expect("src is readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            let mut files = Vec::new();
            walk(&path, &mut files);
            modules.insert(entry.file_name().to_string_lossy().into_owned(), files);
        }
    }
    modules
}

/// The code of a file without comments and without its unit tests, which may use whatever proves their point.
fn code(path: &Path) -> String {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    if name == "tests" || name.ends_with("_tests") {
        return String::new();
    }
    let text = fs::read_to_string(path).expect("sources are UTF-8");
    let tests = ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\npub(super) mod tests {"];
    let text = &text[..tests.iter().filter_map(|start| text.find(start)).min().unwrap_or(text.len())];
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Modules named as `crate::x` or inside `use crate::{x::…, y}`.
fn named_modules(code: &str, known: &BTreeSet<&str>) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let candidates: Vec<&str> = if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let end = group.find(|c| {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => return true,
                    '}' => depth -= 1,
                    _ => {}
                }
                false
            });
            let mut depth = 0;
            group[..end.unwrap_or(group.len())]
                .split(|c| {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    c == ',' && depth == 0
                })
                .collect()
        } else {
            vec![rest]
        };
        for candidate in candidates {
            let name: String =
                candidate.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if known.contains(name.as_str()) {
                named.insert(name);
            }
        }
    }
    named
}

#[test]
fn modules_know_only_whom_the_architecture_allows() {
    let modules = sources();
    let rules: BTreeMap<&str, &[&str]> = MAY_KNOW.iter().copied().collect();
    let known: BTreeSet<&str> = rules.keys().copied().collect();
    let mut broken = Vec::new();
    for (module, files) in &modules {
        let Some(allowed) = rules.get(module.as_str()) else {
            broken.push(format!("src/{module} is not in the architecture"));
            continue;
        };
        for file in files {
            for name in named_modules(&code(file), &known) {
                if name != *module && !allowed.contains(&name.as_str()) {
                    broken.push(format!("{} names crate::{name}", file.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn modules_do_not_use_crates_beyond_their_concern() {
    let modules = sources();
    let mut broken = Vec::new();
    for (module, forbidden) in MUST_NOT_USE {
        for file in modules.get(*module).into_iter().flatten() {
            let code = code(file);
            for name in *forbidden {
                let used = code.match_indices(name).any(|(at, _)| {
                    let before = code[..at].chars().next_back();
                    let after = code[at + name.len()..].chars().next();
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '"')
                        && matches!(after, Some(':' | ';' | ' ' | ','))
                });
                if used {
                    broken.push(format!("{} uses {name}", file.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn what_is_a_function_of_its_input_reads_no_clock() {
    let modules = sources();
    for module in READ_NO_CLOCK {
        for file in &modules[*module] {
            let code = code(file);
            for clock in ["SystemTime::now", "Instant::now", "now_ms()"] {
                assert!(!code.contains(clock), "{} has {clock}", file.display());
            }
        }
    }
}

#[test]
fn the_architecture_page_names_every_module() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md"))
        .expect("ARCHITECTURE.md is there");
    for module in sources().keys() {
        assert!(page.contains(&format!("`src/{module}/`")), "ARCHITECTURE.md does not name src/{module}/");
    }
}

#[test]
fn grouped_and_nested_imports_are_seen() {
    let known = ["api", "chain", "model"].into();
    let named =
        named_modules("use crate::{\n    api::{Event, Command},\n    model::Model,\n};\ncrate::chain::x();", &known);
    assert_eq!(named, ["api", "chain", "model"].map(String::from).into());
}
