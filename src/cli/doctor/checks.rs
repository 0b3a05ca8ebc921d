//! The wallet, the network and the bucket.

use std::time::Duration;

use bytes::Bytes;

use super::Check;
use crate::{
    chain::client::{ActiveModelInfo, ClientError, KNOWN_PROTOCOL, scoring_health},
    cli::{
        bucket::BucketArgs,
        environment::Environment,
        exit::{self, Exit},
        network::Network,
        place,
        signer::WalletArgs,
        time::now_ms,
    },
    primitives::{Address, SHANNONS_PER_SOMA, Shannons, hash, without_paths},
    storage::{Refusal, StorageError, Store, StoreConfig},
    wallet::Pins,
};

/// A checkpoint's time comes from the validators' clocks, which are allowed to differ a little.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);
/// A network that plays makes checkpoints all the time.
const STALE_AFTER: Duration = Duration::from_secs(60);
const SET_CLOCK: &str = "set the clock: `timedatectl set-ntp true` keeps it right";
/// Enough for a few submissions and their claims.
const LITTLE: Shannons = Shannons(SHANNONS_PER_SOMA / 100);

/// Which wallet there is, and whether its key can be had without a person.
pub(super) fn wallet(args: &WalletArgs, environment: &Environment, checks: &mut Vec<Check>) -> Option<Address> {
    let found = match args.find(environment) {
        Ok(Some(found)) => found,
        Ok(None) => {
            checks.push(Check::warn(
                "key",
                "there is no wallet: nothing can be signed",
                "make one with `somascope wallet new`, bring one with `somascope wallet import`, or set SOMA_SECRET_KEY",
            ));
            return None;
        }
        Err(error) => {
            checks.push(Check::failed("key", &error, "mend or remove it, or choose another wallet with --wallet NAME"));
            return None;
        }
    };
    let (address, source) = (found.address, found.source.to_string());
    let sealed = source.starts_with("wallet `");
    if sealed && environment.passphrase().is_none() {
        checks.push(Check::ok("key", format!("0x{address} from {source}; locked, its passphrase was not tried")));
        return Some(address);
    }
    checks.push(match found.unlock(environment) {
        Ok(keypair) if keypair.address() == address => Check::ok("key", format!("0x{address} from {source}")),
        Ok(keypair) => Check::fail(
            "key",
            Exit::BadInput,
            format!("{source} says 0x{address} and holds the key of 0x{}", keypair.address()),
            "restore the file from a backup",
        ),
        Err(error) => Check::failed("key", &error, "set SOMASCOPE_PASSPHRASE to the wallet's own passphrase"),
    });
    Some(address)
}

/// Chain, protocol, clock and balance. Gives the active models.
pub(super) async fn chain(
    network: &Network,
    wallet: Option<Address>,
    checks: &mut Vec<Check>,
) -> Option<Vec<ActiveModelInfo>> {
    let unreachable = format!(
        "is {} right, and is the network up? Another node can be named with --rpc-url; `somascope devnet` runs one here",
        without_paths(&network.rpc_url)
    );
    let client = match network.client() {
        Ok(client) => client,
        Err(error) => {
            checks.push(Check::failed("chain", &error, unreachable));
            return None;
        }
    };
    let service = match client.service_info().await {
        Ok(service) => service,
        Err(error) => {
            checks.push(Check::failed("chain", &error.into(), unreachable));
            return None;
        }
    };
    let known = wallet.and_then(|address| Pins::below(&place::data_dir().ok()?).of(address).ok()).unwrap_or_default();
    let what = format!("{} ({}), epoch {}, {}", service.chain, service.chain_id, service.epoch, service.server);
    checks.push(match known.is_empty() || known.iter().any(|pin| pin.chain_id == service.chain_id) {
        true => Check::ok("chain", what),
        false => Check::warn(
            "chain",
            format!("{what}: the wallet has never been used on it"),
            "if this is the chain you mean, confirm it at the next signing or give --accept-chain",
        ),
    });
    checks.push(match client.protocol_version().await {
        Ok(version) if version <= KNOWN_PROTOCOL => Check::ok("protocol", format!("version {version}")),
        Ok(version) => Check::warn(
            "protocol",
            format!("version {version}, and this program knows {KNOWN_PROTOCOL}"),
            "look for a newer somascope; signing asks first, or give --accept-protocol",
        ),
        Err(error) => failed_call("protocol", error),
    });
    checks.push(match client.checkpoint_time_ms().await {
        Ok(chain_ms) => clock(chain_ms, now_ms()),
        Err(error) => failed_call("clock", error),
    });
    if let Some(address) = wallet {
        checks.push(match client.balance(address).await.map(Shannons) {
            Ok(Shannons::ZERO) => Check::warn("balance", "the wallet is empty", get_some(network)),
            Ok(balance) if balance < LITTLE => {
                Check::warn("balance", format!("{balance} SOMA: enough for little"), get_some(network))
            }
            Ok(balance) => Check::ok("balance", format!("{balance} SOMA")),
            Err(error) => failed_call("balance", error),
        });
    }
    match client.epoch_state().await {
        Ok(state) if state.models.is_empty() => {
            checks.push(Check::warn(
                "models",
                "no model is active, so there are no targets",
                "wait for one: targets come with the epoch after its reveal",
            ));
            Some(state.models)
        }
        Ok(state) => {
            // What the chain says of them may be anything.
            let bytes = state.models.iter().fold(0_u64, |sum, model| sum.saturating_add(model.size));
            checks.push(Check::ok("models", format!("{} active, {bytes} bytes of weights", state.models.len())));
            Some(state.models)
        }
        Err(error) => {
            checks.push(failed_call("models", error));
            None
        }
    }
}

