//! The wizard's tasks, against the world.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::{
    super::{
        doctor::{
            Check, Status,
            checks::try_bucket,
            machine::{self},
        },
        environment::Environment,
        exit::{self, Exit},
        network::{Network, NetworkArgs},
        place,
        time::now_ms,
    },
    write,
};
use crate::{
    app::wizard::{Bucket, Chain, Finding, NoNetwork, Task, Told, Verdict},
    chain::{client::request_faucet, keys::Keypair},
    engine::{SourceKind, SourceSpec},
    primitives::{Address, Shannons},
    storage::StoreConfig,
    wallet::{KdfCost, Vault},
};

pub struct Worker {
    pub environment: Environment,
    pub config: PathBuf,
    pub variables: PathBuf,
}

impl Worker {
    pub async fn carry_out(&self, task: Task) -> Told {
        let words = |error: anyhow::Error| exit::line(&error);
        match task {
            Task::Network(name) => Told::Network(
                self.network(&name)
                    .await
                    .map_err(|error| NoNetwork { is_away: Exit::of(&error) != Exit::BadInput, why: words(error) }),
            ),
            Task::Create { passphrase } => {
                let keep = move || keep(&Keypair::generate(), &passphrase);
                Told::Key(blocking(keep).await.map_err(words))
            }
            Task::Import { secret, passphrase } => {
                let bring = move || {
                    keep(
                        &Keypair::from_text(&secret).map_err(|error| Exit::BadInput.because(error.to_string()))?,
                        &passphrase,
                    )
                };
                Told::Key(blocking(bring).await.map_err(words))
            }
            Task::Balance { network, address } => Told::Balance(self.balance(&network, address).await.map_err(words)),
            Task::Faucet { network, address } => Told::Balance(self.ask_faucet(&network, address).await.map_err(words)),
            Task::Bucket(bucket) => {
                Told::Bucket(try_bucket(store_config(&bucket)).await.into_iter().map(finding).collect())
            }
            Task::Data(sources) => {
                let has_token = self.environment.hub_token().is_some();
                let looked = tokio::task::spawn_blocking(move || look_at(&sources, has_token));
                Told::Data(looked.await.unwrap_or_default())
            }
            Task::Write(answers) => {
                Told::Written(write::answers(&answers, &self.environment, &self.config, &self.variables).map_err(words))
            }
        }
    }

    fn resolve(&self, name: &str) -> anyhow::Result<Network> {
        NetworkArgs { network: Some(name.to_owned()), ..NetworkArgs::default() }.resolve(&self.environment)
    }

    async fn network(&self, name: &str) -> anyhow::Result<Chain> {
        let network = self.resolve(name)?;
        let service = network.client()?.service_info().await?;
        Ok(Chain {
            id: service.chain_id,
            epoch: service.epoch,
            has_faucet: network.faucet_url.is_some(),
            has_bucket: network.objects.is_some(),
        })
    }

    async fn balance(&self, name: &str, address: Address) -> anyhow::Result<Shannons> {
        Ok(Shannons(self.resolve(name)?.client()?.balance(address).await?))
    }

    async fn ask_faucet(&self, name: &str, address: Address) -> anyhow::Result<Shannons> {
        request_faucet(self.resolve(name)?.faucet()?, address).await?;
        self.balance(name, address).await
    }
}

/// Off the interface's thread: a passphrase is stretched for a while.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?
}

/// Encrypts a key into a new wallet file, under the first name that is free.
fn keep(keypair: &Keypair, passphrase: &SecretString) -> anyhow::Result<Address> {
    let vault = Vault::below(&place::data_dir()?);
    for name in vault.names()? {
        if vault.read(&name).is_ok_and(|known| known.file.address() == keypair.address()) {
            return Err(Exit::BadInput.because(format!("wallet `{name}` has this key already: go back and choose it")));
        }
    }
    let names = std::iter::once("default".to_owned()).chain((2..1000).map(|n| format!("default-{n}")));
    let name = names.into_iter().find(|name| vault.ensure_free(name).is_ok());
    let name = name.ok_or_else(|| Exit::BadInput.because("there are too many wallets"))?;
    vault.create(&name, keypair, passphrase, KdfCost::default(), now_ms())?;
    Ok(keypair.address())
}

