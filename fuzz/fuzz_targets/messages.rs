//! Protobuf of strangers as our types. What converts must convert back to what converts to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message;
use somascope::chain::{
    convert::{self, EffectsStyle},
    proto::soma::rpc,
    types::TransactionEffects,
};

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    match which % 8 {
        0 => {
            let Ok(message) = rpc::Transaction::decode(bytes) else { return };
            if let Ok(data) = convert::transaction_from_proto(&message) {
                assert_eq!(convert::transaction_from_proto(&convert::transaction_to_proto(&data)), Ok(data));
            }
        }
        1 => {
            let Ok(message) = rpc::TransactionEffects::decode(bytes) else { return };
            if let Ok(effects) = convert::effects_from_proto(&message) {
                let again = convert::effects_to_proto(&TransactionEffects::V1(effects), EffectsStyle::Execute, None);
                let _ = convert::effects_from_proto(&again);
            }
        }
        2 => {
            let Ok(message) = rpc::Object::decode(bytes) else { return };
            if let Ok(object) = convert::object_from_proto(&message) {
                assert_eq!(convert::object_from_proto(&convert::object_to_proto(&object, true)), Ok(object));
            }
        }
        3 => {
            let Ok(message) = rpc::CheckpointSummary::decode(bytes) else { return };
            if let Ok(summary) = convert::checkpoint_summary_from_proto(&message) {
                assert_eq!(
                    convert::checkpoint_summary_from_proto(&convert::checkpoint_summary_to_proto(&summary)),
                    Ok(summary)
                );
            }
        }
        4 => {
            let Ok(message) = rpc::Target::decode(bytes) else { return };
            if let Ok(target) = convert::target_info_from_proto(&message) {
                assert!(!target.embedding.is_empty() && target.embedding.iter().all(|value| value.is_finite()));
                assert!(target.distance_threshold.is_finite());
            }
        }
        5 => {
            let Ok(message) = rpc::SystemState::decode(bytes) else { return };
            let _ = convert::epoch_state_from_proto(&message);
        }
        6 => {
            let Ok(message) = rpc::UserSignature::decode(bytes) else { return };
            if let Ok(signature) = convert::signature_from_proto(&message) {
                assert_eq!(convert::signature_from_proto(&convert::signature_to_proto(&signature)), Ok(signature));
            }
        }
        _ => {
            let Ok(message) = rpc::BalanceChange::decode(bytes) else { return };
            if let Ok(change) = convert::balance_change_from_proto(&message) {
                assert_eq!(convert::balance_change_from_proto(&convert::balance_change_to_proto(&change)), Ok(change));
            }
        }
    }
});
