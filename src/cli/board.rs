//! The reviews of epochs, as an engine's directory keeps them: without a node, also while a dashboard runs.

use std::path::Path;

use super::{
    environment::Environment, exit::Exit, network::Network, output::OutputArgs, place::StateArgs, signer::ReaderArgs,
    time::date,
};
use crate::{api::EpochReview, engine::board};

const COLUMNS: [&str; 13] = [
    "EPOCH",
    "ENDED",
    "SEEN",
    "OPENED",
    "FILLED",
    "OURS",
    "SHARE",
    "HITS",
    "NEAR",
    "EARNED",
    "FEES",
    "THRESHOLD",
    "MODELS",
];

/// Prints the reviews that a wallet's engine has kept; without a wallet, those of looking only.
pub fn reviews(
    network: &Network,
    environment: &Environment,
    reader: &ReaderArgs,
    state: &StateArgs,
    output: &OutputArgs,
) -> anyhow::Result<Exit> {
    let wallet = match reader.address {
        Some(address) => Some(address),
        None => reader.wallet.find(environment)?.map(|found| found.address),
    };
    let dir = state.of(reader).to_look(network, wallet, None)?;
    let reviews = board::reviews(&dir)?;
    if reviews.is_empty() {
        super::order::tell_line(&format!("no epoch has ended under the eyes of an engine in {}", shown(&dir)));
    }
    output.open().list(&reviews, &COLUMNS, row)?;
    Ok(Exit::Ok)
}

fn shown(dir: &Path) -> String {
    crate::primitives::clean(&dir.display().to_string())
}

fn row(review: &EpochReview) -> Vec<String> {
    let changed = |what: &str, n: usize| (n > 0).then(|| format!("{n} {what}"));
    let models: Vec<String> = [
        Some(review.models.to_string()),
        changed("new", review.new_models.len()),
        changed("gone", review.gone_models.len()),
        changed("moved", review.moved.len()),
    ]
    .into_iter()
    .flatten()
    .collect();
    let share = review.share_permille().map_or("-".to_owned(), |share| format!("{}.{}%", share / 10, share % 10));
    vec![
        review.epoch.to_string(),
        date(review.ended_at_ms),
        if review.whole { "whole" } else { "in part" }.to_owned(),
        review.opened.to_string(),
        review.filled.to_string(),
        review.ours.to_string(),
        share,
        review.hits.to_string(),
        review.near_misses.to_string(),
        review.earned.to_string(),
        review.fees.to_string(),
        format!("{:.4}", review.threshold),
        models.join(", "),
    ]
}
