//! The first run: its steps and its rules for secrets. The world outside is answered for by the test.

use secrecy::ExposeSecret;
use somascope::{
    app::{
        AppEvent, Key,
        layout::Size,
        wizard::{Ask, Chain, Choice, Finding, Found, NoNetwork, Outcome, Row, Step, Task, Told, Verdict, Wizard},
    },
    primitives::{Address, Shannons},
};

use crate::harness::{COLOUR, Drawn, emulate, keys as kinds};

fn found() -> Found {
    Found {
        wallets: Vec::new(),
        config: ("/home/user/.config/somascope/config.toml".to_owned(), false),
        variables: ("/home/user/soma/.env".to_owned(), Vec::new()),
    }
}

fn wizard(found: Found) -> Wizard {
    Wizard::new(COLOUR, Size { width: 80, height: 24 }, found)
}

/// Takes keys and gives the one task they lead to.
fn press(wizard: &mut Wizard, keys: &[Key]) -> Option<Task> {
    let asks: Vec<Ask> = keys.iter().flat_map(|key| wizard.on(&AppEvent::Key(*key))).collect();
    asks.into_iter().find_map(|ask| if let Ask::Do(task) = ask { Some(task) } else { None })
}

/// Moves to a row and presses Enter there.
fn choose(wizard: &mut Wizard, choice: Choice) -> Option<Task> {
    let row = wizard.rows().iter().position(|row| *row == Row::Choice(choice)).expect("the choice is offered");
    wizard.row = row;
    press(wizard, &[Key::Enter])
}

fn testnet() -> Told {
    Told::Network(Ok(Chain { id: "4c78adac".to_owned(), epoch: 12, has_faucet: true, has_bucket: false }))
}

const ADDRESS: Address = Address([7; 32]);

/// Up to the question for the bucket.
fn at_the_bucket() -> Wizard {
    let mut wizard = wizard(found());
    choose(&mut wizard, Choice::SetUp);
    assert!(matches!(choose(&mut wizard, Choice::Testnet), Some(Task::Network(name)) if name == "testnet"));
    wizard.told(testnet());
    choose(&mut wizard, Choice::CreateKey);
    press(&mut wizard, &[kinds("correct horse"), vec![Key::Enter], kinds("correct horse"), vec![Key::Enter]].concat());
    let Some(Task::Create { passphrase }) = press(&mut wizard, &[Key::Enter]) else { panic!("a key is made") };
    assert_eq!(passphrase.expose_secret(), "correct horse");
    let asks = wizard.told(Told::Key(Ok(ADDRESS)));
    assert!(asks.iter().any(|ask| matches!(ask, Ask::Do(Task::Balance { address: ADDRESS, .. }))), "{asks:?}");
    wizard.told(Told::Balance(Ok(Shannons(0))));
    assert!(matches!(choose(&mut wizard, Choice::Faucet), Some(Task::Faucet { .. })));
    wizard.told(Told::Balance(Ok(Shannons(2_000_000_000))));
    choose(&mut wizard, Choice::GoOn);
    assert_eq!(wizard.step, Step::Bucket);
    wizard
}

fn with_a_bucket() -> Wizard {
    let mut wizard = at_the_bucket();
    let fields = ["soma-data", "AKIAEXAMPLE", "very secret", "", "eu-central-1", "https://data.example.com"];
    for field in fields {
        press(&mut wizard, &[kinds(field), vec![Key::Enter]].concat());
    }
    wizard
}

fn good(what: &str) -> Finding {
    Finding { verdict: Verdict::Good, what: what.to_owned(), remedy: None }
}