fn store_config(bucket: &Bucket) -> StoreConfig {
    let text = |field: &crate::app::TextField| field.text().trim().to_owned();
    let given = |field| Some(text(field)).filter(|text| !text.is_empty());
    StoreConfig {
        endpoint_url: given(&bucket.endpoint_url),
        region: given(&bucket.region).unwrap_or_else(|| "us-east-1".to_owned()),
        bucket: text(&bucket.name),
        access_key_id: text(&bucket.access_key_id),
        secret_access_key: bucket.secret(),
        public_url: text(&bucket.public_url),
    }
}

fn finding(check: Check) -> Finding {
    let verdict = match check.status {
        Status::Ok => Verdict::Good,
        Status::Warn => Verdict::Doubtful,
        Status::Fail => Verdict::Bad,
    };
    Finding { verdict, what: check.what, remedy: check.remedy }
}

fn look_at(sources: &[String], has_token: bool) -> Vec<Finding> {
    let bad = |what: String| Finding { verdict: Verdict::Bad, what, remedy: None };
    let one = |source: &String| match write::expanded(source).parse::<SourceSpec>() {
        Err(error) => vec![bad(format!("{source}: {error}"))],
        Ok(SourceSpec { kind: SourceKind::Stdin { .. }, .. }) => {
            vec![bad("standard input is for one run: name it there, `somascope run --data -`".to_owned())]
        }
        Ok(SourceSpec { kind: SourceKind::Stack(_), .. }) if has_token => {
            vec![Finding { verdict: Verdict::Good, what: format!("{source}: with HF_TOKEN"), remedy: None }]
        }
        Ok(SourceSpec { kind: SourceKind::Stack(_), .. }) => vec![Finding {
            verdict: Verdict::Doubtful,
            what: format!("{source}: HF_TOKEN is not set"),
            remedy: Some("set it in .env: see .env.example".to_owned()),
        }],
        Ok(SourceSpec { kind: SourceKind::Path { path, .. }, .. }) if is_glob(&path) => {
            let what = format!("{source}: a pattern, looked for when it runs");
            vec![Finding { verdict: Verdict::Good, what, remedy: None }]
        }
        Ok(SourceSpec { kind: SourceKind::Path { path, .. }, .. }) => {
            machine::data(&[path]).into_iter().map(finding).collect()
        }
    };
    sources.iter().flat_map(one).collect()
}

fn is_glob(path: &Path) -> bool {
    !path.exists() && path.to_string_lossy().contains(['*', '?', '[', '{'])
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::{
        app::{TextField, wizard::SecretLine},
        devnet::{self, DevnetConfig, GenesisOptions, Ports},
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn the_bucket_that_was_typed_is_tried_as_it_will_be_used() {
        let dir = tempfile::tempdir().expect("a place");
        let config = DevnetConfig {
            dir: dir.path().to_owned(),
            seed: 5,
            listen: Ports::default(),
            epoch: None,
            genesis: GenesisOptions::v5(16),
            models: Vec::new(),
            faucet_amount: 1,
        };
        let network = devnet::start(config).await.expect("it starts");
        let nowhere = dir.path().join("none");
        let worker = Worker { environment: Environment::empty(), config: nowhere.clone(), variables: nowhere };
        let access = &network.objects;
        let verdicts = async |secret: &str| {
            let mut line = SecretLine::default();
            line.paste(secret);
            let bucket = Bucket {
                name: TextField::new(&access.bucket),
                endpoint_url: TextField::new(&access.endpoint_url),
                access_key_id: TextField::new(format!(" {} ", access.access_key_id)),
                secret_access_key: line,
                public_url: TextField::new(&access.public_url),
                ..Bucket::default()
            };
            let Told::Bucket(findings) = worker.carry_out(Task::Bucket(Box::new(bucket))).await else {
                panic!("another task was answered");
            };
            findings
        };
        let good = verdicts(access.secret_access_key.expose_secret()).await;
        assert!(good.len() == 3 && good.iter().all(|finding| finding.verdict == Verdict::Good), "{good:?}");
        let bad = verdicts("guessed-secret").await;
        assert_eq!((bad.len(), bad[0].verdict), (1, Verdict::Bad), "{bad:?}");
        assert!(bad[0].remedy.as_deref().is_some_and(|remedy| remedy.contains("S3_SECRET_ACCESS_KEY")), "{bad:?}");
        network.shutdown().await;
    }
}
