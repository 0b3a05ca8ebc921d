//! `somascope claim`: rewards and bonds back, and finder's fees.

use std::path::Path;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::{
    environment::Environment,
    exit::Exit,
    order::{self, Counter, Ended, OrderArgs, signed, tell, tell_line},
    output::Page,
};
use crate::{
    engine::desk::{Claimable, ClaimableKind, Desk, DeskError, Order, Settled, Trouble, Whose},
    primitives::{ObjectId, Shannons},
};

/// Claim rewards: your own, and for a finder's fee those that others leave lying.
///
/// A fill of epoch E can be claimed from epoch E + 2 on, by anybody: the submitter gets reward and bond whoever claims, and the claimer
/// half a percent. Unfilled targets can be claimed once their epoch is over, for the same half percent. Shows what each claim brings and
/// costs, asks, and claims one after the other.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope claim --all\n  somascope claim --all --finder --yes\n  \
    somascope claim 0x17df34… --network devnet --json\n\n\
    JSON, one object a target: target, kind (ours, others, expired), epoch, reward_pool_shannons, gain_shannons, bond_shannons, \
    cost_shannons, status (executed, failed, refused, gone, unknown), digest, why, fee_shannons, balance_change_shannons.\n\n\
    Exit codes: 0 everything was claimed, or there was nothing to claim; 1 the network refused a claim; 2 bad input, nothing was sent; 3 \
    unreachable; 4 sent, outcome unknown: the next command settles it. A target that somebody else claimed first (`gone`) is no error \
    with --all and --finder.")]
pub struct Claim {
    /// These targets, whosever they are.
    #[arg(value_name = "TARGET", conflicts_with_all = ["all", "finder"])]
    targets: Vec<ObjectId>,
    /// Every target that this wallet has filled and that can be claimed.
    #[arg(long)]
    all: bool,
    /// Other people's claimable targets and expired ones, where the finder's fee exceeds the cost. Your own come first.
    #[arg(long)]
    finder: bool,
    /// With --finder: look at so many targets of others at most.
    #[arg(long, default_value_t = 1000, value_name = "N", requires = "finder", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    order: OrderArgs,
}

/// One claim. Field names are a contract: scripts read them.
#[derive(Serialize)]
struct Claimed {
    target: ObjectId,
    kind: &'static str,
    epoch: u64,
    reward_pool_shannons: Shannons,
    gain_shannons: Shannons,
    bond_shannons: Shannons,
    /// As drafted; `fee_shannons` is what was charged.
    cost_shannons: Shannons,
    #[serde(flatten)]
    ended: Ended,
}

impl Claimed {
    fn new(claim: &Claimable, ended: Ended) -> Self {
        Self {
            target: claim.target,
            kind: claim.kind.word(),
            epoch: claim.epoch,
            reward_pool_shannons: claim.reward_pool,
            gain_shannons: claim.gain,
            bond_shannons: claim.bond,
            cost_shannons: claim.fee,
            ended,
        }
    }
}

impl Claim {
    pub fn run(self) -> anyhow::Result<Exit> {
        if self.targets.is_empty() && !self.all && !self.finder {
            return Err(Exit::BadInput.because(
                "say what to claim: --all (what this wallet filled), --finder (what others leave lying), or the ids of targets",
            ));
        }
        super::block_on(async {
            let environment = Environment::read(Path::new("."))?;
            let mut counter = self.order.open(&environment, None, None).await?;
            let ended = self.claim(&mut counter).await;
            counter.desk.close().await;
            ended
        })
    }

