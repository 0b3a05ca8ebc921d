//! The first run: what to ask, in which order, and what to do with the answers. A core like the dashboard's: an event
//! comes in, the state changes, tasks go out. It never does them itself.
//!
//! Secrets that are typed stay in [`SecretLine`]s, which are wiped, never drawn and have no words for a log.

mod answers;
mod line;
mod steps;

use secrecy::SecretString;

use super::{AppEvent, Key, Look, layout::Size};
use crate::primitives::{Address, Shannons};

pub use answers::{Answers, Bucket};
pub use line::{Line, SecretLine};
pub use steps::{Choice, Field, Row, Step};

/// What the world was like before the first question.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Wallets that could sign already: where from, and the address.
    pub wallets: Vec<(String, Address)>,
    /// Where the configuration goes, and whether something lies there.
    pub config: (String, bool),
    /// Where the variables go, and which of them are set already (there or in the process).
    pub variables: (String, Vec<&'static str>),
}

/// What is to be done outside, one at a time; each is answered by a [`Told`].
#[derive(Debug)]
pub enum Task {
    /// Is there a network, and which?
    Network(String),
    Create {
        passphrase: SecretString,
    },
    Import {
        secret: SecretString,
        passphrase: SecretString,
    },
    Balance {
        network: String,
        address: Address,
    },
    Faucet {
        network: String,
        address: Address,
    },
    Bucket(Box<Bucket>),
    Data(Vec<String>),
    Write(Box<Answers>),
}

/// How a task ended.
#[derive(Clone, Debug)]
pub enum Told {
    Network(Result<Chain, NoNetwork>),
    Key(Result<Address, String>),
    Balance(Result<Shannons, String>),
    Bucket(Vec<Finding>),
    Data(Vec<Finding>),
    /// What was written, a line each.
    Written(Result<Vec<String>, String>),
}

/// Why no network answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoNetwork {
    pub why: String,
    /// What was asked for can be one, so it may answer later.
    pub is_away: bool,
}

/// A network that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub id: String,
    pub epoch: u64,
    pub has_faucet: bool,
    /// It brings an object store of its own.
    pub has_bucket: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Good,
    Doubtful,
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub verdict: Verdict,
    pub what: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// How the wizard ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The embedded network, now.
    Demo,
    /// The dashboard, by what was written.
    Run,
    /// Back to the shell.
    Leave,
}

#[derive(Debug)]
pub enum Ask {
    Redraw,
    Do(Task),
    End(Outcome),
}

/// Everything that the screen shows.
#[derive(Debug)]
pub struct Wizard {
    pub look: Look,
    pub size: Size,
    pub found: Found,
    pub step: Step,
    /// The steps that Esc goes back to.
    before: Vec<Step>,
    /// The row under the cursor.
    pub row: usize,
    pub answers: Answers,
    /// A new key's.
    pub secret: SecretLine,
    pub passphrase: SecretLine,
    pub again: SecretLine,
    pub chain: Option<Chain>,
    pub balance: Option<Shannons>,
    /// The network that was chosen does not answer, and may later.
    pub(super) is_away: bool,
    /// Of the step on the screen.
    pub findings: Vec<Finding>,
    /// What a task is doing; keys wait for its end, but for those that leave.
    pub busy: Option<&'static str>,
    pub written: Vec<String>,
}

impl Wizard {
    pub fn new(look: Look, size: Size, found: Found) -> Self {
        Self {
            look,
            size,
            found,
            step: Step::Welcome,
            before: Vec::new(),
            row: 0,
            answers: Answers::default(),
            secret: SecretLine::default(),
            passphrase: SecretLine::default(),
            again: SecretLine::default(),
            chain: None,
            balance: None,
            is_away: false,
            findings: Vec::new(),
            busy: None,
            written: Vec::new(),
        }
    }

    /// Takes what the terminal brings.
    pub fn on(&mut self, event: &AppEvent) -> Vec<Ask> {
        match event {
            AppEvent::Key(key) => self.on_key(*key),
            AppEvent::Paste(text) => {
                if self.busy.is_none()
                    && let Some(field) = self.field()
                {
                    field.paste(text);
                }
                vec![Ask::Redraw]
            }
            AppEvent::Resize(size) => {
                self.size = *size;
                vec![Ask::Redraw]
            }
            AppEvent::Interrupt => vec![Ask::End(Outcome::Leave)],
            _ => Vec::new(),
        }
    }

