//! Each step's rows, and what choosing one does.

use super::{Ask, Line, Outcome, SecretLine, Task, Wizard};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Welcome,
    Network,
    Key,
    NewKey,
    ImportKey,
    Faucet,
    Bucket,
    Data,
    Review,
    Written,
}

/// A line that the cursor can be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    Field(Field),
    Choice(Choice),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Node,
    Secret,
    Passphrase,
    Again,
    BucketName,
    AccessKeyId,
    SecretAccessKey,
    Endpoint,
    Region,
    PublicUrl,
    Data,
}

impl Field {
    pub fn label(self) -> &'static str {
        match self {
            Self::Node => "address of a node",
            Self::Secret => "key or mnemonic",
            Self::Passphrase => "passphrase",
            Self::Again => "passphrase again",
            Self::BucketName => "S3_BUCKET",
            Self::AccessKeyId => "S3_ACCESS_KEY_ID",
            Self::SecretAccessKey => "S3_SECRET_ACCESS_KEY",
            Self::Endpoint => "S3_ENDPOINT_URL",
            Self::Region => "AWS_REGION",
            Self::PublicUrl => "S3_PUBLIC_URL",
            Self::Data => "data",
        }
    }

    /// What to type, shown while the field is empty.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Node => "http://host:9000",
            Self::Secret => "hex, somaprivkey1…, keystore entry or the words",
            Self::Passphrase => "8 characters or more; asked for at each start",
            Self::Again => "the same",
            Self::BucketName => "its name",
            Self::AccessKeyId => "of a user that may put objects into it",
            Self::SecretAccessKey => "of that user",
            Self::Endpoint => "empty for AWS itself",
            Self::Region => "empty for us-east-1",
            Self::PublicUrl => "of the objects in public: {this}/{key}",
            Self::Data => "~/corpus, others after commas; or stack-v2:Rust",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    TryDemo,
    SetUp,
    Leave,
    Testnet,
    Devnet,
    Node,
    /// One of those that were found.
    Wallet(usize),
    CreateKey,
    ImportKey,
    NoKey,
    Seal,
    Faucet,
    CheckBucket,
    NoBucket,
    CheckData,
    GoOn,
    Write,
    Run,
}

/// Shorter ones are guessed.
const LEAST_PASSPHRASE: usize = 8;

impl Wizard {
    /// The rows of the step, in their order.
    pub fn rows(&self) -> Vec<Row> {
        use {Choice as C, Field as F};
        let choices = |choices: &[Choice]| choices.iter().copied().map(Row::Choice).collect::<Vec<_>>();
        let fields = |fields: &[Field]| fields.iter().copied().map(Row::Field).collect::<Vec<_>>();
        match self.step {
            Step::Welcome => choices(&[C::TryDemo, C::SetUp, C::Leave]),
            Step::Network => {
                let mut rows = choices(&[C::Testnet, C::Devnet]);
                rows.push(Row::Field(F::Node));
                rows.push(Row::Choice(C::Node));
                if self.is_away {
                    rows.push(Row::Choice(C::GoOn));
                }
                rows
            }
            Step::Key => {
                let mut rows: Vec<Row> = (0..self.found.wallets.len()).map(|at| Row::Choice(C::Wallet(at))).collect();
                rows.extend(choices(&[C::CreateKey, C::ImportKey, C::NoKey]));
                rows
            }
            Step::NewKey => [fields(&[F::Passphrase, F::Again]), choices(&[C::Seal])].concat(),
            Step::ImportKey => [fields(&[F::Secret, F::Passphrase, F::Again]), choices(&[C::Seal])].concat(),
            Step::Faucet => choices(&[C::Faucet, C::GoOn]),
            Step::Bucket => {
                let typed = [F::BucketName, F::AccessKeyId, F::SecretAccessKey, F::Endpoint, F::Region, F::PublicUrl];
                let mut rows = fields(&typed);
                rows.push(Row::Choice(C::CheckBucket));
                if self.answers.bucket_is_good {
                    rows.push(Row::Choice(C::GoOn));
                }
                rows.push(Row::Choice(C::NoBucket));
                rows
            }
            Step::Data => [fields(&[F::Data]), choices(&[C::CheckData, C::GoOn])].concat(),
            Step::Review => choices(&[C::Write, C::Leave]),
            // What was written beside an older file is not what would run.
            Step::Written if self.found.config.1 => choices(&[C::Leave]),
            Step::Written => choices(&[C::Run, C::Leave]),
        }
    }

