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
    /// Sign although the network speaks this protocol version, which is newer than what this program knows; and no other newer one.
    #[arg(long, value_name = "VERSION")]
    pub accept_protocol: Option<u64>,
}

/// What a program signs on that may start while its node is away.
#[derive(Clone, Debug)]
pub struct Start {
    pub chain_id: String,
    /// A protocol newer than ours that was accepted.
    pub accepted_protocol: Option<u64>,
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

    /// The same for a program that can start without the node, and that refuses every other chain later, when nobody may be
    /// there to ask. A node that is away is no reason not to start if it is known which chain it has to serve.
    ///
    /// # Errors
    /// As above; and unreachable where the node does not answer and nothing else tells the chain.
    pub async fn ensure_start_allowed(
        &self,
        network: &Network,
        client: &Client,
        wallet: Address,
    ) -> anyhow::Result<Start> {
        let away = match self.ensure_signing_allowed(network, client, wallet).await {
            Ok(Allowed { service, protocol_version }) => {
                let spoken = (protocol_version > KNOWN_PROTOCOL).then_some(protocol_version);
                return Ok(Start { chain_id: service.chain_id, accepted_protocol: spoken.or(self.accept_protocol) });
            }
            Err(error) if Exit::of(&error) == Exit::Unreachable => error,
            Err(error) => return Err(error),
        };
        let pins = Pins::below(&place::data_dir()?);
        let chain_id = match (&self.accept_chain, pins.home(wallet, &network.title())?) {
            (Some(accepted), _) => {
                pins.note(wallet, accepted, &network.title(), now_ms())?;
                accepted.clone()
            }
            (None, Some(home)) => home.chain_id,
            (None, None) => {
                return Err(away.context(format!(
                    "wallet 0x{wallet} has not been used on {} yet, and which chain that is cannot be seen now: try again when \
                     the node is back, or --mode read-only, which signs nothing (a chain that you are sure of can be given as \
                     --accept-chain)",
                    network.title()
                )));
            }
        };
        Ok(Start { chain_id, accepted_protocol: self.accept_protocol })
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
