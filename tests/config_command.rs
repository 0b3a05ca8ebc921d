//! `somascope config`, and what a file, `.env` and the variables do to the other commands.

#[path = "support/session.rs"]
#[expect(dead_code, reason = "files are looked through elsewhere")]
mod session;

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use serde_json::Value;
use session::Session;

const SECRET: &str = "hunter2hunter2hunter2";

/// A user whose configuration is the file of this text.
fn user(text: &str) -> (Session, PathBuf) {
    let mut session = Session::new();
    let path = session.home().join("config.toml");
    fs::write(&path, text).expect("writable");
    session.environment.push(("SOMASCOPE_CONFIG".to_owned(), path.display().to_string()));
    (session, path)
}

/// What `config show --json` says of one setting.
fn shown(session: &Session, setting: &str, line: &[&str]) -> Value {
    let ended = session.run(&[&["config", "show", "--json"], line].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let rows = ended.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    rows.into_iter()
        .find(|row| row["setting"] == setting || row["secret"] == setting)
        .unwrap_or_else(|| panic!("{setting} is not in {}", ended.stdout))
}

#[test]
fn a_new_file_is_written_once_for_its_user_alone_and_is_good() {
    let mut session = Session::new();
    let path = session.home().join("new/config.toml");
    session.environment.push(("SOMASCOPE_CONFIG".to_owned(), path.display().to_string()));
    assert_eq!(session.run(&["config", "path"]).stdout, format!("{}\n", path.display()));
    let made = session.run(&["config", "init"]);
    assert_eq!((made.code, made.stdout.as_str()), (0, ""), "{}", made.stderr);
    let mode = |path: &PathBuf| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&session.home().join("new"))), (0o600, 0o700));
    let text = fs::read_to_string(&path).expect("readable");
    assert!(text.contains("#window = 1\n") && text.contains("--window, SOMASCOPE_WINDOW"), "{text}");
    let good = session.run(&["config", "check"]);
    assert_eq!((good.code, good.stdout.contains("good, 0 settings")), (0, true), "{}", good.stdout);

    fs::write(&path, "# mine\n").expect("writable");
    let again = session.run(&["config", "init"]);
    assert_eq!((again.code, fs::read_to_string(&path).expect("readable").as_str()), (2, "# mine\n"));
    assert!(again.stderr.contains("left as it is"), "{}", again.stderr);
    let other = session.home().join("other.toml");
    assert_eq!(session.run(&["config", "init", "--config", &other.display().to_string()]).code, 0);
    assert!(other.is_file());
}

#[test]
fn each_value_is_shown_with_where_it_comes_from() {
    let (mut session, path) = user("[network]\nname = \"localnet\"\n\n[data]\nwindow = 2\npieces = \"whole\"\n");
    fs::write(session.home().join(".env"), format!("SOMASCOPE_WINDOW=3\nSOMASCOPE_SPOOL=7\nHF_TOKEN={SECRET}\n"))
        .expect("writable");
    fs::set_permissions(session.home().join(".env"), fs::Permissions::from_mode(0o600)).expect("ours");
    session.environment.push(("SOMASCOPE_SPOOL".to_owned(), "8".to_owned()));
    session.environment.push(("SOMASCOPE_NETWORK".to_owned(), String::new()));

    let network = shown(&session, "network.name", &[]);
    assert_eq!(
        (&network["value"], &network["origin"], &network["line"]),
        (&"localnet".into(), &"file".into(), &2.into())
    );
    assert_eq!(network["file"], path.display().to_string());
    let window = shown(&session, "data.window", &[]);
    assert_eq!(
        (&window["value"], &window["origin"], &window["variable"]),
        (&"3".into(), &".env".into(), &"SOMASCOPE_WINDOW".into())
    );
    let spool = shown(&session, "data.spool", &[]);
    assert_eq!((&spool["value"], &spool["origin"]), (&"8".into(), &"environment".into()));
    let mode = shown(&session, "policy.mode", &[]);
    assert_eq!((&mode["value"], &mode["origin"]), (&"manual".into(), &"default".into()));
    let given = shown(&session, "data.window", &["run", "--data", ".", "--window", "4"]);
    assert_eq!(
        (&given["value"], &given["origin"], &given["option"]),
        (&"4".into(), &"option".into(), &"--window".into())
    );

    let token = shown(&session, "HF_TOKEN", &[]);
    assert_eq!((&token["set"], &token["origin"]), (&true.into(), &".env".into()));
    assert_eq!(shown(&session, "SOMA_SECRET_KEY", &[])["set"], false);
    let text = session.run(&["config", "show"]);
    let row = |name: &str| text.stdout.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(row("data.pieces").contains("whole") && row("data.pieces").ends_with("config.toml:6"), "{}", text.stdout);
    assert!(row("HF_TOKEN").ends_with(".env") && !text.stdout.contains(SECRET), "{}", text.stdout);

    let schema: Value = serde_json::from_str(&session.run(&["config", "schema"]).stdout).expect("JSON");
    assert_eq!(schema["properties"]["data"]["properties"]["window"]["default"], 1);
}

