use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::config::{Kind, Setting, Variable, schema, template};

fn facts() -> Vec<Facts> {
    Facts::all(&documented(Cli::command()))
}

/// Layers of texts, as if they were a file and variables.
fn sources(file: &str, variables: &BTreeMap<(&str, Variable), String>) -> Sources {
    let facts = facts();
    let file = File::parse(file, &facts);
    let variable = |name: &'static str, source| variables.get(&(name, source)).cloned();
    let layers = Layers::new(&facts, Some(&file), &variable, Some(Path::new("/home/me")));
    Sources { facts, place: None, file: Some(file), environment: Environment::empty(), layers }
}

fn line(words: &[&str]) -> Vec<OsString> {
    std::iter::once("somascope").chain(words.iter().copied()).map(OsString::from).collect()
}

/// What a command line would run with.
fn values(sources: &Sources, words: &[&str]) -> BTreeMap<&'static str, Value> {
    let matches = sources.matches(&line(words), words[0]).expect("a good line");
    let found = sources
        .facts
        .iter()
        .filter_map(|facts| Some((facts.setting.path, sources.value(facts, Some((&matches, words[0])))?)));
    found.collect()
}

fn problems(text: &str) -> Vec<String> {
    File::parse(text, &facts()).problems.iter().map(ToString::to_string).collect()
}

/// Values that the setting takes, as an option has them.
fn samples(facts: &Facts) -> Vec<String> {
    const POOL: [&str; 14] = [
        "2",
        "3",
        "4",
        "0.5",
        "name",
        "other",
        "cpu",
        "cuda:1",
        "f16",
        "f32",
        "127.0.0.1:7",
        "0.0.0.0:8",
        "any",
        "off",
    ];
    let choices = facts.choices.iter().map(|(name, _)| name.as_str());
    let fits = |value: &&str| match facts.setting.kind {
        Kind::Bool => false,
        Kind::Integer => value.parse::<u64>().is_ok(),
        Kind::Number | Kind::Amount => value.parse::<f64>().is_ok(),
        Kind::Text | Kind::List => true,
    };
    let all = POOL.into_iter().chain(choices).filter(fits).map(str::to_owned);
    let all: Vec<String> = match facts.setting.kind {
        Kind::Bool => vec!["true".to_owned(), "false".to_owned()],
        _ => all.filter(|value| facts.check(std::slice::from_ref(value)).is_ok()).collect(),
    };
    assert!(all.len() >= 2, "{} needs more samples", facts.setting.path);
    all
}

/// A value as the file has it.
fn toml(kind: Kind, values: &[String]) -> String {
    let text = |value: &String| serde_json::Value::from(value.as_str()).to_string();
    match kind {
        Kind::List => format!("[{}]", values.iter().map(text).collect::<Vec<_>>().join(", ")),
        Kind::Text => text(&values[0]),
        _ => values[0].clone(),
    }
}

#[test]
fn every_setting_is_an_option_with_a_default_or_an_example_and_has_names_of_its_own() {
    let facts = facts();
    let found: Vec<_> = facts.iter().map(|facts| facts.setting.path).collect();
    assert_eq!(found, SETTINGS.iter().map(|setting| setting.path).collect::<Vec<_>>());
    for facts in &facts {
        let setting = facts.setting;
        assert_eq!(facts.default.is_empty(), !setting.example.is_empty(), "{}: a default or an example", setting.path);
        assert!(!facts.help.is_empty() && !facts.option.is_empty(), "{}", setting.path);
        let same = |other: &&Setting| other.path == setting.path || other.env == setting.env;
        assert_eq!(SETTINGS.iter().filter(same).count(), 1, "{} or {} twice", setting.path, setting.env);
        // The variable is called like the option.
        let foreign = ["S3_", "AWS_"].iter().any(|prefix| setting.env.starts_with(prefix));
        let own = ["demo", "serve"].into_iter().find(|own| setting.section() == *own);
        let name = format!("{}-{}", own.unwrap_or_default(), facts.option.trim_start_matches("--"));
        let name = name.trim_start_matches('-').replace('-', "_").to_uppercase();
        assert!(foreign || setting.env == format!("SOMASCOPE_{name}"), "{} is not SOMASCOPE_{name}", setting.env);
    }
}

