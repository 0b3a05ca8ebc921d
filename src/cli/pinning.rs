//! Before anything is signed: is this the chain that the wallet belongs on, and are its rules the ones we know?

use clap::Args;

use super::{
    confirm::{ask, declined},
    exit::Exit,
    network::Network,
    place,
    time::now_ms,
};
use crate::{
    chain::client::{Client, KNOWN_PROTOCOL, ServiceInfo},
    primitives::{Address, clean},
    wallet::Pins,
};

/// What a person, or a script that knows what it does, accepts. `--yes` answers none of it.
#[derive(Args, Clone, Debug, Default)]
pub struct AcceptArgs {
    /// Sign on the chain with this id, and on no other, even if the wallet has not been used on it before.
    #[arg(long, value_name = "CHAIN_ID")]
    pub accept_chain: Option<String>,
    /// Sign although the network speaks this protocol version, which is newer than what this program knows.
    #[arg(long, value_name = "VERSION")]
    pub accept_protocol: Option<u64>,
}

/// The chain that the signing was allowed for.
#[derive(Clone, Debug)]
pub struct Allowed {
    pub service: ServiceInfo,
    pub protocol_version: u64,
}

impl AcceptArgs {
    /// Asks the node who it is, and the person where that is not what the wallet is used to. The first chain of a wallet is
    /// remembered without a question, and so is one that was accepted.
    pub async fn ensure_signing_allowed(
        &self,
        network: &Network,
        client: &Client,
        wallet: Address,
    ) -> anyhow::Result<Allowed> {
        let service = client.service_info().await?;
        let protocol_version = client.protocol_version().await?;
        self.ensure_protocol(protocol_version)?;
        self.ensure_chain(network, &service, wallet)?;
        Ok(Allowed { service, protocol_version })
    }

    /// The same for a program that can start without the node, and checks later that the chain is its journal's. `None`: the
    /// node did not answer.
    ///
    /// # Errors
    /// A node that does not answer is one where nobody could be asked later: on a network that the wallet does not know.
    pub async fn ensure_if_it_answers(
        &self,
        network: &Network,
        client: &Client,
        wallet: Address,
    ) -> anyhow::Result<Option<Allowed>> {
        match self.ensure_signing_allowed(network, client, wallet).await {
            Ok(allowed) => Ok(Some(allowed)),
            Err(error) if Exit::of(&error) == Exit::Unreachable => {
                let pins = Pins::below(&place::data_dir()?);
                if pins.of(wallet)?.is_empty() || pins.home(wallet, &network.title())?.is_some() {
                    return Ok(None);
                }
                Err(error.context(format!(
                    "wallet 0x{wallet} has not been used on {} yet, and which chain that is cannot be seen now (--mode read-only \
                     starts without it)",
                    network.title()
                )))
            }
            Err(error) => Err(error),
        }
    }

    fn ensure_chain(&self, network: &Network, service: &ServiceInfo, wallet: Address) -> anyhow::Result<()> {
        let pins = Pins::below(&place::data_dir()?);
        let known = pins.of(wallet)?;
        let chain_id = &service.chain_id;
        if let Some(accepted) = &self.accept_chain
            && accepted != chain_id
        {
            return Err(Exit::BadInput.because(format!(
                "{} serves the chain {chain_id}, not {accepted} as --accept-chain wants: nothing was signed",
                network.rpc_url
            )));
        }
        let is_known = known.is_empty() || known.iter().any(|pin| pin.chain_id == *chain_id);
        if !is_known && self.accept_chain.is_none() {
            let mut chains: Vec<String> =
                known.iter().map(|pin| format!("{} ({})", pin.chain_id, pin.network)).collect();
            chains.dedup();
            let question = format!(
                "Wallet 0x{wallet} has only been used on the chain {}. {} ({}) serves another one: {chain_id}. Sign there too?",
                chains.join(", "),
                network.rpc_url,
                network.name
            );
            if !ask(&question, &format!("--accept-chain {}", clean(chain_id)))? {
                return Err(declined());
            }
        }
        Ok(pins.note(wallet, chain_id, &network.title(), now_ms())?)
    }

    fn ensure_protocol(&self, version: u64) -> anyhow::Result<()> {
        if version <= KNOWN_PROTOCOL || self.accept_protocol == Some(version) {
            return Ok(());
        }
        let question = format!(
            "The network speaks protocol version {version}, and this program knows {KNOWN_PROTOCOL}: rules, fees and formats may \
             have changed. Sign nevertheless?"
        );
        if ask(&question, &format!("--accept-protocol {version}"))? { Ok(()) } else { Err(declined()) }
    }
}