#[test]
fn a_command_uses_what_is_set_and_the_stronger_layer_wins() {
    let (mut session, _) = user("[network]\nrpc-url = \"ftp://node-1\"\n");
    let targets = |session: &Session, line: &[&str]| session.run(&[&["targets"], line].concat()).stderr;
    assert!(targets(&session, &[]).contains("node-1"), "{}", targets(&session, &[]));
    assert!(targets(&session, &["--rpc-url", "ftp://node-2"]).contains("node-2"));
    assert!(!targets(&session, &["--network", "ftp://node-3"]).contains("node-1"));
    session.environment.push(("SOMASCOPE_RPC_URL".to_owned(), "ftp://node-4".to_owned()));
    assert!(targets(&session, &[]).contains("node-4"));
    // No file at all.
    session.environment.pop();
    assert!(!targets(&session, &["--config", "none", "--rpc-url", "ftp://node-5"]).contains("node-1"));

    // Naming the network that is meant anyhow leaves what is set for it.
    let (of_default, _) = user("[library]\ndir = \"/state-1\"\n");
    for (line, value) in
        [(&["--network", "testnet"][..], "/state-1"), (&["--network", "devnet"], ""), (&["--wallet", "other"], "")]
    {
        let shown = shown(&of_default, "library.dir", &[&["run", "--data", "."], line].concat());
        assert_eq!(shown["value"].as_str().unwrap_or_default(), value, "{line:?}: {shown}");
    }
    for (network, is_said) in [("testnet", false), ("http://127.0.0.1:1", true)] {
        let told = of_default.run(&["map", "--out", "no/such/place.svg", "--network", network]).stderr;
        assert_eq!(told.contains("library.dir is set for another network or wallet"), is_said, "{told}");
    }

    // A variable that will not do is told by its name, where it counts.
    session.environment.push(("SOMASCOPE_WINDOW".to_owned(), "wide".to_owned()));
    let run = session.run(&["run", "--headless", "--data", "x"]);
    assert!(run.code == 2 && run.stderr.contains("SOMASCOPE_WINDOW: `wide`"), "{}", run.stderr);
    let run = session.run(&["run", "--headless", "--data", "x", "--window", "1", "--network", "http://127.0.0.1:1"]);
    assert!(!run.stderr.contains("SOMASCOPE_WINDOW"), "{}", run.stderr);
    session.environment.push(("SOMASCOPE_WINDWO".to_owned(), "1".to_owned()));
    let told = session.run(&["targets"]).stderr;
    assert!(told.contains("SOMASCOPE_WINDWO means nothing here; did you mean SOMASCOPE_WINDOW?"), "{told}");
}

