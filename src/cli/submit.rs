//! `somascope submit`: one file for one target, by hand.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::{
    bucket::BucketArgs,
    environment::Environment,
    exit::Exit,
    order::{self, Counter, Ended, OrderArgs, signed, tell, tell_line},
    output::Page,
};
use crate::{
    engine::desk::{Offer, Secrets, check_data},
    primitives::{Digest, ObjectId, Shannons},
};

/// Submit a file for a target.
///
/// Scores the exact bytes with every model of the target, as validators will, and shows network, target, distance against threshold,
/// losses, bond, fee and expected reward. After your yes the bytes are uploaded to your public bucket, read back through their public
/// URL, and the submission is signed and sent. What is uploaded is public for ever: a file that looks like a secret is refused, unless
/// --allow-secret says that it is none.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  somascope score notes.txt --network devnet        # which open target is it nearest to?\n  \
    somascope submit notes.txt --target 0x17df34… --network devnet\n  \
    somascope submit notes.txt --target 0x17df34… --yes --json\n\n\
    The bucket comes from S3_BUCKET and its companions (see .env.example); `somascope doctor` checks them. Two epochs after the fill, \
    `somascope claim --all` gets reward and bond.\n\n\
    JSON: network, target, epoch, claimable_epoch, file, size_bytes, checksum, model, distance, threshold, margin, losses (model, loss), \
    reward_pool_shannons, bond_shannons, max_fee_shannons, claim_fee_shannons, expected_reward_shannons, expected_gain_shannons, \
    status (executed, failed, refused, unknown), digest, why, fee_shannons, balance_change_shannons.\n\n\
    Exit codes: 0 filled; 1 refused by the network (filled by others, expired, …: at most the base fee was charged); 2 the file, the \
    distance or an option will not do, nothing was sent; 3 unreachable; 4 sent, outcome unknown: the next command settles it."
)]
pub struct Submit {
    /// The file; all of its bytes are submitted.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The target's id, as `somascope targets` and `somascope score --network` show it.
    #[arg(long, value_name = "ID")]
    target: ObjectId,
    /// Submit the file although it looks like a secret (by its name, its folder or what is in it) or is packed. Its bytes become public.
    #[arg(long)]
    allow_secret: bool,
    /// Attention heads of the models [default: 4 for embeddings of 16, else 8].
    #[arg(long)]
    heads: Option<usize>,
    #[command(flatten)]
    order: OrderArgs,
    #[command(flatten)]
    bucket: BucketArgs,
}

#[derive(Serialize)]
struct Loss {
    model: ObjectId,
    loss: f32,
}

/// What was offered and what became of it. Field names are a contract: scripts read them.
#[derive(Serialize)]
struct Submitted {
    network: String,
    target: ObjectId,
    epoch: u64,
    claimable_epoch: u64,
    file: String,
    size_bytes: u64,
    checksum: Digest,
    model: ObjectId,
    distance: f32,
    threshold: f32,
    margin: f32,
    losses: Vec<Loss>,
    reward_pool_shannons: Shannons,
    bond_shannons: Shannons,
    max_fee_shannons: Shannons,
    claim_fee_shannons: Shannons,
    expected_reward_shannons: Shannons,
    expected_gain_shannons: i64,
    /// `None`: not sent yet.
    #[serde(flatten)]
    ended: Option<Ended>,
}

impl Submitted {
    fn offered(network: String, offer: &Offer) -> Self {
        Self {
            network,
            target: offer.target,
            epoch: offer.epoch,
            claimable_epoch: offer.epoch.saturating_add(2),
            file: offer.path.display().to_string(),
            size_bytes: offer.size,
            checksum: offer.checksum,
            model: offer.model,
            distance: offer.distance,
            threshold: offer.threshold,
            margin: offer.margin(),
            losses: offer.losses.iter().map(|(model, loss)| Loss { model: *model, loss: *loss }).collect(),
            reward_pool_shannons: offer.reward_pool,
            bond_shannons: offer.bond,
            max_fee_shannons: offer.fee,
            claim_fee_shannons: offer.claim_fee,
            expected_reward_shannons: offer.reward,
            expected_gain_shannons: offer.gain(),
            ended: None,
        }
    }
}