/// The scoring service, where one is known. This program scores by itself: without the service only others go without.
pub(super) async fn scoring(network: &Network) -> Option<Check> {
    let url = network.scoring_url.as_deref()?;
    let remedy =
        "somascope does not need it; clients that score through it do: see that it runs, or correct --scoring-url";
    Some(match scoring_health(url).await {
        Ok(true) => Check::ok("scoring", format!("{} is ready", without_paths(url))),
        Ok(false) => Check::warn("scoring", format!("{} says that it is not ready", without_paths(url)), remedy),
        Err(error) => Check::warn("scoring", exit::line(&anyhow::Error::from(error)), remedy),
    })
}

fn get_some(network: &Network) -> &'static str {
    match network.faucet_url {
        Some(_) => "ask the faucet: `somascope wallet faucet`",
        None => "send it some SOMA: `somascope wallet address` shows where to",
    }
}

fn failed_call(name: &'static str, error: ClientError) -> Check {
    Check::failed(name, &error.into(), "the node answered other questions: try again, or another node with --rpc-url")
}

/// A checkpoint from the future means that this clock is slow; an old one, that it is fast or that the chain stands still.
fn clock(chain_ms: u64, now_ms: u64) -> Check {
    let remedy = SET_CLOCK;
    let seconds = |ms: u64| ms / 1000;
    if chain_ms > now_ms.saturating_add(CLOCK_TOLERANCE.as_millis() as u64) {
        let behind = seconds(chain_ms - now_ms);
        return Check::fail("clock", Exit::BadInput, format!("this clock is {behind} s behind the chain's"), remedy);
    }
    let age = now_ms.saturating_sub(chain_ms);
    if age > STALE_AFTER.as_millis() as u64 {
        return Check::warn(
            "clock",
            format!("the newest checkpoint is {} s old by this clock", seconds(age)),
            format!(
                "either the chain is idle or its node stands still, or this clock is fast; in the last case, {remedy}"
            ),
        );
    }
    Check::ok("clock", format!("the newest checkpoint is {} s old", seconds(age)))
}

/// Write, public read-back, delete: all that a submission needs of a bucket, and no more.
pub(super) async fn bucket(network: &Network, environment: &Environment, named: &BucketArgs, checks: &mut Vec<Check>) {
    let config = match network.bucket(environment, named) {
        Ok(Some(config)) => config,
        Ok(None) => {
            checks.push(Check::warn(
                "bucket",
                "there is none: nothing can be submitted",
                "set S3_BUCKET, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, S3_PUBLIC_URL (see .env.example)",
            ));
            return;
        }
        Err(error) => {
            checks.push(Check::fail(
                "bucket",
                Exit::BadInput,
                error.to_string(),
                "see .env.example for what belongs together",
            ));
            return;
        }
    };
    checks.extend(try_bucket(config).await);
}