#[test]
fn a_broken_file_is_told_and_skipped_and_nothing_signs_by_itself_without_it() {
    const BROKEN: &str = "[network]\nrpc-url = \"ftp://node-9\"\n[policy]\nmax-bonds = 1\n";
    let (session, path) = user(BROKEN);
    let place =
        format!("{}:4:1: there is no setting `policy.max-bonds`; did you mean `policy.max-bond`?", path.display());
    let looks = session.run(&["targets", "--network", "http://127.0.0.1:1"]);
    assert_eq!(looks.code, 3, "{}", looks.stderr);
    assert!(looks.stderr.contains(&format!("warning: {place}")) && looks.stderr.contains("nothing of it is used"));
    assert!(!looks.stderr.contains("node-9"), "{}", looks.stderr);

    let target = "1".repeat(64);
    fs::write(session.home().join("notes.txt"), "some data").expect("writable");
    for line in [
        &["wallet", "merge", "--yes"][..],
        &["claim", "--all", "--yes"],
        &["submit", "notes.txt", "--target", &target, "--yes"],
        &["run", "--headless", "--data", "notes.txt", "--mode", "auto"],
    ] {
        let refused = session.run(line);
        assert_eq!(refused.code, 2, "{line:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(&place) && refused.stderr.contains("--config none"), "{}", refused.stderr);
    }
    let told = session.run(&["config", "check", "--json"]);
    let told: (i32, Value) = (told.code, serde_json::from_str(&told.stdout).expect("JSON"));
    assert_eq!((told.0, &told.1["ok"], &told.1["problems"][0]["line"]), (2, &false.into(), &4.into()));
    let shown = session.run(&["config", "show"]);
    assert!(shown.code == 2 && shown.stdout.contains("policy.max-bond ") && shown.stderr.contains(&place));
    // Help needs no file, and none is ever written to.
    assert_eq!(session.run(&["run", "--help"]).code, 0);
    assert_eq!(session.run(&["config", "init"]).code, 2);
    assert_eq!(fs::read_to_string(&path).expect("readable"), BROKEN);

    let missing = session.run(&["targets", "--config", "no-such.toml"]);
    assert!(missing.code == 2 && missing.stderr.contains("no-such.toml cannot be read"), "{}", missing.stderr);
}

#[test]
fn a_file_with_a_secret_is_refused_by_every_command_and_never_repeated() {
    let (session, path) = user(&format!("[bucket]\nsecret-access-key = \"{SECRET}\"\n"));
    for line in [
        &["targets"][..],
        &["demo", "--headless"],
        &["wallet", "list"],
        &["doctor"],
        &["config", "show"],
        &["config", "check"],
    ] {
        let ended = session.run(line);
        assert_eq!(ended.code, 2, "{line:?}: {}", ended.stderr);
        let printed = ended.stdout + &ended.stderr;
        assert!(printed.contains("`bucket.secret-access-key` is or looks like a secret"), "{printed}");
        assert!(printed.contains(".env") && !printed.contains(SECRET), "{printed}");
    }
    assert!(fs::metadata(path).is_ok());

    // Wherever it stands.
    let key = "7".repeat(64);
    for text in [
        format!("[data]\nsources = [\"~/corpus\", \"{key}\"]\n"),
        format!("[data]\nsources = [[\"{key}\"]]\n"),
        format!("[[data.sources]]\nname = \"{key}\"\n"),
        format!("[bucket]\nregion = {{ inner = {{ list = [1, \"{key}\"] }} }}\n"),
        format!("[keys]\nmouse = [\"{key}\"]\n"),
        format!("keys = [\"{key}\"]\n"),
        format!("[unknown.table]\nx = [{{ y = \"{key}\" }}]\n"),
        format!("[network]\n{key} = 1\n"),
        format!("[\"{key}\"]\nx = 1\n"),
        "[bucket.keys]\nsecret-access-key = 12345678901234\n".to_owned(),
    ] {
        let (session, _) = user(&text);
        for line in [&["config", "check"][..], &["config", "show"], &["targets"]] {
            let ended = session.run(line);
            let printed = ended.stdout + &ended.stderr;
            assert!(ended.code == 2 && printed.contains("looks like a secret"), "{text}: {line:?}: {printed}");
            assert!(!printed.contains(&key) && !printed.contains("12345678901234"), "{printed}");
        }
    }
}

#[test]
fn files_that_are_no_configuration_are_told_and_left_alone() {
    let (session, path) = user("");
    let told = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("writable");
        let ended = session.run(&["config", "check"]);
        assert_eq!(ended.code, 2, "{}", ended.stdout);
        assert_eq!(fs::read(&path).expect("readable"), bytes);
        ended.stdout
    };
    assert!(told(b"[data]\nwindow = 2\n# \xff\n").contains(":3:1: this is no UTF-8 text"));
    assert!(told(&vec![b'\n'; (1 << 20) + 1]).contains("more than 1 MiB"));
    assert!(told(b"[data]\nwindow = = 2\n").contains(":2:"));
    assert!(told(b"[data]\nwindow = [2]\npieces = \"wholes\"\n").contains("a whole number is expected"));
    for place in [session.home().to_owned(), PathBuf::from("/dev/zero"), session.home().join("none.toml")] {
        let ended = session.run(&["config", "check", &place.display().to_string()]);
        let printed = ended.stdout + &ended.stderr;
        assert!(ended.code == 2 && printed.contains(&place.display().to_string()), "{printed}");
    }
}

#[test]
fn a_password_in_a_url_is_not_shown() {
    let (session, _) = user("[network]\nrpc-url = \"https://me:hunter2hunter2@node.example.com/x\"\n");
    let shown = session.run(&["config", "show"]);
    assert!(shown.stdout.contains("hidden") && !shown.stdout.contains("hunter2"), "{}", shown.stdout);
    let json = session.run(&["config", "show", "--json"]).stdout;
    assert!(!json.contains("hunter2"), "{json}");
    // What may be a key behind the host, of a good address and of one that will not do.
    let key = "hunter2hunter2hunter2hunter2";
    let (session, _) = user(&format!(
        "[network]\nrpc-url = \"https://node.example.com/v2/{key}\"\nfaucet-url = \"me:{key}@host\"\n\
         scoring-url = \"https://h/?token={key}\"\n\
         admin-url = \"node.example.com:9000/v2/{key}\"\n[bucket]\npublic-url = \"https://s3.example.com/soma\"\n\
         [serve]\nlisten = \"http://me:{key}@127.0.0.1/\"\n"
    ));
    for line in [&["config", "show"][..], &["config", "check"], &["config", "show", "--json"]] {
        let ended = session.run(line);
        let printed = ended.stdout + &ended.stderr;
        assert!(!printed.contains("hunter2"), "{line:?}: {printed}");
    }
}

#[test]
fn what_a_command_cannot_do_without_may_be_missing_where_it_is_only_shown() {
    let session = Session::new();
    let shown = session.run(&["config", "show", "run", "--mode", "auto"]);
    assert!(shown.code == 0 && shown.stdout.contains("policy.mode "), "{}", shown.stderr);
}