    async fn claim(&self, counter: &mut Counter) -> anyhow::Result<Exit> {
        let common = &self.order.common;
        let Counter { desk, network, .. } = counter;
        let claims = self.claims(desk).await?;
        if claims.is_empty() {
            tell_line("nothing to claim now: `somascope rewards` shows what waits, and for which epoch");
            common.output.open().list(&[] as &[Claimed], COLUMNS, row).context("standard output")?;
            return Ok(Exit::Ok);
        }
        let sum = |amount: fn(&Claimable) -> Shannons| claims.iter().map(amount).sum::<Shannons>();
        let (gain, bond, cost) = (sum(|c| c.gain), sum(|c| c.bond), sum(|c| c.fee));
        let mut page = Page::default();
        let rows = claims.iter().map(|claim| {
            vec![
                format!("0x{}", claim.target),
                claim.kind.word().to_owned(),
                claim.epoch.to_string(),
                claim.gain.to_string(),
                claim.bond.to_string(),
                claim.fee.to_string(),
            ]
        });
        page.table(&["TARGET", "KIND", "EPOCH", "GAIN", "BOND", "COST"], rows.collect());
        tell(&page.finish());
        common.confirm.insist(&format!(
            "Claim {} targets on {} for {gain} SOMA and {bond} SOMA of bonds, at a cost of {cost} SOMA?",
            claims.len(),
            network.title()
        ))?;
        let mut output = common.output.open_done();
        let (mut ended, mut done) = (Ok(Exit::Ok), Vec::new());
        for claim in &claims {
            let claimed = match self.claim_one(desk, claim).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    // What was claimed before it is told nevertheless.
                    ended = Err(error);
                    break;
                }
            };
            if common.output.json {
                // At once: who reads along sees each as it comes.
                output.list(std::slice::from_ref(&claimed), COLUMNS, row)?;
            } else {
                tell_line(&format!("{} 0x{}", claimed.ended.status, claimed.target));
            }
            let exit = claimed.ended.exit;
            done.push(claimed);
            if exit != Exit::Ok {
                ended = Ok(exit);
            }
            // Its coins are spoken for until it is settled.
            if exit == Exit::Unknown {
                break;
            }
        }
        if !common.output.json && (ended.is_ok() || !done.is_empty()) {
            output.list(&done, COLUMNS, row)?;
        }
        ended
    }

    async fn claims(&self, desk: &Desk) -> Result<Vec<Claimable>, DeskError> {
        let mut claims = Vec::new();
        for target in &self.targets {
            claims.push(desk.appraise(*target).await?);
        }
        if self.all || self.finder {
            claims.extend(desk.claimable(Whose::Ours, usize::MAX).await?);
        }
        if self.finder {
            let found = desk.claimable(Whose::Others, self.limit as usize).await?;
            let (pays, does_not): (Vec<_>, Vec<_>) = found.into_iter().partition(Claimable::pays);
            if !does_not.is_empty() {
                tell_line(&format!("left out: {} targets whose finder's fee does not exceed the cost", does_not.len()));
            }
            claims.extend(pays);
        }
        Ok(claims)
    }

    /// Drafted anew, so that costs and state are those of the moment.
    async fn claim_one(&self, desk: &mut Desk, claim: &Claimable) -> anyhow::Result<Claimed> {
        let asked_for = !self.targets.is_empty();
        let gone = |why: String| {
            let exit = if asked_for { Exit::Refused } else { Exit::Ok };
            Claimed::new(claim, Ended::without("gone", exit, Some(why)))
        };
        let draft = match desk.draft(Order::Claim { target: claim.target }).await {
            Ok(draft) => draft,
            Err(error @ DeskError::NoTarget(_)) => return Ok(gone(error.to_string())),
            Err(error) if error.trouble() == Trouble::Refused => {
                return Ok(Claimed::new(claim, Ended::without("refused", Exit::Refused, Some(error.to_string()))));
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(warning) = &draft.warning {
            tell_line(&format!("0x{}: {warning}", claim.target));
        }
        if !asked_for && claim.kind != ClaimableKind::Ours && draft.gain <= Some(draft.fee) {
            return Ok(gone(format!("its cost has risen to {} SOMA", draft.fee)));
        }
        let settled = desk.carry_out(draft).await?;
        if let Settled::Refused { why } = &settled
            && !asked_for
            && desk.is_gone(claim.target).await?
        {
            return Ok(gone(why.clone()));
        }
        order::advise(&settled);
        Ok(Claimed::new(claim, Ended::from(&settled)))
    }
}

const COLUMNS: &[&str] = &["TARGET", "KIND", "STATUS", "BALANCE CHANGE", "FEE", "WHY"];

fn row(claimed: &Claimed) -> Vec<String> {
    vec![
        format!("0x{}", claimed.target),
        claimed.kind.to_owned(),
        claimed.ended.status.to_owned(),
        claimed.ended.balance_change_shannons.map(signed).unwrap_or_default(),
        claimed.ended.fee_shannons.map(|fee| fee.to_string()).unwrap_or_default(),
        claimed.ended.why.clone().unwrap_or_default(),
    ]
}
