//! `somascope setup`, and what `somascope` alone opens: the first steps, asked for on a screen.
//!
//! `work` does what the wizard asks for, `write` puts its answers into files. Nothing that is there is overwritten.

mod work;
mod write;

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    rc::Rc,
};

use clap::Args;

use super::{
    Exit,
    environment::Environment,
    look::{self, LookArgs},
    settings,
    signer::{Source, candidates},
};
use crate::{
    app::{
        layout::Size,
        wizard::{Found, Outcome, Wizard},
    },
    terminal,
};
use work::Worker;

/// Of a bucket.
const VARIABLES: [&str; 6] =
    ["S3_BUCKET", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "S3_ENDPOINT_URL", "AWS_REGION", "S3_PUBLIC_URL"];

/// Set it up step by step: network, key, bucket and data, each tried as it is asked for.
///
/// Writes the configuration file (`somascope config path`) and, for a bucket, `.env` in this directory, readable by you alone; what is there
/// is kept. A new or an imported key is encrypted like those of `somascope wallet`. `somascope` without a command opens this as long as
/// nothing says which data to score, and the dashboard after that.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope setup\n  somascope setup --config ~/soma/somascope.toml\n\n\
    Exit codes: 0 set up, or left without; 1 the terminal was lost; 2 there is no terminal, or a file will not do.")]
pub struct SetupCommand {
    #[command(flatten)]
    look: LookArgs,
}

/// What `somascope` alone stands for, or with a configuration's name only; nothing: help, as there is no person to ask.
pub fn usual_command(config: Option<&Path>) -> &'static [&'static str] {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return &[];
    }
    // A variable that will not do, or a file that somebody named and that is not there, is told by the command itself.
    let Ok(sources) = settings::Sources::read(config) else { return &["run"] };
    if sources.layers.get("data.sources").is_some() {
        return &["run"];
    }
    // Whoever has a file is set up: it says what is wrong with it rather than asking everything again.
    if sources.file.is_some_and(|file| file.is_broken()) { &["config", "check"] } else { &["setup"] }
}

impl SetupCommand {
    pub fn run(self, config: Option<&Path>) -> anyhow::Result<Exit> {
        look::ensure_terminal(
            "`somascope config init` writes a configuration to fill in, and .env.example tells the variables",
        )?;
        let environment = Environment::read(Path::new("."))?;
        let config = settings::place(config, &environment)
            .ok_or_else(|| {
                Exit::BadInput.because("no configuration file is wanted: --config or SOMASCOPE_CONFIG says so")
            })?
            .path;
        let variables = std::env::current_dir().map_or_else(|_| PathBuf::from(".env"), |dir| dir.join(".env"));
        let wallet = |candidate: &super::signer::Candidate| match &candidate.source {
            Source::Variable { .. } => "environment".to_owned(),
            Source::Keystore { .. } => "keystore".to_owned(),
            Source::File { name, .. } => name.clone(),
        };
        let found = Found {
            wallets: candidates(&environment)?.iter().map(|one| (wallet(one), one.address)).collect(),
            config: (config.display().to_string(), config.exists()),
            variables: (
                variables.display().to_string(),
                VARIABLES.into_iter().filter(|name| environment.has(name)).collect(),
            ),
        };
        let options = self.look.options()?;
        let wizard = Wizard::new(options.look, Size::default(), found);
        let worker = Rc::new(Worker { environment, config: config.clone(), variables });
        let outcome = terminal::setup::show(wizard, &options, move |task| {
            let worker = Rc::clone(&worker);
            Box::pin(async move { worker.carry_out(task).await })
        })?;
        let next = match outcome {
            Outcome::Leave => return Ok(Exit::Ok),
            Outcome::Demo => vec!["somascope".into(), "demo".into()],
            Outcome::Run => vec!["somascope".into(), "run".into(), "--config".into(), config.into_os_string()],
        };
        let (cli, setup) = settings::parse(&next)?;
        cli.run(setup)
    }
}