/// A step of the first run, by name.
pub fn step(name: &str) -> Wizard {
    let mut wizard = match name {
        "bucket" => return at_the_bucket(),
        "bucket_typed" | "bucket_bad" | "data" | "data_bad" | "review" | "written" => with_a_bucket(),
        "key_found" => wizard(Found { wallets: vec![("environment".to_owned(), ADDRESS)], ..found() }),
        _ => wizard(found()),
    };
    let to_network = |wizard: &mut Wizard| drop(choose(wizard, Choice::SetUp));
    let to_key = |wizard: &mut Wizard| {
        to_network(wizard);
        choose(wizard, Choice::Testnet);
        wizard.told(testnet());
    };
    let to_data = |wizard: &mut Wizard| {
        choose(wizard, Choice::CheckBucket);
        wizard.told(Told::Bucket(vec![good("written"), good("read in public")]));
        press(wizard, &[Key::Enter]);
    };
    match name {
        "network" => to_network(&mut wizard),
        "network_asked" => {
            to_network(&mut wizard);
            choose(&mut wizard, Choice::Testnet);
        }
        "network_away" => {
            to_network(&mut wizard);
            choose(&mut wizard, Choice::Devnet);
            wizard.told(Told::Network(Err(away())));
        }
        "key" | "key_found" => to_key(&mut wizard),
        "new_key" => {
            to_key(&mut wizard);
            choose(&mut wizard, Choice::CreateKey);
            press(&mut wizard, &kinds("correct"));
            choose(&mut wizard, Choice::Seal);
        }
        "import_key" => {
            to_key(&mut wizard);
            choose(&mut wizard, Choice::ImportKey);
            wizard.on(&AppEvent::Paste("abandon ability able".to_owned()));
        }
        "faucet" => {
            to_key(&mut wizard);
            choose(&mut wizard, Choice::CreateKey);
            wizard.told(Told::Key(Ok(ADDRESS)));
            wizard.told(Told::Balance(Ok(Shannons(0))));
        }
        "bucket_bad" => {
            choose(&mut wizard, Choice::CheckBucket);
            wizard.told(Told::Bucket(vec![
                good("soma-data, doctor/3fa4.bin"),
                Finding {
                    verdict: Verdict::Bad,
                    what: "https://data.example.com/doctor/3fa4.bin: 403".to_owned(),
                    remedy: Some("validators read without a key: make the bucket's objects public".to_owned()),
                },
            ]));
        }
        "data" => to_data(&mut wizard),
        "data_bad" => {
            to_data(&mut wizard);
            press(&mut wizard, &kinds("~/corpsu"));
            choose(&mut wizard, Choice::CheckData);
            let what = "~/corpsu: no such file or directory".to_owned();
            wizard.told(Told::Data(vec![Finding { verdict: Verdict::Bad, what, remedy: None }]));
        }
        "review" | "written" => {
            to_data(&mut wizard);
            press(&mut wizard, &kinds("~/corpus"));
            choose(&mut wizard, Choice::GoOn);
            if name == "written" {
                choose(&mut wizard, Choice::Write);
                let lines = ["written: /home/user/.config/somascope/config.toml", "written: /home/user/soma/.env"];
                wizard.told(Told::Written(Ok(lines.map(str::to_owned).to_vec())));
            }
        }
        _ => {}
    }
    wizard
}

#[test]
fn the_embedded_network_is_one_key_away() {
    let asks = wizard(found()).on(&AppEvent::Key(Key::Enter));
    assert!(matches!(asks[..], [Ask::End(Outcome::Demo)]), "{asks:?}");
}

#[test]
fn testnet_is_set_up_step_by_step_and_written_once() {
    let mut wizard = with_a_bucket();
    let Some(Task::Bucket(bucket)) = press(&mut wizard, &[Key::Enter]) else { panic!("the bucket is tried") };
    assert_eq!((bucket.name.text(), bucket.region.text()), ("soma-data", "eu-central-1"));
    assert_eq!(bucket.secret().expose_secret(), "very secret");
    wizard.told(Told::Bucket(vec![good("written"), good("read in public")]));
    // The cursor is where one goes on.
    press(&mut wizard, &[Key::Enter]);
    assert_eq!(wizard.step, Step::Data);
    let Some(Task::Data(sources)) = press(&mut wizard, &[kinds("~/corpus, notes.txt=3"), vec![Key::Enter; 2]].concat())
    else {
        panic!("the data is looked at")
    };
    assert_eq!(sources, ["~/corpus", "notes.txt=3"]);
    wizard.told(Told::Data(vec![good("412 files")]));
    press(&mut wizard, &[Key::Enter]);
    assert_eq!(wizard.step, Step::Review);
    let Some(Task::Write(answers)) = press(&mut wizard, &[Key::Enter]) else { panic!("it is written") };
    assert_eq!((answers.network.as_str(), answers.address), ("testnet", Some(ADDRESS)));
    assert!(answers.bucket.is_some());
    wizard.told(Told::Written(Ok(vec!["written: config.toml".to_owned()])));
    let asks = wizard.on(&AppEvent::Key(Key::Enter));
    assert!(matches!(asks[..], [Ask::End(Outcome::Run)]), "{asks:?}");
}

