    #[arg(long)]
    headless: bool,
    /// End after so many epochs (headless only; without it, at Ctrl-C).
    #[arg(long, value_name = "N", requires = "headless")]
    epochs: Option<u64>,
    /// End with one JSON object on standard output (headless only).
    #[arg(long, requires = "headless")]
    json: bool,
    /// Draw with ASCII only [default: where the locale is not UTF-8].
    #[arg(long)]
    ascii: bool,
    /// Draw at most two pictures a second.
    #[arg(long)]
    low_bandwidth: bool,
}

impl Play {
    /// Refuses before anything is started what could only fail after it.
    pub fn check(&self) -> Result<(), TerminalError> {
        let terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
        if self.headless || terminal { Ok(()) } else { Err(TerminalError::NoTerminal) }
    }

    /// Shows the engine until it ends. `balance_start`: what the wallet had before the engine could move it, if known.
    pub async fn through(&self, handle: EngineHandle, balance_start: Option<Shannons>) -> anyhow::Result<Exit> {
        let started = Instant::now();
        if !self.headless {
            let from_env = terminal::Options::from_env(|name| std::env::var_os(name));
            let look = crate::app::Look { ascii: self.ascii || from_env.look.ascii, ..from_env.look };
            let options = terminal::Options { look, low_bandwidth: self.low_bandwidth, ..from_env };
            return match tokio::task::spawn_blocking(move || terminal::run(handle, options)).await?? {
                terminal::Exit::Settled => Ok(Exit::Ok),
                terminal::Exit::Unsettled => {
                    writeln!(io::stderr(), "left before everything was settled; the next start settles the rest")?;
                    Ok(Exit::Ok)
                }
                terminal::Exit::Signal(_) => Ok(Exit::Failed),
            };
        }
        let run = headless::follow(handle, self.epochs, &mut io::stderr()).await?;
        let balance_start = balance_start.unwrap_or(run.first.wallet.balance);
        let report = Report::new(&run.first, &run.last, balance_start, started.elapsed());
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else {
            report.print(&mut out)?;
        }
        // A script must not take a run that was cut short for a whole one.
        if run.asked { Ok(Exit::Ok) } else { Err(TerminalError::EngineGone.into()) }
    }
}