#[test]
fn every_option_of_the_long_running_commands_is_a_setting_or_about_one_run_alone() {
    /// What one start is told: how it ends, what it prints, and consents, which must be given each time.
    const ONCE: [&str; 8] =
        ["config", "headless", "epochs", "json", "record", "record_previews", "accept_chain", "accept_protocol"];
    let tree = Cli::command();
    for name in ["run", "demo", "serve"] {
        let command = tree.find_subcommand(name).expect("it is there");
        for arg in command.get_arguments().map(|arg| arg.get_id().as_str()) {
            let is_setting = SETTINGS.iter().any(|setting| applies(setting, name, arg));
            assert!(
                is_setting != ONCE.contains(&arg),
                "--{arg} of {name}: add it to the table of settings (src/config/settings.rs), or to those of one start"
            );
        }
    }
}

#[test]
fn kinds_are_those_of_the_options() {
    let tree = Cli::command();
    for facts in facts() {
        let setting = facts.setting;
        let Some(command) = setting.commands.first().and_then(|name| tree.find_subcommand(name)) else { continue };
        let arg = command.get_arguments().find(|arg| arg.get_id() == setting.arg).expect("it is there");
        let is_list = matches!(arg.get_action(), clap::ArgAction::Append);
        let is_switch = matches!(arg.get_action(), clap::ArgAction::SetTrue);
        assert_eq!((is_list, is_switch), (setting.kind == Kind::List, setting.kind == Kind::Bool), "{}", setting.path);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Option > variable of the process > variable of `.env` > file > default; what wins is the same value from wherever it comes.
    #[test]
    fn the_strongest_layer_that_says_something_decides(
        top in prop::sample::select(vec!["run", "demo", "serve"]),
        dice in prop::collection::vec((0..16_u8, any::<[prop::sample::Index; 4]>()), SETTINGS.len()),
    ) {
        let facts = facts();
        let (mut words, mut variables, mut file) = (vec![top.to_owned()], BTreeMap::new(), BTreeMap::<_, String>::new());
        let mut expected = BTreeMap::new();
        for (facts, (layers, picks)) in facts.iter().zip(&dice) {
            let setting = facts.setting;
            let all = samples(facts);
            // What belongs to a subject has a test of its own.
            if !applies(setting, top, setting.arg) || !setting.about.is_empty() || (top != "run" && setting.commands.is_empty()) {
                continue;
            }
            let mut strongest = Value { values: facts.default.clone(), origin: Origin::Default };
            for (layer, pick) in picks.iter().enumerate() {
                // `run` needs something to score.
                if layers & (1 << layer) == 0 && !(layer == 0 && setting.path == "data.sources") {
                    continue;
                }
                let values = vec![pick.get(&all).clone()];
                let origin = match layer {
                    0 => {
                        let text = file.entry(setting.section()).or_default();
                        text.push_str(&format!("{} = {}\n", setting.key(), toml(setting.kind, &values)));
                        Origin::File { line: 0 }
                    }
                    1 | 2 => {
                        let source = if layer == 1 { Variable::DotEnv } else { Variable::Process };
                        variables.insert((setting.env, source), values[0].clone());
                        Origin::Variable { name: setting.env, source }
                    }
                    _ => {
                        words.push(format!("{}={}", facts.option, values[0]));
                        Origin::Option
                    }
                };
                strongest = Value { values, origin };
            }
            expected.insert(setting.path, strongest);
        }
        let file: String = file.iter().map(|(section, text)| format!("[{section}]\n{text}")).collect();
        let sources = sources(&file, &variables);
        prop_assert!(sources.problems().is_empty(), "{:?}\n{file}", sources.problems());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let matches = sources.matches(&line(&words), top).expect("a good line");
        prop_assert!(Cli::from_arg_matches(&matches).is_ok(), "it becomes the command's own types");
        for (path, mut found) in values(&sources, &words) {
            if let Origin::File { line } = &mut found.origin {
                let (text, key) = (file.lines().nth(*line - 1).unwrap_or_default(), path.rsplit('.').next().unwrap_or_default());
                prop_assert!(text.starts_with(key), "{path} is not in line {line}: {text}");
                *line = 0;
            }
            if let Some(expected) = expected.get(path) {
                // Paths below home are written in full.
                prop_assert_eq!(&found, expected, "{}", path);
            }
        }
    }

    /// Whatever is in a file: it is read, or it is told what is wrong with it.
    #[test]
    fn no_file_panics(text in "(\\[[a-z]{1,9}\\]\n)?([a-z.-]{1,12} ?= ?[^\n]{0,12}\n){0,4}") {
        let _ = problems(&text);
    }
}

#[test]
fn values_become_what_the_commands_know() {
    let sources = sources(
        "[data]\nsources = [\"~/a=3\", \"jsonl:~/b\"]\nwindow = 4\n[policy]\nmax-bond = 0.1\n[scoring]\nmemory = 0.5\n\
         [interface]\nascii = true\n",
        &BTreeMap::new(),
    );
    let found = values(&sources, &["run", "--ascii=false"]);
    assert_eq!(found["data.sources"].values, ["/home/me/a=3", "jsonl:/home/me/b"]);
    assert_eq!(found["policy.max-bond"].values, ["0.1"], "never through a float");
    assert_eq!(
        (found["interface.ascii"].values[0].as_str(), found["interface.ascii"].origin),
        ("false", Origin::Option)
    );
    let matches = sources.matches(&line(&["run"]), "run").expect("a good line");
    let run = leaf(&matches);
    assert_eq!(run.get_one::<crate::primitives::Shannons>("max_bond").map(|bond| bond.0), Some(100_000_000));
    assert_eq!((run.get_one::<u8>("window"), run.get_one::<u64>("memory")), (Some(&4), Some(&(1 << 29))));
}

#[test]
fn a_variable_may_hold_a_list_and_tells_what_is_wrong_with_it() {
    let with = |value: &str| {
        let variables = BTreeMap::from([(("SOMASCOPE_DATA", Variable::Process), value.to_owned())]);
        sources("", &variables)
    };
    let found = |value| values(&with(value), &["run"])["data.sources"].values.clone();
    assert_eq!(found("[\"a\", '~/b,c']"), ["a", "/home/me/b,c"]);
    assert_eq!(found("[ab]*.txt"), ["[ab]*.txt"], "a glob");
    let wrong = with("[\"a\", \"b\"").layers.wrong("data.sources").map(str::to_owned).expect("told");
    assert!(wrong.starts_with("SOMASCOPE_DATA: "), "{wrong}");
    let variables = BTreeMap::from([(("SOMASCOPE_PIECES", Variable::DotEnv), "windoze".to_owned())]);
    let wrong = sources("", &variables).layers.wrong("data.pieces").map(str::to_owned).expect("told");
    assert_eq!(wrong, "SOMASCOPE_PIECES: `windoze` is none of whole, windows, both; did you mean `windows`?");
}

#[test]
fn the_services_of_one_network_are_not_used_for_another() {
    let file = "[network]\nname = \"testnet\"\nrpc-url = \"https://node.example.com\"\n";
    let sources = |variables: &[(&'static str, &str)]| {
        let variables = variables.iter().map(|(name, value)| ((*name, Variable::Process), (*value).to_owned()));
        sources(file, &variables.collect())
    };
    let node = |sources: &Sources, words: &[&str]| values(sources, words)["network.rpc-url"].values.first().cloned();
    let own = Some("https://node.example.com".to_owned());
    let plain = sources(&[]);
    assert_eq!(node(&plain, &["targets"]), own);
    assert_eq!(node(&plain, &["targets", "--network", "testnet"]), own, "it is the same");
    assert_eq!(node(&plain, &["wallet", "balance", "--network", "devnet"]), None);
    assert_eq!(node(&sources(&[("SOMASCOPE_NETWORK", "devnet")]), &["targets"]), None);
    let both = sources(&[("SOMASCOPE_NETWORK", "devnet"), ("SOMASCOPE_RPC_URL", "http://127.0.0.1:1")]);
    assert_eq!(node(&both, &["targets"]).as_deref(), Some("http://127.0.0.1:1"));
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_would_be_right() {
    let text = "[data]\nwindow = \"2\"\n  pieces = \"windoze\"\nwindows = 3\nsources = 7\n[scorring]\n[policy]\nmax_bond = 1\nwindow = 1\n\
                at-once = 65\n[interface]\nascii = 1\n[network]\nname = true\n[keys]\npauze = \"p\"\npause = \"hyper-x\"\nhelp = 3\n";
    let found = problems(text);
    let expected = [
        "2:10: `data.window` is a text: a whole number is expected",
        "3:12: `data.pieces`: `windoze` is none of whole, windows, both; did you mean `windows`?",
        "4:1: there is no setting `data.windows`; did you mean `data.window`?",
        "5:11: `data.sources` is a whole number: a list of texts, such as [\"a\", \"b\"] is expected",
        "6:2: there is no table [scorring]; did you mean `scoring`?",
        "8:1: there is no setting `policy.max_bond`; did you mean `policy.max-bond`?",
        "9:1: there is no setting `policy.window`; did you mean `data.window`?",
        "10:11: `policy.at-once`: `65` will not do: 65 is not in 1..=64",
        "12:9: `interface.ascii` is a whole number: true or false is expected",
        "14:8: `network.name` is true or false: a text in quotes is expected",
        "16:1: [keys]: no action is called `pauze`: did you mean `pause`?",
        "17:9: `keys.pause`: `hyper-x` is no key: a character",
        "18:8: `keys.help` is a whole number: a key or a list of keys is expected",
    ];
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    assert_eq!(problems("[data]\nwindow = \n")[0].split(": ").next(), Some("2:10"));
    assert!(problems("[data]\nwindow = 1\nwindow = 2\n")[0].starts_with("3:1: this is no TOML"));
    assert!(problems("window = 1\n")[0].contains("did you mean `data.window`?"));
    // A file with problems is not used at all.
    let broken = sources("[data]\nwindow = 3\nwindows = 3\nsources = [\"a\"]\n", &BTreeMap::new());
    assert_eq!(broken.layers.get("data.window"), None);
}

#[test]
fn secrets_are_refused_by_name_and_by_look_and_never_repeated() {
    let key = "5".repeat(64);
    let words = "abandon ability able about above absent absorb abstract absurd abuse access accident";
    for (line, path) in [
        (format!("[bucket]\nsecret-access-key = \"{key}\""), "bucket.secret-access-key"),
        ("[bucket]\nS3_SECRET_ACCESS_KEY = \"hunter2hunter2\"".to_owned(), "bucket.S3_SECRET_ACCESS_KEY"),
        (format!("[wallet]\nname = \"{key}\""), "wallet.name"),
        (format!("[wallet]\nkey = \"0x{key}\""), "wallet.key"),
        (format!("[wallet]\nname = \"{words}\""), "wallet.name"),
        ("[wallet]\npassphrase = \"hunter2hunter2\"".to_owned(), "wallet.passphrase"),
        ("[hub]\nhf_token = \"hunter2hunter2\"".to_owned(), "hub.hf_token"),
        ("[hub]\nx = { y = \"somaprivkey1hunter2\" }".to_owned(), "hub.x.y"),
        ("SOMA_SECRET_KEY = \"hunter2hunter2\"".to_owned(), "SOMA_SECRET_KEY"),
        (format!("[data]\nsources = [\"a\", \"{key}\"]"), "data.sources"),
        (format!("[keys]\npause = \"{key}\""), "keys.pause"),
    ] {
        let file = File::parse(&line, &facts());
        let secret: Vec<_> = file.problems.iter().filter(|problem| problem.is_secret).collect();
        assert_eq!(secret.len(), 1, "{line}: {:?}", file.problems);
        assert!(secret[0].text.starts_with(&format!("`{path}` is or looks like a secret")), "{}", secret[0].text);
        for problem in &file.problems {
            let text = problem.to_string();
            assert!(!text.contains(&key) && !text.contains("hunter2") && !text.contains("ability"), "{text}");
        }
    }
    // Nor in what the parser says.
    let text = problems("[wallet]\npassphrase = hunter2hunter2\n").join("");
    assert!(text.contains("no TOML") && !text.contains("hunter2"), "{text}");
}

#[test]
fn the_template_sets_nothing_and_every_line_of_it_can_be_set() {
    let facts = facts();
    let template = template(&facts);
    let empty = File::parse(&template, &facts);
    assert!(empty.problems.is_empty() && empty.entries.is_empty() && empty.bindings.is_empty(), "{:?}", empty.problems);

    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') && !rest.is_empty() => rest.to_owned(),
        _ => line.to_owned(),
    };
    let set: Vec<String> = template.lines().map(uncomment).collect();
    let full = File::parse(&set.join("\n"), &facts);
    assert!(full.problems.is_empty(), "{:#?}", full.problems);
    let entries: Vec<_> = full.entries.iter().map(|entry| entry.setting.path).collect();
    assert_eq!(entries, SETTINGS.iter().map(|setting| setting.path).collect::<Vec<_>>());
    assert_eq!(full.bindings.len(), crate::app::actions::ACTIONS.len());
    // Where there is a default, the line is the default.
    for (entry, facts) in full.entries.iter().zip(&facts).filter(|(_, facts)| !facts.default.is_empty()) {
        assert_eq!(entry.values, facts.default, "{}", facts.setting.path);
    }
    assert!(template.lines().all(|line| line.chars().count() <= 120), "lines fit a screen");
}

/// What of a value a schema refuses: as much of JSON schema as ours uses, and a panic at what it does not.
fn refused(value: &serde_json::Value, schema: &serde_json::Value, at: &str) -> Vec<String> {
    use serde_json::Value as Json;
    let mut wrong = Vec::new();
    for (word, rule) in schema.as_object().expect("a schema is an object") {
        match word.as_str() {
            "$schema" | "title" | "description" | "default" => {}
            "type" => {
                let is = |name: &str| match name {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    other => panic!("type {other}"),
                };
                let names: Vec<&str> = rule
                    .as_str()
                    .into_iter()
                    .chain(rule.as_array().into_iter().flatten().filter_map(Json::as_str))
                    .collect();
                if !names.into_iter().any(is) {
                    wrong.push(format!("{at} is no {rule}"));
                }
            }
            "enum" => {
                if value.is_string() && !rule.as_array().expect("a list").contains(value) {
                    wrong.push(format!("{at} is none of {rule}"));
                }
            }
            "minLength" => {
                if value.as_str().is_some_and(str::is_empty) {
                    wrong.push(format!("{at} is empty"));
                }
            }
            "items" => {
                let items = value.as_array().into_iter().flatten();
                wrong.extend(items.flat_map(|item| refused(item, rule, &format!("{at}[]"))));
            }
            "anyOf" => {
                let all: Vec<_> =
                    rule.as_array().expect("a list").iter().map(|rule| refused(value, rule, at)).collect();
                if !all.iter().any(Vec::is_empty) {
                    wrong.extend(all.into_iter().flatten());
                }
            }
            "properties" => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    match rule.get(name) {
                        Some(rule) => wrong.extend(refused(inner, rule, &format!("{at}.{name}"))),
                        None => wrong.push(format!("{at}.{name} is not in the schema")),
                    }
                }
            }
            "additionalProperties" => assert_eq!(rule, false),
            other => panic!("the schema has {other}"),
        }
    }
    wrong
}