#[test]
fn a_bucket_that_does_not_work_is_no_bucket_until_it_is_mended_or_left_out() {
    let mut wizard = with_a_bucket();
    press(&mut wizard, &[Key::Enter]);
    wizard.told(Told::Bucket(vec![
        good("written"),
        Finding { verdict: Verdict::Bad, what: "403 in public".to_owned(), remedy: Some("make it public".to_owned()) },
    ]));
    assert!(!wizard.rows().contains(&Row::Choice(Choice::GoOn)), "a broken bucket cannot be taken");
    // What was tried and then changed has not been tried.
    choose(&mut wizard, Choice::CheckBucket);
    wizard.told(Told::Bucket(vec![good("written")]));
    wizard.row = 0;
    press(&mut wizard, &[Key::Char('x')]);
    assert!(!wizard.rows().contains(&Row::Choice(Choice::GoOn)));
    choose(&mut wizard, Choice::NoBucket);
    assert_eq!(wizard.step, Step::Data);
    assert!(wizard.answers.bucket.is_none());
}

#[test]
fn what_will_not_do_is_refused_before_anything_is_asked_of_the_world() {
    let mut new = wizard(found());
    choose(&mut new, Choice::SetUp);
    assert!(choose(&mut new, Choice::Node).is_none(), "no address was typed");
    choose(&mut new, Choice::Testnet);
    new.told(testnet());
    choose(&mut new, Choice::CreateKey);
    press(&mut new, &kinds("short"));
    assert!(choose(&mut new, Choice::Seal).is_none());
    assert!(new.findings[0].what.contains("8 characters"), "{:?}", new.findings);
    new.row = 0;
    press(&mut new, &[kinds(" but longer"), vec![Key::Down], kinds("another one")].concat());
    assert!(choose(&mut new, Choice::Seal).is_none());
    assert!(new.findings[0].what.contains("differ"), "{:?}", new.findings);
    let mut bucket = at_the_bucket();
    assert!(choose(&mut bucket, Choice::CheckBucket).is_none());
    assert!(bucket.findings[0].what.contains("S3_BUCKET"), "{:?}", bucket.findings);
}

#[test]
fn secrets_are_dots_on_the_screen_and_words_nowhere() {
    let wizard = with_a_bucket();
    assert!(!format!("{wizard:?}").contains("very secret"));
    let screen = text(wizard);
    assert!(screen.contains("•••••••••••") && !screen.contains("very secret"), "{screen}");
    let mut import = self::wizard(found());
    choose(&mut import, Choice::SetUp);
    choose(&mut import, Choice::Testnet);
    import.told(testnet());
    choose(&mut import, Choice::ImportKey);
    import.on(&AppEvent::Paste("abandon ability able\nsecond line".to_owned()));
    assert!(!format!("{import:?}").contains("abandon"));
    assert!(choose(&mut import, Choice::Seal).is_none(), "what was pasted is not what would be kept");
    // Going back forgets them.
    press(&mut import, &[Key::Esc]);
    choose(&mut import, Choice::ImportKey);
    assert!(import.secret.is_empty());
    import.on(&AppEvent::Paste("abandon ability able".to_owned()));
    let screen = text(import);
    assert!(screen.contains("•••") && !screen.contains("abandon"), "{screen}");
}

#[test]
fn nothing_but_the_way_out_works_while_something_is_asked() {
    let mut wizard = wizard(found());
    choose(&mut wizard, Choice::SetUp);
    choose(&mut wizard, Choice::Testnet);
    assert!(wizard.on(&AppEvent::Key(Key::Enter)).is_empty());
    assert!(matches!(wizard.on(&AppEvent::Key(Key::Ctrl('c')))[..], [Ask::End(Outcome::Leave)]));
}

fn away() -> NoNetwork {
    NoNetwork { why: "no embedded network runs here".to_owned(), is_away: true }
}

#[test]
fn what_can_be_no_network_is_not_gone_past() {
    let mut wizard = wizard(found());
    choose(&mut wizard, Choice::SetUp);
    // Nothing is typed.
    choose(&mut wizard, Choice::Node);
    assert!(!wizard.rows().contains(&Row::Choice(Choice::GoOn)), "{:?}", wizard.rows());
    choose(&mut wizard, Choice::Testnet);
    wizard.told(Told::Network(Err(NoNetwork { why: "no network".to_owned(), is_away: false })));
    assert!(!wizard.rows().contains(&Row::Choice(Choice::GoOn)), "{:?}", wizard.rows());
}

#[test]
fn a_network_that_is_away_can_be_gone_past() {
    let mut wizard = wizard(found());
    choose(&mut wizard, Choice::SetUp);
    choose(&mut wizard, Choice::Devnet);
    wizard.told(Told::Network(Err(away())));
    assert_eq!(wizard.step, Step::Network);
    choose(&mut wizard, Choice::GoOn);
    assert_eq!(wizard.step, Step::Key);
    choose(&mut wizard, Choice::NoKey);
    assert_eq!(wizard.step, Step::Data, "without a key there is nothing to upload");
}

fn text(wizard: Wizard) -> String {
    emulate(&Drawn::from(wizard).picture()).text()
}
