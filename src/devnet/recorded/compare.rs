//! What of two answers must be equal, and what is each chain's own.

use std::collections::BTreeMap;

use prost::Message;
use prost_types::Timestamp;

use super::{capture::Call, wire::Answer};
use crate::chain::proto::soma::rpc;

/// The envelope: everything but the messages.
pub fn envelope(call: &Call, answer: &Answer) -> Result<(), String> {
    let headers = call.response_headers.as_deref().unwrap_or_default();
    let status = headers.iter().find(|(name, _)| name == ":status").map_or("200", |(_, status)| status);
    same("HTTP status", answer.status.to_string(), status.to_owned())?;
    if call.method() != "SubscribeCheckpoints" {
        same("code", answer.grpc_status, call.grpc_status)?;
        let recorded = call.grpc_message.as_deref().unwrap_or_default();
        same("message", counted(&answer.grpc_message), counted(recorded))?;
        same("trailers only", answer.trailers_only, call.trailers_only == Some(true))?;
    }
    let mut names: Vec<&str> =
        headers.iter().map(|(name, _)| name.as_str()).filter(|name| !name.starts_with(':')).collect();
    names.sort_unstable();
    same("headers", answer.headers.join(" "), names.join(" "))?;
    if call.method() == "SubscribeCheckpoints" {
        return Ok(());
    }
    let recorded = headers.iter().find(|(name, _)| name == "grpc-status-details-bin");
    same("details", answer.details.is_some(), recorded.is_some())?;
    if let (Some(details), Some(message)) = (&answer.details, &call.grpc_message)
        && *message == answer.grpc_message
    {
        use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as BASE64};
        let text = recorded.map(|(_, text)| text.trim_end_matches('=').to_owned());
        same("details", Some(BASE64.encode(details)), text)?;
    }
    let compressed = call.response_messages.iter().any(|message| message.compressed_on_wire.is_some());
    same("compressed", answer.compressed, compressed)
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: T, theirs: T) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{what}: {ours:?} instead of {theirs:?}")) }
}

/// How often a node tries within its 90 s is chance.
fn counted(text: &str) -> String {
    match text.split_once("Attempts: ") {
        Some((before, after)) => {
            format!("{before}Attempts: N{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => text.to_owned(),
    }
}

/// The content, without what is each chain's own. `Ok(false)`: nothing of it can be compared.
pub fn content(call: &Call, ours: &[Vec<u8>], theirs: &[Vec<u8>]) -> Result<bool, String> {
    if call.method() == "SubscribeCheckpoints" {
        return Ok(false);
    }
    same("messages", ours.len(), theirs.len())?;
    for (ours, theirs) in ours.iter().zip(theirs) {
        macro_rules! compared {
            ($message:ty, $own:expr) => {{
                let own: fn(&mut $message) = $own;
                let [mut ours, mut theirs] =
                    [ours, theirs].map(|bytes| <$message>::decode(&bytes[..]).expect("a message"));
                own(&mut ours);
                own(&mut theirs);
                if ours != theirs {
                    return Err(difference(&format!("{ours:#?}"), &format!("{theirs:#?}")));
                }
            }};
        }
        match call.method() {
            "GetServiceInfo" => compared!(rpc::GetServiceInfoResponse, |info| {
                info.chain_id = info.chain_id.take().map(|_| String::new());
                info.checkpoint_height = info.checkpoint_height.map(|_| 0);
                info.timestamp = info.timestamp.map(|_| Timestamp::default());
            }),
            "GetObject" => compared!(rpc::GetObjectResponse, |_| {}),
            "BatchGetObjects" => compared!(rpc::BatchGetObjectsResponse, |_| {}),
            "GetBalance" => compared!(rpc::GetBalanceResponse, |_| {}),
            "GetTarget" => compared!(rpc::GetTargetResponse, |_| {}),
            "ListOwnedObjects" => compared!(rpc::ListOwnedObjectsResponse, |list| {
                list.next_page_token = list.next_page_token.take().map(|_| Vec::new());
            }),
            "ListTargets" => compared!(rpc::ListTargetsResponse, |list| {
                list.next_page_token = list.next_page_token.take().map(|_| Vec::new());
            }),
            "ExecuteTransaction" => compared!(rpc::ExecuteTransactionResponse, |answer| {
                own(&mut answer.transaction);
                // Wrong here too, and right in GetTransaction.
                if let Some(transaction) = &mut answer.transaction {
                    transaction.digest = transaction.digest.take().map(|_| String::new());
                }
            }),
            "SimulateTransaction" => compared!(rpc::SimulateTransactionResponse, |answer| own(&mut answer.transaction)),
            "GetTransaction" => compared!(rpc::GetTransactionResponse, |answer| own(&mut answer.transaction)),
            "GetEpoch" => compared!(rpc::GetEpochResponse, |answer| {
                let Some(epoch) = &mut answer.epoch else { return };
                epoch.first_checkpoint = epoch.first_checkpoint.map(|_| 0);
                for time in [&mut epoch.start, &mut epoch.end] {
                    *time = time.map(|_| Timestamp::default());
                }
            }),
            "Check" => same("health", ours, theirs)?,
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// The checkpoint and its time; the digests that a node puts beside the objects of a transaction are none of theirs.
fn own(transaction: &mut Option<rpc::ExecutedTransaction>) {
    let Some(transaction) = transaction else { return };
    transaction.checkpoint = transaction.checkpoint.map(|_| 0);
    transaction.timestamp = transaction.timestamp.map(|_| Timestamp::default());
    for object in transaction.objects.iter_mut().flat_map(|set| &mut set.objects) {
        object.digest = object.digest.take().map(|_| String::new());
    }
    // The nested digest is wrong (`protocol-corrections.md §1`, on §2.2).
    if let Some(nested) = &mut transaction.transaction {
        nested.digest = nested.digest.take().map(|_| String::new());
    }
}

/// The lines that only one has: maps print in any order.
fn difference(ours: &str, theirs: &str) -> String {
    let lines = |text: &str| {
        let mut counts = BTreeMap::<String, i32>::new();
        text.lines().for_each(|line| *counts.entry(line.trim().to_owned()).or_default() += 1);
        counts
    };
    let (ours, theirs) = (lines(ours), lines(theirs));
    let only = |a: &BTreeMap<String, i32>, b: &BTreeMap<String, i32>| {
        let more = a.iter().filter(|(line, count)| b.get(*line).unwrap_or(&0) < count);
        more.map(|(line, _)| line.clone()).take(6).collect::<Vec<_>>().join(" ")
    };
    format!("only ours: {}; only recorded: {}", only(&ours, &theirs), only(&theirs, &ours))
}
