//! The promise of `assets/README.md`: the same data and seed give the same file.

use std::{fs, path::Path, process::Command};

fn train(dir: &Path, name: &str) -> Vec<u8> {
    let out = dir.join(name);
    let output = Command::new(env!("CARGO_BIN_EXE_somascope-train"))
        .env("RAYON_NUM_THREADS", "1")
        .args(["--kind", "test", "--steps", "5", "--seed", "7"])
        .args([Path::new("--data"), &dir.join("data"), Path::new("--held-out"), &dir.join("held_out")])
        .args([Path::new("--out"), &out])
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(out).expect("it wrote the file")
}

#[test]
fn the_same_data_and_seed_give_the_same_file() {
    let dir = tempfile::tempdir().expect("a place");
    for (part, text) in [("data", "let seen = files.next();\n"), ("held_out", "fn unseen() {}\n")] {
        fs::create_dir(dir.path().join(part)).expect("a new directory");
        fs::write(dir.path().join(part).join("a.rs"), text.repeat(100)).expect("writable");
    }
    let first = train(dir.path(), "first");
    assert!(first == train(dir.path(), "again"), "the second training gave another file");
}