/// A file as JSON, as an editor's checker sees it.
fn json(text: &str) -> serde_json::Value {
    fn item(node: &toml_edit::Item) -> serde_json::Value {
        match node {
            toml_edit::Item::Value(inner) => value_of(inner),
            other => {
                let table = other.as_table_like().expect("tables and values");
                table.iter().map(|(name, inner)| (name.to_owned(), item(inner))).collect()
            }
        }
    }
    fn value_of(value: &toml_edit::Value) -> serde_json::Value {
        match value {
            toml_edit::Value::String(text) => text.value().as_str().into(),
            toml_edit::Value::Integer(number) => (*number.value()).into(),
            toml_edit::Value::Float(number) => (*number.value()).into(),
            toml_edit::Value::Boolean(yes) => (*yes.value()).into(),
            toml_edit::Value::InlineTable(table) => {
                table.iter().map(|(name, inner)| (name.to_owned(), value_of(inner))).collect()
            }
            toml_edit::Value::Array(list) => list.iter().map(value_of).collect(),
            other => panic!("{other:?}"),
        }
    }
    item(toml_edit::Document::parse(text).expect("TOML").as_item())
}

#[test]
fn the_schema_takes_what_the_reader_takes_and_refuses_what_it_refuses() {
    let facts = facts();
    let schema = schema(&facts);
    let full: Vec<String> = template(&facts)
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => rest.to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    let full = full.join("\n");
    assert_eq!(refused(&json(&full), &schema, ""), Vec::<String>::new());
    for wrong in [
        "[data]\nwindow = \"2\"",
        "[data]\nwindow = 2.5",
        "[data]\nwindows = 2",
        "[data]\npieces = \"windoze\"",
        "[data]\nsources = [1]",
        "[interface]\nascii = 1",
        "[keys]\npauze = \"p\"",
        "[keys]\npause = [1]",
        "[nothing]\n",
        "data = 1",
    ] {
        assert!(!problems(wrong).is_empty() && !refused(&json(wrong), &schema, "").is_empty(), "{wrong}");
    }
    for right in [
        "[data]\nsources = \"a\"\nwindow = 2",
        "[policy]\nmax-bond = \"250000sh\"",
        "[policy]\nmax-bond = 1",
        "[scoring]\nmemory = 0.5",
        "network = { name = \"devnet\" }",
        "[keys]\npause = [\"P\", \"Ctrl-p\"]\nmouse = []",
    ] {
        assert_eq!((problems(right), refused(&json(right), &schema, "")), (vec![], vec![]), "{right}");
    }
    // Every setting is described, with what an editor shows.
    for facts in &facts {
        let property = &schema["properties"][facts.setting.section()]["properties"][facts.setting.key()];
        assert!(property["description"].as_str().is_some_and(|text| text.contains(facts.setting.env)), "{property}");
    }
}