    /// The field under the cursor.
    pub(super) fn field(&mut self) -> Option<Line<'_>> {
        let Row::Field(field) = *self.rows().get(self.row)? else { return None };
        let bucket = &mut self.answers.typed_bucket;
        Some(match field {
            Field::Node => Line::Text(&mut self.answers.node),
            Field::Secret => Line::Secret(&mut self.secret),
            Field::Passphrase => Line::Secret(&mut self.passphrase),
            Field::Again => Line::Secret(&mut self.again),
            Field::BucketName => Line::Text(&mut bucket.name),
            Field::AccessKeyId => Line::Text(&mut bucket.access_key_id),
            Field::SecretAccessKey => Line::Secret(&mut bucket.secret_access_key),
            Field::Endpoint => Line::Text(&mut bucket.endpoint_url),
            Field::Region => Line::Text(&mut bucket.region),
            Field::PublicUrl => Line::Text(&mut bucket.public_url),
            Field::Data => Line::Text(&mut self.answers.data),
        })
    }

    pub(super) fn choose(&mut self, choice: Choice) -> Vec<Ask> {
        match choice {
            Choice::TryDemo => return vec![Ask::End(Outcome::Demo)],
            Choice::Leave => return vec![Ask::End(Outcome::Leave)],
            Choice::Run => return vec![Ask::End(Outcome::Run)],
            Choice::SetUp => self.go(Step::Network),
            Choice::Testnet => return self.ask_network("testnet".to_owned()),
            Choice::Devnet => return self.ask_network("devnet".to_owned()),
            Choice::Node => {
                let node = self.answers.node.text().trim().to_owned();
                if node.is_empty() {
                    self.is_away = false;
                    return self.refuse("Type the address of a node first, such as http://192.168.1.5:9000.");
                }
                return self.ask_network(node);
            }
            Choice::Wallet(at) => {
                if let Some(&(_, address)) = self.found.wallets.get(at) {
                    return self.with_wallet(address);
                }
            }
            Choice::CreateKey => self.go(Step::NewKey),
            Choice::ImportKey => self.go(Step::ImportKey),
            Choice::NoKey => {
                self.answers.address = None;
                self.after_wallet();
            }
            Choice::Seal => return self.seal(),
            Choice::Faucet => {
                if let Some(address) = self.answers.address {
                    let task = Task::Faucet { network: self.answers.network.clone(), address };
                    return self.start("asking the faucet", task);
                }
            }
            Choice::CheckBucket if !self.answers.typed_bucket.secret_access_key.is_whole() => {
                return self
                    .refuse("S3_SECRET_ACCESS_KEY: a line feed or a tab cannot be in it; Ctrl-U clears the line.");
            }
            Choice::CheckBucket => {
                if let Some(missing) = self.answers.typed_bucket.missing() {
                    return self.refuse(&format!("{missing} is needed."));
                }
                let task = Task::Bucket(Box::new(self.answers.typed_bucket.clone()));
                return self.start("writing, reading and deleting a small object", task);
            }
            Choice::NoBucket => {
                self.answers.bucket = None;
                self.go(Step::Data);
            }
            Choice::CheckData => {
                let sources = self.answers.sources();
                if sources.is_empty() {
                    return self.refuse("Name a directory or a file first.");
                }
                return self.start("looking at the data", Task::Data(sources));
            }
            Choice::GoOn => self.go_on(),
            Choice::Write => {
                let task = Task::Write(Box::new(self.answers.clone()));
                return self.start("writing", task);
            }
        }
        vec![Ask::Redraw]
    }

    fn go_on(&mut self) {
        match self.step {
            Step::Network => {
                self.chain = None;
                self.go(Step::Key);
            }
            Step::Faucet => self.after_wallet(),
            Step::Bucket => {
                self.answers.bucket = Some(self.answers.typed_bucket.clone());
                self.go(Step::Data);
            }
            Step::Data if self.answers.sources().is_empty() => {
                drop(self.refuse("Without data there is nothing to score: name a directory or a file."));
            }
            Step::Data => {
                self.answers.can_submit = self.has_bucket() && self.answers.address.is_some();
                self.go(Step::Review);
            }
            _ => {}
        }
    }

    fn ask_network(&mut self, network: String) -> Vec<Ask> {
        self.answers.network.clone_from(&network);
        self.is_away = false;
        self.start("asking the network", Task::Network(network))
    }

    fn seal(&mut self) -> Vec<Ask> {
        if self.step == Step::ImportKey && self.secret.is_empty() {
            return self.refuse("Type or paste the key first.");
        }
        if ![&self.secret, &self.passphrase, &self.again].into_iter().all(SecretLine::is_whole) {
            return self.refuse("Something that was typed or pasted cannot be used here (a line feed, a tab, or more than 512 characters): \
                                Ctrl-U clears the line.");
        }
        if self.passphrase.chars() < LEAST_PASSPHRASE {
            return self.refuse("The passphrase needs at least 8 characters: the key is encrypted with it.");
        }
        if !self.passphrase.is_same(&self.again) {
            return self.refuse("The two passphrases differ.");
        }
        let passphrase = self.passphrase.secret();
        let task = match self.step {
            Step::ImportKey => Task::Import { secret: self.secret.secret(), passphrase },
            _ => Task::Create { passphrase },
        };
        self.start("encrypting the key", task)
    }
}
