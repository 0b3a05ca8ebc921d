//! What a node says about a wallet's money, and the faucet. Signs nothing: an address is enough.

use clap::Args;
use serde::Serialize;

use super::super::{
    CommonArgs, Exit, block_on,
    environment::Environment,
    network::NetworkArgs,
    signer::{ReaderArgs, WalletArgs},
};
use crate::{
    chain::client::{Coin, request_faucet},
    primitives::{Address, Digest, ObjectId, Shannons},
};

/// Show what a wallet has.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope wallet balance\n  somascope wallet balance --address 0x5d31… --json")]
pub struct Balance {
    #[command(flatten)]
    reader: ReaderArgs,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

/// List a wallet's coins, richest first.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope wallet coins --network devnet")]
pub struct Coins {
    #[command(flatten)]
    reader: ReaderArgs,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

/// Ask the network's faucet for coins.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  somascope wallet faucet --network testnet\n  somascope wallet faucet --address 0x5d31…"
)]
pub struct Faucet {
    /// Who gets the coins, instead of a wallet of yours.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "wallet")]
    address: Option<Address>,
    #[command(flatten)]
    wallet: WalletArgs,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

#[derive(Serialize)]
struct BalanceShown {
    address: Address,
    network: String,
    chain_id: String,
    balance_shannons: Shannons,
    coins: usize,
    largest_coin_shannons: Shannons,
}

impl Balance {
    pub fn run(self, environment: &Environment) -> anyhow::Result<Exit> {
        let network = self.network.resolve(environment)?;
        let address = self.reader.address(environment)?;
        let shown = block_on(async {
            let client = network.client()?;
            let service = client.service_info().await?;
            let coins = client.coins(address).await?;
            Ok(BalanceShown {
                address,
                network: network.title(),
                chain_id: service.chain_id,
                balance_shannons: Shannons(client.balance(address).await?),
                coins: coins.len(),
                largest_coin_shannons: Shannons(coins.first().map_or(0, |coin| coin.balance)),
            })
        })?;
        self.common.output.open().show(&shown, |page, shown| {
            page.fact("balance", format!("{} SOMA", shown.balance_shannons));
            page.fact("coins", format!("{} (the largest has {} SOMA)", shown.coins, shown.largest_coin_shannons));
            page.fact("address", shown.address.to_hex_prefixed());
            page.fact("network", format!("{} (chain {})", shown.network, shown.chain_id));
        })?;
        Ok(Exit::Ok)
    }
}

#[derive(Serialize)]
struct CoinShown {
    id: ObjectId,
    version: u64,
    digest: Digest,
    balance_shannons: Shannons,
}

impl From<Coin> for CoinShown {
    fn from(coin: Coin) -> Self {
        let reference = coin.reference;
        Self {
            id: reference.id,
            version: reference.version,
            digest: reference.digest,
            balance_shannons: Shannons(coin.balance),
        }
    }
}

impl Coins {
    pub fn run(self, environment: &Environment) -> anyhow::Result<Exit> {
        let network = self.network.resolve(environment)?;
        let address = self.reader.address(environment)?;
        let coins = block_on(async { Ok(network.client()?.coins(address).await?) })?;
        let coins: Vec<CoinShown> = coins.into_iter().map(CoinShown::from).collect();
        self.common.output.open().list(&coins, &["SOMA", "COIN", "VERSION"], |coin| {
            vec![coin.balance_shannons.to_string(), coin.id.to_hex_prefixed(), coin.version.to_string()]
        })?;
        Ok(Exit::Ok)
    }
}

#[derive(Serialize)]
struct Given {
    address: Address,
    network: String,
    received_shannons: Shannons,
    coins: usize,
}

impl Faucet {
    pub fn run(self, environment: &Environment) -> anyhow::Result<Exit> {
        let network = self.network.resolve(environment)?;
        let url = network.faucet()?;
        let address =
            self.address.map_or_else(|| Ok(self.wallet.need(environment)?.address), Ok::<_, anyhow::Error>)?;
        let amounts = block_on(async { Ok(request_faucet(url, address).await?) })?;
        let given = Given {
            address,
            network: network.title(),
            received_shannons: amounts.iter().copied().map(Shannons).sum(),
            coins: amounts.len(),
        };
        self.common.output.open_done().show(&given, |page, given| {
            page.line(format!("{} SOMA for {}", given.received_shannons, given.address.to_hex_prefixed()));
        })?;
        Ok(Exit::Ok)
    }
}
