//! BCS of strangers: transactions, objects and their contents, effects, checkpoints, the bodies of the services beside a node.
//! What decodes must encode to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use somascope::chain::{
    services::{GasRequest, GasResponse, ScoreRequest, ScoreResponse},
    types::{
        CheckpointSummary, Object, SignedTransaction, SystemState, TargetV1, TransactionData, TransactionEffects,
        to_bcs,
    },
};

fuzz_target!(|bytes: &[u8]| {
    macro_rules! round {
        ($($name:ty),*) => {
            $(if let Ok(value) = bcs::from_bytes::<$name>(bytes) {
                assert_eq!(to_bcs(&value), bytes, stringify!($name));
            })*
        };
    }
    round!(TransactionData, TransactionEffects, SystemState, TargetV1, CheckpointSummary);
    round!(ScoreRequest, ScoreResponse, GasRequest, GasResponse);
    if let Ok(transaction) = SignedTransaction::from_bytes(bytes) {
        assert_eq!(transaction.to_bytes(), bytes);
        let _ = somascope::chain::keys::verify(&transaction);
    }
    if let Ok(object) = Object::from_bytes(bytes) {
        assert_eq!(to_bcs(&object), bytes);
        let _ = (object.coin_balance(), object.staked_soma(), object.system_state());
        if let Ok(target) = object.target() {
            let _ = (target.embedding.values(), target.distance_threshold.scalar_value());
        }
    }
});