/// Does with a small object what a submission would do.
pub(in crate::cli) async fn try_bucket(config: StoreConfig) -> Vec<Check> {
    let mut checks = Vec::new();
    let (name, public) = (config.bucket.clone(), without_paths(&config.public_url));
    let endpoint = config.endpoint_url.as_deref().map_or_else(|| "AWS".to_owned(), without_paths);
    let store = match Store::new(config) {
        Ok(store) => store,
        Err(error) => {
            return vec![Check::fail(
                "bucket",
                Exit::BadInput,
                error.to_string(),
                "correct the URL in the environment",
            )];
        }
    };
    // New each time, so that no cache answers for the bucket.
    let bytes = Bytes::from(format!("somascope doctor {} {}", now_ms(), std::process::id()));
    let (key, checksum) = (format!("doctor/{}.bin", hash(&bytes)), hash(&bytes));
    let url = match store.put(&key, bytes.clone()).await {
        Ok(url) => url,
        Err(error) => {
            let (exit, remedy) = not_written(&error, &name, &endpoint);
            checks.push(Check::fail("bucket write", exit, error.to_string(), remedy));
            return checks;
        }
    };
    checks.push(Check::ok("bucket write", format!("{name}, {key}")));
    checks.push(match store.read_back(&url, checksum, bytes.len() as u64).await {
        Ok(()) => Check::ok("bucket public read", url),
        Err(error) => {
            let (exit, remedy) = not_public(&error, &public);
            Check::fail("bucket public read", exit, error.to_string(), remedy)
        }
    });
    checks.push(match store.delete(&key).await {
        Ok(()) => Check::ok("bucket delete", "the object is gone again"),
        Err(error) => Check::warn(
            "bucket delete",
            error.to_string(),
            format!("submissions need no deleting; remove {key} yourself, or let the key delete (s3:DeleteObject)"),
        ),
    });
    checks
}

/// What to do about an object that was not taken.
fn not_written(error: &StorageError, bucket: &str, endpoint: &str) -> (Exit, String) {
    let why = if let StorageError::Upload { why, .. } = error { *why } else { Refusal::Other };
    match why {
        Refusal::UnknownKey => (
            Exit::BadInput,
            format!("copy S3_ACCESS_KEY_ID again, and see that {endpoint} (S3_ENDPOINT_URL) is the service that it is of"),
        ),
        Refusal::WrongSecret => (
            Exit::BadInput,
            "S3_SECRET_ACCESS_KEY is not the secret of this S3_ACCESS_KEY_ID: copy both again; where the secret is lost, make a new pair"
                .to_owned(),
        ),
        Refusal::NoRight => (
            Exit::Refused,
            format!("let this key write to `{bucket}` (s3:PutObject), or use one that may; a bucket of somebody else says the same"),
        ),
        Refusal::NoBucket => (
            Exit::BadInput,
            format!("correct S3_BUCKET, or make the bucket `{bucket}` at {endpoint}; S3_ENDPOINT_URL is without the bucket's name"),
        ),
        Refusal::Elsewhere => {
            (Exit::BadInput, format!("set AWS_REGION to the region of `{bucket}`, and S3_ENDPOINT_URL to that region's address"))
        }
        Refusal::Clock => (Exit::BadInput, format!("this clock and the service's differ too much: {SET_CLOCK}")),
        Refusal::NoAnswer => (
            Exit::Unreachable,
            format!("see that {endpoint} (S3_ENDPOINT_URL) is written right and can be reached from here (DNS, firewall, proxy)"),
        ),
        Refusal::Other => (
            Exit::Refused,
            "check S3_ENDPOINT_URL, AWS_REGION, S3_BUCKET, and that the key may write (s3:PutObject)".to_owned(),
        ),
    }
}

/// What to do about an object that the public cannot read.
fn not_public(error: &StorageError, public: &str) -> (Exit, String) {
    let says = |status: &str| matches!(error, StorageError::Download { cause, .. } if cause.contains(status));
    if says("403") || says("401") {
        let text = "validators read without a key: let everybody read its objects (s3:GetObject for all, or the service's public access)";
        (Exit::Refused, text.to_owned())
    } else if says("404") || matches!(error, StorageError::Size { .. } | StorageError::Checksum { .. }) {
        (
            Exit::BadInput,
            format!(
                "S3_PUBLIC_URL ({public}) leads somewhere else: it is what stands before an object's name in public"
            ),
        )
    } else {
        let text = format!("see that S3_PUBLIC_URL ({public}) is written right and that everybody can reach it");
        (Exit::Unreachable, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Status;

    #[test]
    fn a_slow_clock_fails_and_an_old_checkpoint_only_warns() {
        let now = 1_800_000_000_000;
        let verdict = |chain_ms| clock(chain_ms, now).status;
        assert_eq!(verdict(now + 60_000), Status::Fail);
        assert_eq!(verdict(now + 4_000), Status::Ok);
        assert_eq!(verdict(now - 30_000), Status::Ok);
        let old = clock(now - 3_600_000, now);
        assert!(old.status == Status::Warn && old.what.contains("3600 s"), "{old:?}");
    }
}
