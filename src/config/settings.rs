//! The table of settings.

/// What a setting's value looks like in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`; the option alone means `true`.
    Bool,
    Integer,
    /// A number that may be a fraction.
    Number,
    /// SOMA: a number, or text such as `"250000sh"`. Never through a float.
    Amount,
    Text,
    /// Any number of texts.
    List,
}

/// One setting: a place in the file, an option, an environment variable.
#[derive(Debug)]
pub struct Setting {
    /// `section.key` in the file.
    pub path: &'static str,
    /// The option's id in the command tree.
    pub arg: &'static str,
    pub env: &'static str,
    pub kind: Kind,
    /// The commands that it is for, by their first name; none named: whichever has the option.
    pub commands: &'static [&'static str],
    /// What the template shows where there is no default, as TOML.
    pub example: &'static str,
    /// `~/` in the file and in a variable means the user's home, as a shell has it on a command line.
    pub is_path: bool,
    /// It is about what these other settings choose: where one is chosen otherwise by a stronger layer, this one is left out.
    pub about: &'static [&'static str],
}

impl Setting {
    /// The part of the path before the dot.
    pub fn section(&self) -> &'static str {
        self.path.split_once('.').map_or("", |(section, _)| section)
    }

    /// The part behind it.
    pub fn key(&self) -> &'static str {
        self.path.split_once('.').map_or(self.path, |(_, key)| key)
    }

    /// Whether it names a service by its URL.
    pub fn is_address(&self) -> bool {
        self.key().ends_with("url") || matches!(self.path, "network.name" | "scoring.scorers" | "scoring.share-data")
    }

    const fn of(self, commands: &'static [&'static str]) -> Self {
        Self { commands, ..self }
    }

    const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    const fn path(self) -> Self {
        Self { is_path: true, ..self }
    }

    const fn about(self, others: &'static [&'static str]) -> Self {
        Self { about: others, ..self }
    }
}

const fn setting(path: &'static str, arg: &'static str, env: &'static str, kind: Kind) -> Setting {
    Setting { path, arg, env, kind, commands: &[], example: "", is_path: false, about: &[] }
}

/// Whether the setting is for this option of a command, named by its first word below the program.
pub fn applies(setting: &Setting, command: &str, arg: &str) -> bool {
    setting.arg == arg && (setting.commands.is_empty() || setting.commands.contains(&command))
}

use Kind::{Amount, Bool, Integer, List, Number, Text};

const RUN: &[&str] = &["run"];
const PLAY: &[&str] = &["run", "demo"];
const LOOK: &[&str] = &["run", "demo", "replay", "setup"];
const DEMO: &[&str] = &["demo"];
const SERVE: &[&str] = &["serve"];
const HEADS: &[&str] = &["run", "score", "submit"];
const STATE: &[&str] = &["run", "score", "submit", "claim", "rewards", "map", "epoch", "wallet"];
const BUCKET: &[&str] = &["run", "submit", "doctor"];

/// The tables of the file, in their order, with what the template says of each.
pub const SECTIONS: &[(&str, &str)] = &[
    ("network", "Which network every command speaks to."),
    (
        "wallet",
        "Which wallet signs. Keys and passphrases never belong into this file: see `somascope wallet` and .env.example.",
    ),
    (
        "bucket",
        "Where submitted data is uploaded to. The key pair stays in .env or in the environment: S3_ACCESS_KEY_ID and \
         S3_SECRET_ACCESS_KEY.",
    ),
    ("data", "What `run` scores, and how `run` and `demo` cut it into samples."),
    ("policy", "Who approves submissions, and within which limits."),
    ("scoring", "Where `run` and `demo` score."),
    ("library", "What `run` and `demo` keep of what was scored, and where."),
    ("interface", "The dashboard."),
    ("demo", "Of `somascope demo` alone."),
    ("serve", "Of `somascope serve` alone."),
];