    /// Takes the end of a task.
    pub fn told(&mut self, told: Told) -> Vec<Ask> {
        self.busy = None;
        match told {
            Told::Network(Ok(chain)) => {
                self.chain = Some(chain);
                self.go(Step::Key);
            }
            Told::Network(Err(NoNetwork { why, is_away })) => {
                let remedy = match is_away {
                    true => "Correct the address, or go on without it: it is asked again when you start.",
                    false => "Correct the address.",
                };
                let what = format!("{}: {why}", self.answers.network);
                self.findings = vec![Finding { verdict: Verdict::Bad, what, remedy: Some(remedy.to_owned()) }];
                self.is_away = is_away;
            }
            Told::Key(Ok(address)) => {
                self.forget_secrets();
                return self.with_wallet(address);
            }
            Told::Key(Err(why)) => {
                self.findings = vec![Finding { verdict: Verdict::Bad, what: why, remedy: None }];
            }
            Told::Balance(Ok(balance)) => {
                self.balance = Some(balance);
                self.findings.clear();
                if balance > Shannons::ZERO {
                    self.row = self.rows().iter().position(|row| *row == Row::Choice(Choice::GoOn)).unwrap_or(self.row);
                }
            }
            Told::Balance(Err(why)) => {
                let remedy = Some("Go on: `somascope wallet faucet` asks again later.".to_owned());
                self.findings = vec![Finding { verdict: Verdict::Doubtful, what: why, remedy }];
            }
            Told::Bucket(findings) => {
                self.answers.bucket_is_good = findings.iter().all(|finding| finding.verdict != Verdict::Bad);
                self.findings = findings;
                self.row = self.rows().iter().position(|row| *row == Row::Choice(Choice::GoOn)).unwrap_or(self.row);
            }
            Told::Data(findings) => {
                let good = findings.iter().all(|finding| finding.verdict != Verdict::Bad);
                self.findings = findings;
                if good {
                    self.row = self.rows().iter().position(|row| *row == Row::Choice(Choice::GoOn)).unwrap_or(self.row);
                }
            }
            Told::Written(Ok(lines)) => {
                self.written = lines;
                self.before.clear();
                self.go(Step::Written);
                self.before.clear();
            }
            Told::Written(Err(why)) => {
                self.findings = vec![Finding { verdict: Verdict::Bad, what: why, remedy: None }];
            }
        }
        vec![Ask::Redraw]
    }

    fn on_key(&mut self, key: Key) -> Vec<Ask> {
        if key == Key::Ctrl('c') {
            return vec![Ask::End(Outcome::Leave)];
        }
        if self.busy.is_some() {
            return Vec::new();
        }
        let rows = self.rows();
        let last = rows.len().saturating_sub(1);
        let here = rows.get(self.row).copied();
        let in_field = matches!(here, Some(Row::Field(_)));
        match key {
            Key::Esc => return self.back(),
            Key::Down | Key::Tab => self.row = if self.row < last { self.row + 1 } else { 0 },
            Key::Up | Key::BackTab => self.row = if self.row > 0 { self.row - 1 } else { last },
            Key::Char('j') if !in_field => self.row = (self.row + 1).min(last),
            Key::Char('k') if !in_field => self.row = self.row.saturating_sub(1),
            Key::Char('q') if !in_field => return vec![Ask::End(Outcome::Leave)],
            Key::Enter => match here {
                Some(Row::Choice(choice)) => return self.choose(choice),
                // From field to field, as forms do.
                _ => self.row = (self.row + 1).min(last),
            },
            key => {
                if let Some(field) = self.field() {
                    field.key(key);
                    self.answers.bucket_is_good &= self.step != Step::Bucket;
                }
            }
        }
        vec![Ask::Redraw]
    }

    fn go(&mut self, step: Step) {
        self.before.push(self.step);
        self.arrive(step);
    }

    fn arrive(&mut self, step: Step) {
        self.step = step;
        self.row = 0;
        self.findings.clear();
    }

    fn back(&mut self) -> Vec<Ask> {
        self.forget_secrets();
        match self.before.pop() {
            Some(step) => {
                self.arrive(step);
                vec![Ask::Redraw]
            }
            None => vec![Ask::End(Outcome::Leave)],
        }
    }

    fn forget_secrets(&mut self) {
        self.secret = SecretLine::default();
        self.passphrase = SecretLine::default();
        self.again = SecretLine::default();
    }

    fn start(&mut self, busy: &'static str, task: Task) -> Vec<Ask> {
        self.findings.clear();
        self.busy = Some(busy);
        vec![Ask::Redraw, Ask::Do(task)]
    }

    fn refuse(&mut self, what: &str) -> Vec<Ask> {
        self.findings = vec![Finding { verdict: Verdict::Bad, what: what.to_owned(), remedy: None }];
        vec![Ask::Redraw]
    }

    /// The key is there: where it has a faucet, that comes next.
    fn with_wallet(&mut self, address: Address) -> Vec<Ask> {
        self.answers.address = Some(address);
        match &self.chain {
            Some(chain) if chain.has_faucet => {
                self.go(Step::Faucet);
                let task = Task::Balance { network: self.answers.network.clone(), address };
                self.start("asking for the balance", task)
            }
            _ => {
                self.after_wallet();
                vec![Ask::Redraw]
            }
        }
    }

    /// The user's own, or one that the network brings.
    pub fn has_bucket(&self) -> bool {
        self.answers.bucket.is_some() || self.chain.as_ref().is_some_and(|chain| chain.has_bucket)
    }

    fn after_wallet(&mut self) {
        let brings = self.chain.as_ref().is_some_and(|chain| chain.has_bucket);
        // Without a key nothing is uploaded; some networks bring a store.
        let next = if brings || self.answers.address.is_none() { Step::Data } else { Step::Bucket };
        if next == Step::Data {
            // Given before another network or key was chosen: no longer asked for.
            self.answers.bucket = None;
        }
        self.go(next);
    }
}