impl Submit {
    pub fn run(self) -> anyhow::Result<Exit> {
        // What no network would change is told before anything is asked for.
        check_data(&self.file, u64::MAX, self.secrets())?;
        super::block_on(async {
            let environment = Environment::read(Path::new("."))?;
            let store = order::store(&environment, &self.order.network, &self.bucket)?;
            let mut counter = self.order.open(&environment, store, self.heads).await?;
            let ended = self.submit(&mut counter).await;
            counter.desk.close().await;
            ended
        })
    }

    fn secrets(&self) -> Secrets {
        if self.allow_secret { Secrets::Allowed } else { Secrets::Refused }
    }

    async fn submit(&self, counter: &mut Counter) -> anyhow::Result<Exit> {
        let common = &self.order.common;
        let Counter { desk, network, .. } = counter;
        let progress = |step: &str| tell_line(&format!("{step} …"));
        let offer = desk.confirm(self.target, &self.file, self.secrets(), progress).await?;
        let submitted = Submitted::offered(network.title(), &offer);
        let mut page = Page::default();
        plan(&mut page, &submitted, &offer);
        tell(&page.finish());
        common.confirm.insist(&format!(
            "Upload {} and submit it on {} with a bond of {} SOMA?",
            submitted.file, submitted.network, offer.bond
        ))?;
        let settled = desk.submit(offer).await?;
        order::advise(&settled);
        let ended = Ended::from(&settled);
        let exit = ended.exit;
        common.output.open_done().show(&Submitted { ended: Some(ended), ..submitted }, outcome)?;
        Ok(exit)
    }
}

fn plan(page: &mut Page, offered: &Submitted, offer: &Offer) {
    page.fact("network", &offered.network);
    page.fact("target", format!("0x{} (epoch {})", offered.target, offered.epoch));
    page.fact("data", format!("{}, {} bytes, {}", offered.file, offered.size_bytes, offered.checksum));
    page.fact(
        "distance",
        format!("{:.6} within the threshold {:.6} (margin {:.6})", offered.distance, offered.threshold, offered.margin),
    );
    for loss in &offered.losses {
        let wins = if loss.model == offered.model { ", wins" } else { "" };
        page.fact("loss", format!("{:.6} under model {}{wins}", loss.loss, loss.model.short()));
    }
    page.fact("bond", format!("{} SOMA, back with the claim unless validators report the data", offer.bond));
    page.fact("fee", format!("at most {} SOMA, and {} for the claim", offer.fee, offer.claim_fee));
    page.fact("reward", format!("{} SOMA expected, from epoch {} on", offer.reward, offered.claimable_epoch));
    page.fact("gain", format!("{} SOMA expected, fees deducted", signed(offered.expected_gain_shannons)));
    page.fact("balance", format!("{} SOMA", offer.balance));
}

fn outcome(page: &mut Page, submitted: &Submitted) {
    let Some(ended) = &submitted.ended else { return };
    let why = ended.why.as_deref().unwrap_or("no reason given");
    match ended.status {
        "executed" => page.line(format!(
            "filled target 0x{}; reward and bond can be claimed from epoch {} on",
            submitted.target, submitted.claimable_epoch
        )),
        "failed" => page.line(format!("the network refused it: {why}; the bond was not touched")),
        "refused" => page.line(format!("never executed, nothing was charged: {why}")),
        _ => page.line(format!("outcome unknown: {why}")),
    };
    if let Some(digest) = ended.digest {
        page.fact("transaction", digest);
    }
    if let (Some(fee), Some(change)) = (ended.fee_shannons, ended.balance_change_shannons) {
        page.fact("fee", format!("{fee} SOMA"));
        page.fact("balance change", format!("{} SOMA", signed(change)));
    }
}