#[test]
fn the_first_word_that_is_a_command_is_the_command() {
    let tree = Cli::command();
    let of = |words: &[&str]| {
        let line = Line::of(&line(words), &tree);
        (line.config.map(|path| path.display().to_string()), line.top)
    };
    assert_eq!(of(&["--config", "run", "demo"]), (Some("run".to_owned()), Some("demo".to_owned())));
    assert_eq!(of(&["run", "--data", "demo", "--config=x"]), (Some("x".to_owned()), Some("run".to_owned())));
    assert_eq!(of(&["--help"]), (None, None));
    assert_eq!(of(&["score", "--", "--config", "x"]), (None, Some("score".to_owned())));
}

#[test]
fn who_signs_without_a_person_is_known() {
    let signs = |words: &[&str]| {
        let sources = sources("", &BTreeMap::new());
        signs_by_itself(&sources.matches(&line(words), words[0]).expect("a good line"))
    };
    let target = "1".repeat(64);
    for words in [
        &["submit", "f", "--target", &target][..],
        &["claim", "--all"],
        &["wallet", "merge"],
        &["run", "--data", "x", "--mode", "auto"],
    ] {
        assert!(signs(words), "{words:?}");
    }
    for words in [&["run", "--data", "x"][..], &["demo", "--auto"], &["wallet", "balance"], &["targets"], &["serve"]] {
        assert!(!signs(words), "{words:?}");
    }
}

