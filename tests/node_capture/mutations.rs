//! Recorded answers, damaged: a decoder refuses or accepts, but never panics and never grows beyond its input.

use std::sync::LazyLock;

use proptest::prelude::*;
use prost::Message;
use somascope::chain::{
    convert,
    proto::soma::rpc::{self, get_object_result::Result as Item},
    types::{CheckpointSummary, SystemState, TransactionData, TransactionEffects},
};

use crate::capture::capture;

/// Method and bytes of every answer of at most 64 KiB.
static ANSWERS: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(|| {
    let answers =
        capture().calls.iter().flat_map(|call| call.response_messages.iter().map(|body| (call.method(), body.bytes())));
    answers.filter(|(_, bytes)| bytes.len() <= 64 << 10).collect()
});

#[derive(Clone, Debug)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    /// A part again, somewhere else.
    Copy(prop::sample::Index, prop::sample::Index, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (any::<prop::sample::Index>(), 1..=255u8).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        1 => any::<prop::sample::Index>().prop_map(Damage::Cut),
        2 => (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1..400usize).prop_map(|(from, to, length)| Damage::Copy(from, to, length)),
    ]
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Flip(at, bits) => {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Insert(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Copy(from, to, length) => {
                let from = from.index(bytes.len());
                let part = bytes[from..(from + length).min(bytes.len())].to_vec();
                let to = to.index(bytes.len());
                bytes.splice(to..to, part);
            }
        }
    }
}

/// Reads an answer as our client does. Results do not matter; that it returns does.
fn read(method: &str, bytes: &[u8]) {
    let object = |object: &rpc::Object| {
        if let Ok(object) = convert::object_from_proto(object) {
            let _ = (object.digest(), object.coin_balance(), object.staked_soma(), object.system_state());
            if let Ok(target) = object.target() {
                let _ = (target.embedding.values(), target.distance_threshold.scalar_value());
            }
        }
    };
    let executed = |transaction: &rpc::ExecutedTransaction| {
        let _ = transaction.transaction.as_ref().map(convert::transaction_from_proto);
        let _ = transaction.effects.as_ref().map(convert::effects_from_proto);
        transaction.signatures.iter().for_each(|signature| drop(convert::signature_from_proto(signature)));
        transaction.balance_changes.iter().for_each(|change| drop(convert::balance_change_from_proto(change)));
        transaction.objects.iter().flat_map(|set| &set.objects).for_each(object);
    };
    let checkpoint = |checkpoint: &rpc::Checkpoint| {
        let _ = checkpoint.summary.as_ref().map(convert::checkpoint_summary_from_proto);
        checkpoint.transactions.iter().for_each(executed);
        checkpoint.objects.iter().flat_map(|set| &set.objects).for_each(object);
    };
    macro_rules! with {
        ($message:ty, $read:expr) => {
            if let Ok(message) = <$message>::decode(bytes) {
                let read: &dyn Fn($message) = &$read;
                read(message);
            }
        };
    }
    match method {
        "GetObject" => with!(rpc::GetObjectResponse, |answer| answer.object.iter().for_each(object)),
        "ListOwnedObjects" => with!(rpc::ListOwnedObjectsResponse, |answer| answer.objects.iter().for_each(object)),
        "BatchGetObjects" => with!(rpc::BatchGetObjectsResponse, |answer| {
            for result in answer.objects {
                if let Some(Item::Object(found)) = result.result {
                    object(&found);
                }
            }
        }),
        "ExecuteTransaction" => {
            with!(rpc::ExecuteTransactionResponse, |answer| answer.transaction.iter().for_each(executed))
        }
        "SimulateTransaction" => {
            with!(rpc::SimulateTransactionResponse, |answer| answer.transaction.iter().for_each(executed))
        }
        "GetTransaction" => with!(rpc::GetTransactionResponse, |answer| answer.transaction.iter().for_each(executed)),
        "GetCheckpoint" => with!(rpc::GetCheckpointResponse, |answer| answer.checkpoint.iter().for_each(checkpoint)),
        "SubscribeCheckpoints" => {
            with!(rpc::SubscribeCheckpointsResponse, |answer| answer.checkpoint.iter().for_each(checkpoint))
        }
        "ListTargets" => with!(rpc::ListTargetsResponse, |answer| {
            for target in &answer.targets {
                if let Ok(info) = convert::target_info_from_proto(target) {
                    assert!(
                        info.embedding.iter().all(|value| value.is_finite()) && info.distance_threshold.is_finite()
                    );
                }
            }
        }),
        "GetTarget" => with!(rpc::GetTargetResponse, |answer| {
            let _ = answer.target.as_ref().map(convert::target_info_from_proto);
        }),
        "GetEpoch" => with!(rpc::GetEpochResponse, |answer| {
            let _ = answer.epoch.and_then(|epoch| epoch.system_state).as_ref().map(convert::epoch_state_from_proto);
        }),
        _ => {}
    }
    // The same bytes as BCS: noise of another kind.
    let _ = bcs::from_bytes::<TransactionData>(bytes);
    let _ = bcs::from_bytes::<TransactionEffects>(bytes);
    let _ = bcs::from_bytes::<SystemState>(bytes);
    let _ = bcs::from_bytes::<CheckpointSummary>(bytes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_answer_is_refused_or_read_but_never_fatal(
        which: prop::sample::Index,
        damages in prop::collection::vec(damage(), 1..6),
    ) {
        let (method, bytes) = which.get(&ANSWERS[..]);
        let mut bytes = bytes.clone();
        for damage in &damages {
            damage.apply(&mut bytes);
        }
        read(method, &bytes);
    }

    /// The system state, a target, a coin: contents that come as BCS inside a message.
    #[test]
    fn damaged_contents_of_an_object_are_an_error_or_another_value(
        which: prop::sample::Index,
        damages in prop::collection::vec(damage(), 1..4),
    ) {
        let shown = &crate::chain::walk().objects;
        let (_, _, message) = which.get(&shown[..]);
        let mut message = message.clone();
        if let Some(contents) = &mut message.contents {
            damages.iter().for_each(|damage| damage.apply(contents));
        }
        if let Ok(object) = convert::object_from_proto(&message) {
            let _ = (object.coin_balance(), object.staked_soma(), object.target(), object.system_state());
        }
    }
}
