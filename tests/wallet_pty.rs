//! What a person types at the wallet's questions, on a real pseudo-terminal.

#[path = "support/pty.rs"]
#[expect(dead_code, reason = "resizing and signals are tested with the dashboard")]
mod pty;

use std::{fs, path::Path, time::Duration};

use pty::Pty;
use secrecy::{ExposeSecret, SecretString};
use somascope::{
    chain::keys::Keypair,
    wallet::{KdfCost, Vault},
};

/// A passphrase is stretched within this, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);
const PASSPHRASE: &str = "correct horse";

fn wallet(home: &Path, args: &[&str]) -> Pty {
    wallet_of(home, args, (100, 30))
}

fn wallet_of(home: &Path, args: &[&str], size: (u16, u16)) -> Pty {
    let data = home.join("data");
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let environment = [("HOME", text(home)), ("XDG_DATA_HOME", text(&data)), ("SOMA_CONFIG_DIR", text(&data))];
    let mut environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    // Empty is not set.
    environment.extend(["SOMA_SECRET_KEY", "SOMASCOPE_NETWORK", "SOMASCOPE_PASSPHRASE"].map(|name| (name, "")));
    let args = [&["wallet"], args].concat();
    Pty::spawn(env!("CARGO_BIN_EXE_somascope"), &args, &environment, size)
}

fn vault(home: &Path) -> Vault {
    Vault::below(&home.join("data/somascope"))
}

#[test]
fn a_new_passphrase_is_asked_for_twice_and_never_shown() {
    let home = tempfile::tempdir().expect("a place");
    for (first, second, why) in [("", None, "empty"), (PASSPHRASE, Some("other"), "differ")] {
        let mut new = wallet(home.path(), &["new"]);
        new.wait_for("new passphrase:", PATIENCE);
        new.send(&format!("{first}\r"));
        if let Some(second) = second {
            new.wait_for("again:", PATIENCE);
            new.send(&format!("{second}\r"));
        }
        new.wait_for(why, PATIENCE);
        assert_eq!(new.wait_exit(PATIENCE).exit_code(), 2, "{}", new.text());
        new.assert_restored();
        assert!(vault(home.path()).names().expect("readable").is_empty());
    }
    let mut new = wallet(home.path(), &["new"]);
    new.wait_for("new passphrase:", PATIENCE);
    new.send("correct horse\r");
    new.wait_for("again:", PATIENCE);
    new.send("correct horse\r");
    assert!(new.wait_exit(PATIENCE).success(), "{}", new.text());
    new.assert_restored();
    assert!(!new.text().contains("horse"), "{}", new.text());
    let file = vault(home.path()).read("default").expect("written");
    let key = file.unlock(&PASSPHRASE.into()).expect("its passphrase");
    assert!(new.text().contains(&key.address().to_hex_prefixed()[..40]), "{}", new.text());
}

#[test]
fn the_words_of_a_new_wallet_are_shown_once_and_taken_off_the_screen() {
    // On a narrow screen, too, where the words and the question take more lines.
    for size in [(100, 30), (43, 40)] {
        let home = tempfile::tempdir().expect("a place");
        let mut new = wallet_of(home.path(), &["new", "--mnemonic"], size);
        for prompt in ["new passphrase:", "again:"] {
            new.wait_for(prompt, PATIENCE);
            new.send("correct horse\r");
        }
        new.wait_for("Show them now?", PATIENCE);
        assert!(!new.text().contains("24 "), "nothing before the yes:\n{}", new.text());
        new.send("y\r");
        new.wait_for("on paper?", PATIENCE);
        let words = words(&new.text());
        assert_eq!(words.split(' ').count(), 24, "{}", new.text());
        new.send("y\r");
        assert!(new.wait_exit(PATIENCE).success(), "{}", new.text());
        for word in ["23 ", "24 "] {
            assert!(!new.text().contains(word), "the words are gone:\n{}", new.text());
        }
        let expected = Keypair::from_mnemonic(&SecretString::from(words)).expect("a mnemonic");
        let key =
            vault(home.path()).read("default").expect("written").unlock(&PASSPHRASE.into()).expect("its passphrase");
        assert_eq!(key.address(), expected.address());
    }
}

/// `1 word 2 word …`, as the screen has them.
fn words(screen: &str) -> String {
    let numbered = screen.split_whitespace().collect::<Vec<_>>();
    let words = (1..=24).filter_map(|n| {
        let at = numbered.iter().position(|word| *word == n.to_string())?;
        numbered.get(at + 1).copied()
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_secret_that_is_typed_in_is_not_shown_and_one_that_is_shown_is_confirmed_by_typing() {
    let home = tempfile::tempdir().expect("a place");
    let key = Keypair::from_seed([7; 32]);
    let mut import = wallet(home.path(), &["import"]);
    import.wait_for("secret key or mnemonic:", PATIENCE);
    import.send(&format!("{}\r", key.to_hex().expose_secret()));
    for prompt in ["new passphrase:", "again:"] {
        import.wait_for(prompt, PATIENCE);
        import.send("correct horse\r");
    }
    assert!(import.wait_exit(PATIENCE).success(), "{}", import.text());
    assert!(!import.text().contains("07070707"), "{}", import.text());

    // --yes is no typed confirmation.
    let end = key.address().to_string().split_off(58);
    let mut refused = wallet(home.path(), &["export", "--yes"]);
    refused.wait_for("last six characters", PATIENCE);
    refused.send("y\r");
    assert_eq!(refused.wait_exit(PATIENCE).exit_code(), 2, "{}", refused.text());
    assert!(refused.text().contains("not confirmed"), "{}", refused.text());

    let mut export = wallet(home.path(), &["export", "--form", "hex"]);
    export.wait_for("last six characters", PATIENCE);
    export.send(&format!("{end}\r"));
    // A person may mistype once or twice.
    export.wait_for("passphrase of wallet `default`:", PATIENCE);
    export.send("correct hors\r");
    export.wait_for("once more", PATIENCE);
    export.wait_until("asked again", PATIENCE, |screen| screen.contents().matches("passphrase of wallet").count() == 2);
    export.send("correct horse\r");
    assert!(export.wait_exit(PATIENCE).success(), "{}", export.text());
    assert!(export.text().contains(key.to_hex().expose_secret()), "{}", export.text());
}

#[test]
fn an_interrupted_question_gives_the_terminal_back_and_leaves_nothing() {
    let home = tempfile::tempdir().expect("a place");
    let cheap = KdfCost { memory_kib: 8, iterations: 1, parallelism: 1 };
    vault(home.path()).create("old", &Keypair::from_seed([1; 32]), &"x".into(), cheap, 0).expect("made");
    let mut new = wallet(home.path(), &["new"]);
    new.wait_for("new passphrase:", PATIENCE);
    // While a secret is in memory, no copy of it may be written to disk.
    if cfg!(target_os = "linux") {
        let limits = fs::read_to_string(format!("/proc/{}/limits", new.pid())).expect("the child runs");
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("Linux tells it");
        assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
    }
    new.send("half a passph\x03");
    assert_eq!(new.wait_exit(PATIENCE).exit_code(), 2, "{}", new.text());
    new.assert_restored();
    assert!(new.text().contains("interrupted") && !new.text().contains("half"), "{}", new.text());
    assert_eq!(vault(home.path()).names().expect("readable"), ["old"]);
}