/// `UPDATE_CONFIG_PAGE=1` writes the page's table instead.
#[test]
fn the_page_of_settings_is_that_of_the_table() {
    const START: &str = "<!-- settings: written by `UPDATE_CONFIG_PAGE=1 cargo test --lib the_page_of_settings` -->\n";
    const END: &str = "<!-- end of settings -->";
    let mut table = String::from("\n| setting | option | variable | commands | default |\n|---|---|---|---|---|\n");
    for facts in facts() {
        let setting = facts.setting;
        let commands =
            if setting.commands.is_empty() { "all that have it".to_owned() } else { setting.commands.join(", ") };
        let default =
            if facts.default.is_empty() { "–".to_owned() } else { format!("`{}`", facts.default.join("`, `")) };
        let (path, option, env) = (setting.path, &facts.option, setting.env);
        table.push_str(&format!("| `{path}` | `{option}` | `{env}` | {commands} | {default} |\n"));
    }
    table.push('\n');
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.md");
    let page = fs::read_to_string(path).expect("the page is there");
    let (before, rest) = page.split_once(START).expect("a start of the settings");
    let (written, after) = rest.split_once(END).expect("an end of the settings");
    if env::var_os("UPDATE_CONFIG_PAGE").is_some() {
        fs::write(path, format!("{before}{START}{table}{END}{after}")).expect("the page can be written");
    } else {
        assert_eq!(written, table, "run `UPDATE_CONFIG_PAGE=1 cargo test --lib the_page_of_settings`");
    }
}
