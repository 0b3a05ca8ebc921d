//! Which network a command speaks to (`protocol.md §1.1`).

use std::time::Duration;

use anyhow::Context;
use clap::{Args, builder::NonEmptyStringValueParser};

use super::{
    bucket::BucketArgs,
    endpoints::{self, Endpoints},
    environment::{Environment, EnvironmentError},
    exit::Exit,
};
use crate::{
    chain::client::Client,
    primitives::address_shown,
    storage::StoreConfig,
    wallet::{CliConfig, CliEnv},
};

/// Bounds every call of a command but the sending of transactions.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Network")]
pub struct NetworkArgs {
    /// `testnet`, `localnet` (127.0.0.1:9000), `devnet` (the one that `somascope devnet` runs here), the alias of an environment in the
    /// network's own client.yaml, or the URL of a full node.
    #[arg(long, value_name = "NETWORK", default_value = "testnet", value_parser = NonEmptyStringValueParser::new())]
    pub network: Option<String>,
    /// Another full node of the same network.
    #[arg(long, value_name = "URL")]
    pub rpc_url: Option<String>,
    /// The faucet [default: the network's, where it has one].
    #[arg(long, value_name = "URL")]
    pub faucet_url: Option<String>,
    /// The scoring service [default: that of localnet and devnet].
    #[arg(long, value_name = "URL")]
    pub scoring_url: Option<String>,
    /// The admin service [default: that of localnet and devnet].
    #[arg(long, value_name = "URL")]
    pub admin_url: Option<String>,
}

/// A network as far as it is known before it is asked anything.
#[derive(Clone)]
pub struct Network {
    /// `testnet`, `localnet`, `devnet`, or `custom`.
    pub name: String,
    pub rpc_url: String,
    pub faucet_url: Option<String>,
    pub scoring_url: Option<String>,
    pub admin_url: Option<String>,
    /// An object store that comes with the network.
    pub objects: Option<StoreConfig>,
}

impl NetworkArgs {
    /// What the command line, a variable or the configuration names. A command that was not asked for by a command line has no more than
    /// the variables.
    pub fn resolve(&self, environment: &Environment) -> anyhow::Result<Network> {
        let asked = self.network.clone().or_else(|| environment.text("SOMASCOPE_NETWORK"));
        let mut network = Network::named(asked.as_deref().unwrap_or("testnet"))?;
        let choose = |given: &Option<String>, preset: &mut Option<String>| {
            if given.is_some() {
                preset.clone_from(given);
            }
        };
        choose(&self.faucet_url, &mut network.faucet_url);
        choose(&self.scoring_url, &mut network.scoring_url);
        choose(&self.admin_url, &mut network.admin_url);
        if let Some(url) = &self.rpc_url {
            network.rpc_url.clone_from(url);
        }
        let urls = [Some(&network.rpc_url), network.faucet_url.as_ref(), network.scoring_url.as_ref()];
        urls.into_iter().chain([network.admin_url.as_ref()]).flatten().try_for_each(|url| check(url))?;
        Ok(network)
    }
}

impl Network {
    fn named(name: &str) -> anyhow::Result<Self> {
        match name {
            "testnet" => Ok(Self {
                name: "testnet".to_owned(),
                rpc_url: "https://fullnode.testnet.soma.org".to_owned(),
                faucet_url: Some("https://faucet.testnet.soma.org".to_owned()),
                scoring_url: None,
                admin_url: None,
                objects: None,
            }),
            "localnet" => Ok(Self::local()),
            "devnet" => Self::devnet(),
            url if url.contains("://") => Ok(Self::custom(url)),
            alias => match CliConfig::find()?.and_then(|config| config.env(alias).cloned()) {
                Some(CliEnv { basic_auth: true, .. }) => Err(Exit::BadInput.because(format!(
                    "--network {}: its environment in client.yaml wants a password, which this program does not send",
                    address_shown(alias)
                ))),
                Some(env) => Ok(Self::custom(&env.rpc)),
                None => Err(Exit::BadInput.because(format!(
                    "--network {}: neither testnet, localnet or devnet, nor a URL, nor an environment of client.yaml",
                    address_shown(alias)
                ))),
            },
        }
    }

    fn local() -> Self {
        let at = |port: u16| format!("http://127.0.0.1:{port}");
        Self {
            name: "localnet".to_owned(),
            rpc_url: at(9000),
            faucet_url: Some(at(9123)),
            scoring_url: Some(at(9124)),
            admin_url: Some(at(9125)),
            objects: None,
        }
    }