/// Every setting, in the order of the template.
pub const SETTINGS: &[Setting] = &[
    setting("network.name", "network", "SOMASCOPE_NETWORK", Text),
    setting("network.rpc-url", "rpc_url", "SOMASCOPE_RPC_URL", Text)
        .example("\"https://fullnode.testnet.soma.org\"")
        .about(&["network.name"]),
    setting("network.faucet-url", "faucet_url", "SOMASCOPE_FAUCET_URL", Text)
        .example("\"https://faucet.testnet.soma.org\"")
        .about(&["network.name"]),
    setting("network.scoring-url", "scoring_url", "SOMASCOPE_SCORING_URL", Text)
        .example("\"http://127.0.0.1:9124\"")
        .about(&["network.name"]),
    setting("network.admin-url", "admin_url", "SOMASCOPE_ADMIN_URL", Text)
        .example("\"http://127.0.0.1:9125\"")
        .about(&["network.name"]),
    setting("wallet.name", "wallet", "SOMASCOPE_WALLET", Text).example("\"main\""),
    setting("bucket.name", "bucket", "S3_BUCKET", Text).of(BUCKET).example("\"my-public-bucket\""),
    setting("bucket.endpoint-url", "bucket_endpoint_url", "S3_ENDPOINT_URL", Text)
        .of(BUCKET)
        .example("\"https://s3.example.com\""),
    setting("bucket.region", "bucket_region", "AWS_REGION", Text).of(BUCKET).example("\"us-east-1\""),
    setting("bucket.public-url", "bucket_public_url", "S3_PUBLIC_URL", Text)
        .of(BUCKET)
        .example("\"https://my-public-bucket.s3.example.com\""),
    setting("data.sources", "data", "SOMASCOPE_DATA", List).of(RUN).example("[\"~/corpus\", \"~/notes=3\"]").path(),
    setting("data.pieces", "pieces", "SOMASCOPE_PIECES", Text).of(PLAY),
    setting("data.window", "window", "SOMASCOPE_WINDOW", Integer).of(PLAY),
    setting("data.max-bytes", "max_bytes", "SOMASCOPE_MAX_BYTES", Integer).of(PLAY).example("1048576"),
    setting("data.columns", "column", "SOMASCOPE_COLUMN", List).of(PLAY).example("[\"content\", \"text\"]"),
    setting("data.keep-near-duplicates", "keep_near_duplicates", "SOMASCOPE_KEEP_NEAR_DUPLICATES", Bool).of(PLAY),
    setting("data.no-ignore", "no_ignore", "SOMASCOPE_NO_IGNORE", Bool).of(PLAY),
    setting("data.allow-secret", "allow_secret", "SOMASCOPE_ALLOW_SECRET", List)
        .of(PLAY)
        .example("[\"~/corpus/sample.env\"]")
        .path(),
    setting("data.spool", "spool", "SOMASCOPE_SPOOL", Integer).of(PLAY),
    setting("data.hub-url", "hub_url", "SOMASCOPE_HUB_URL", Text).of(PLAY).example("\"https://huggingface.co\""),
    setting("data.content-url", "content_url", "SOMASCOPE_CONTENT_URL", Text)
        .of(PLAY)
        .example("\"https://softwareheritage.s3.amazonaws.com\""),
    setting("policy.mode", "mode", "SOMASCOPE_MODE", Text).of(RUN),
    setting("policy.max-bond", "max_bond", "SOMASCOPE_MAX_BOND", Amount).of(RUN),
    setting("policy.max-epoch-bond", "max_epoch_bond", "SOMASCOPE_MAX_EPOCH_BOND", Amount).of(RUN),
    setting("policy.min-margin", "min_margin", "SOMASCOPE_MIN_MARGIN", Number).of(RUN),
    setting("policy.min-gain", "min_gain", "SOMASCOPE_MIN_GAIN", Amount).of(RUN),
    setting("policy.at-once", "at_once", "SOMASCOPE_AT_ONCE", Integer).of(RUN),
    setting("scoring.devices", "devices", "SOMASCOPE_DEVICE", List).of(PLAY),
    setting("scoring.precision", "precision", "SOMASCOPE_PRECISION", Text).of(PLAY).example("\"bf16\""),
    setting("scoring.memory", "memory", "SOMASCOPE_MEMORY", Number).of(PLAY).example("8"),
    setting("scoring.heads", "heads", "SOMASCOPE_HEADS", Integer).of(HEADS).example("8"),
    setting("scoring.scorers", "scorer", "SOMASCOPE_SCORER", List).of(RUN).example("[\"http://192.168.1.6:9124\"]"),
    setting("scoring.share-data", "share_data", "SOMASCOPE_SHARE_DATA", Text)
        .of(RUN)
        .example("\"http://192.168.1.5:9130\""),
    setting("library.size", "library", "SOMASCOPE_LIBRARY", Number).of(PLAY),
    setting("library.compose", "compose", "SOMASCOPE_COMPOSE", Text).of(PLAY),
    setting("library.dir", "dir", "SOMASCOPE_DIR", Text)
        .of(STATE)
        .example("\"~/somascope\"")
        .path()
        .about(&["network.name", "wallet.name"]),
    setting("interface.theme", "theme", "SOMASCOPE_THEME", Text).of(LOOK).example("\"colour-blind\"").path(),
    setting("interface.ascii", "ascii", "SOMASCOPE_ASCII", Bool).of(LOOK),
    setting("interface.low-bandwidth", "low_bandwidth", "SOMASCOPE_LOW_BANDWIDTH", Bool).of(LOOK),
    setting("interface.notify", "notify", "SOMASCOPE_NOTIFY", Text).of(PLAY),
    setting("interface.sync", "sync", "SOMASCOPE_SYNC", Text).of(LOOK),
    setting("demo.auto", "auto", "SOMASCOPE_DEMO_AUTO", Bool).of(DEMO),
    setting("demo.data", "data", "SOMASCOPE_DEMO_DATA", List).of(DEMO).example("[\"~/notes\"]").path(),
    setting("demo.seed", "seed", "SOMASCOPE_DEMO_SEED", Integer).of(DEMO),
    setting("demo.dir", "dir", "SOMASCOPE_DEMO_DIR", Text).of(DEMO).example("\"~/soma-demo\"").path(),
    setting("demo.epoch-seconds", "epoch_seconds", "SOMASCOPE_DEMO_EPOCH_SECONDS", Integer).of(DEMO),
    setting("demo.rivals", "rivals", "SOMASCOPE_DEMO_RIVALS", Integer).of(DEMO),
    setting("demo.rpc-port", "rpc_port", "SOMASCOPE_DEMO_RPC_PORT", Integer).of(DEMO),
    setting("serve.listen", "listen", "SOMASCOPE_SERVE_LISTEN", Text).of(SERVE),
    setting("serve.devices", "device", "SOMASCOPE_SERVE_DEVICE", List).of(SERVE).example("[\"cpu\"]"),
    setting("serve.data-dir", "data_dir", "SOMASCOPE_SERVE_DATA_DIR", Text)
        .of(SERVE)
        .example("\"~/somascope-scoring\"")
        .path(),
    setting("serve.memory", "memory", "SOMASCOPE_SERVE_MEMORY", Integer).of(SERVE).example("16"),
    setting("serve.heads", "heads", "SOMASCOPE_SERVE_HEADS", Integer).of(SERVE).example("8"),
    setting("serve.max-data", "max_data", "SOMASCOPE_SERVE_MAX_DATA", Integer).of(SERVE),
    setting("serve.max-weights", "max_weights", "SOMASCOPE_SERVE_MAX_WEIGHTS", Integer).of(SERVE),
    setting("serve.remember", "remember", "SOMASCOPE_SERVE_REMEMBER", Integer).of(SERVE),
    setting("serve.queue", "queue", "SOMASCOPE_SERVE_QUEUE", Integer).of(SERVE),
    setting("serve.allow-private", "allow_private", "SOMASCOPE_SERVE_ALLOW_PRIVATE", Bool).of(SERVE),
];
