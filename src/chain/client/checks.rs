//! What can be known to be wrong with a transaction without asking anybody.
//!
//! A node answers most of these only after 90 s, with a status that leaves open whether the transaction may still execute
//! (`protocol-corrections.md §1`, on §2.6); the rest it executes, whatever they say.

use std::collections::BTreeSet;

use crate::chain::types::{
    MAX_TRANSACTION_BYTES, Manifest, SomaTensor, SubmitData, TransactionData, TransactionKind, to_bcs,
};

/// Why the transaction must not be sent.
pub(super) fn sound(data: &TransactionData) -> Result<(), String> {
    let wrong = |text: &str| Err(text.to_owned());
    let Some(inputs) = data.kind().inputs() else {
        return wrong("system transactions are the network's own");
    };
    if inputs.repeat() {
        return wrong("the transaction names an object twice");
    }
    if data.gas_payment().is_empty() {
        return wrong("the transaction names no gas coin: a node would take it for lost after 90 s");
    }
    if data.gas_payment().iter().map(|coin| coin.id).collect::<BTreeSet<_>>().len() != data.gas_payment().len() {
        return wrong("the transaction names a gas coin twice");
    }
    if data.only_gas(&inputs).any(|coin| inputs.shared.contains(&coin.id)) {
        return wrong("the system state and targets are no gas coins");
    }
    let bytes = to_bcs(data).len();
    if bytes > MAX_TRANSACTION_BYTES {
        return Err(format!("the transaction has {bytes} bytes; consensus takes {MAX_TRANSACTION_BYTES}"));
    }
    match data.kind() {
        TransactionKind::SubmitData(submit) => submission(submit),
        TransactionKind::CommitModel { manifest, .. } => downloadable(manifest),
        TransactionKind::RevealModel { embedding, .. } => finite("the model's embedding", embedding).map(drop),
        TransactionKind::PayCoins { coins, amounts, recipients } => {
            if coins.is_empty() || recipients.is_empty() {
                return wrong("a payment needs coins and recipients");
            }
            match amounts.as_ref().map(Vec::len) {
                // A request cannot say "all": the node would rebuild other bytes than were signed.
                None => wrong("a payment needs an amount for each recipient"),
                Some(count) if count != recipients.len() => wrong("a payment needs an amount for each recipient"),
                Some(_) => Ok(()),
            }
        }
        TransactionKind::TransferObjects { objects, .. } if objects.is_empty() => wrong("there is nothing to transfer"),
        _ => Ok(()),
    }
}

/// The chain accepts empty data, `file:` URLs and distances below zero; validators then take the bond.
fn submission(submit: &SubmitData) -> Result<(), String> {
    if submit.data_manifest.size() == 0 {
        return Err("empty data is no submission".to_owned());
    }
    downloadable(&submit.data_manifest)?;
    finite("the submission's embedding", &submit.embedding)?;
    finite("the submission's loss", &submit.loss_score)?;
    match finite("the submission's distance", &submit.distance_score)?[..] {
        [distance] if distance >= 0.0 => Ok(()),
        [distance] => Err(format!("the submission's distance is {distance}: below zero")),
        _ => Err("the submission's distance must be one number".to_owned()),
    }
}

/// The numbers, of which there is at least one.
fn finite(what: &str, tensor: &SomaTensor) -> Result<Vec<f32>, String> {
    let values = tensor.values().map_err(|cause| format!("{what}: {cause}"))?;
    match values.iter().position(|value| !value.is_finite()) {
        None if values.is_empty() => Err(format!("{what} is empty")),
        None => Ok(values),
        Some(at) => Err(format!("{what} must be finite numbers: see position {at}")),
    }
}

/// A URL that validators can fetch, in the form that they will read (`protocol.md §4.3`), and that gives nothing away.
fn downloadable(manifest: &Manifest) -> Result<(), String> {
    // Not repeated in errors: what was mistaken for a public URL may hold a password.
    let wrong = |text: &str| Err(format!("validators cannot use the manifest's URL: {text}"));
    let Ok(url) = url::Url::parse(manifest.url()) else { return wrong("it is no absolute URL") };
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return wrong("it is not http or https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("it has a user or password in it, which would become public");
    }
    if url.as_str() != manifest.url() {
        return wrong("it is not normalised, so the signature would not verify");
    }
    Ok(())
}