    /// The embedded network that runs on this machine, with its object store.
    fn devnet() -> anyhow::Result<Self> {
        let Some(found) = endpoints::read()?.filter(Endpoints::is_alive) else {
            return Err(Exit::Unreachable.because("no embedded network runs here: start one with `somascope devnet`"));
        };
        let Endpoints { rpc_url, faucet_url, scoring_url, admin_url, objects, .. } = found;
        Ok(Self {
            name: "devnet".to_owned(),
            rpc_url,
            faucet_url: Some(faucet_url),
            scoring_url: Some(scoring_url),
            admin_url: Some(admin_url),
            objects: Some(StoreConfig {
                endpoint_url: Some(objects.endpoint_url),
                region: "us-east-1".to_owned(),
                bucket: objects.bucket,
                access_key_id: objects.access_key_id,
                secret_access_key: objects.secret_access_key,
                public_url: objects.public_url,
            }),
        })
    }

    fn custom(url: &str) -> Self {
        Self {
            name: "custom".to_owned(),
            rpc_url: url.to_owned(),
            faucet_url: None,
            scoring_url: None,
            admin_url: None,
            objects: None,
        }
    }

    /// Where submissions are uploaded: the bucket that is named, else the one that comes with the network.
    pub fn bucket(
        &self,
        environment: &Environment,
        bucket: &BucketArgs,
    ) -> Result<Option<StoreConfig>, EnvironmentError> {
        Ok(environment.store(bucket)?.or_else(|| self.objects.clone()))
    }

    pub fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(&self.rpc_url, PATIENCE)?)
    }

    pub fn faucet(&self) -> anyhow::Result<&str> {
        self.service(self.faucet_url.as_deref(), "faucet", "--faucet-url")
    }

    pub fn admin(&self) -> anyhow::Result<&str> {
        self.service(self.admin_url.as_deref(), "admin service", "--admin-url")
    }

    fn service<'a>(&'a self, url: Option<&'a str>, what: &str, option: &str) -> anyhow::Result<&'a str> {
        url.ok_or_else(|| {
            Exit::BadInput.because(format!("{} has no {what} that is known: give {option}", self.title()))
        })
    }

    /// For people: the name, and where that says little, the node.
    pub fn title(&self) -> String {
        if self.name == "custom" { self.rpc_url.clone() } else { self.name.clone() }
    }

    /// The name of its directory.
    pub fn directory(&self) -> String {
        directory(&self.title())
    }
}

/// The directory of a network with this title; URLs become file names.
pub fn directory(title: &str) -> String {
    title.trim_end_matches('/').replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}

/// URLs are shown and logged, so they must hold no secret.
fn check(url: &str) -> anyhow::Result<()> {
    // Not repeated where it may hold one.
    let shown = if url.contains('@') { "what is given".to_owned() } else { address_shown(url) };
    let parsed = url::Url::parse(url).with_context(|| format!("`{shown}` is no URL"))?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host().is_none() {
        return Err(Exit::BadInput.because(format!("`{shown}` is no http:// or https:// URL")));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(Exit::BadInput.because("a URL with a password in it would be shown and logged: leave it out"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(args: NetworkArgs) -> anyhow::Result<Network> {
        args.resolve(&Environment::empty())
    }

    #[test]
    fn networks_are_named_or_pointed_at() {
        let testnet = resolve(NetworkArgs::default()).expect("the default");
        assert_eq!((testnet.name.as_str(), testnet.rpc_url.starts_with("https://")), ("testnet", true));
        assert!(testnet.admin().is_err() && testnet.faucet().is_ok());

        let url = |url: &str| NetworkArgs { network: Some(url.to_owned()), ..NetworkArgs::default() };
        let custom = resolve(url("http://10.0.0.1:9000/")).expect("a URL");
        assert_eq!(
            (custom.directory().as_str(), custom.title().as_str()),
            ("http---10-0-0-1-9000", "http://10.0.0.1:9000/")
        );
        assert!(custom.faucet().expect_err("unknown").to_string().contains("--faucet-url"));
        for bad in ["mars://x", "http://", "no-such-network"] {
            assert!(resolve(url(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn services_are_overridden_one_by_one() {
        let args = NetworkArgs {
            network: Some("localnet".to_owned()),
            faucet_url: Some("http://127.0.0.1:1".to_owned()),
            ..NetworkArgs::default()
        };
        let network = resolve(args).expect("known");
        assert_eq!(network.faucet().expect("given"), "http://127.0.0.1:1");
        assert_eq!(network.admin().expect("preset"), "http://127.0.0.1:9125");
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        let args = NetworkArgs { faucet_url: Some("https://me:hunter2@host".to_owned()), ..NetworkArgs::default() };
        let error = resolve(args).err().expect("refused").to_string();
        assert!(error.contains("password") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_key_behind_an_address_without_a_scheme_is_not_repeated() {
        for bare in ["rpc.example.org/v2/KEY0123", "rpc.example.org:9000/KEY0123", "rpc.example.org?KEY0123"] {
            let args =
                NetworkArgs { network: Some("localnet".into()), rpc_url: Some(bare.into()), ..NetworkArgs::default() };
            let named = NetworkArgs { network: Some(bare.into()), ..NetworkArgs::default() };
            for args in [args, named] {
                let error = format!("{:#}", resolve(args).err().expect("refused"));
                assert!(!error.contains("KEY0123"), "{error}");
            }
        }
    }
}
