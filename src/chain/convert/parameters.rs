//! System parameters, as a message and as the attributes of a protocol config.

use std::collections::BTreeMap;

use super::{
    FieldError,
    fields::required,
    tensor::{finite, scalar},
};
use crate::chain::{proto::soma::rpc, types::*};

/// One list of fields for the three conversions, so that none can miss one.
macro_rules! conversions {
    (counts: $($count:ident)*; scalars: $($scalar:ident)*;) => {
        pub fn parameters_to_proto(parameters: &SystemParameters) -> rpc::SystemParameters {
            rpc::SystemParameters {
                $($count: Some(parameters.$count),)*
                $($scalar: scalar(&parameters.$scalar),)*
                challenger_bond_per_byte: None,
            }
        }

        pub fn parameters_from_proto(parameters: &rpc::SystemParameters) -> Result<SystemParameters, FieldError> {
            Ok(SystemParameters {
                $($count: required(stringify!($count), parameters.$count)?,)*
                $($scalar: SomaTensor::scalar(finite(
                    stringify!($scalar),
                    required(stringify!($scalar), parameters.$scalar)?,
                )?),)*
            })
        }

        fn named_values(parameters: &SystemParameters) -> impl Iterator<Item = (&'static str, String)> {
            [
                $((stringify!($count), parameters.$count.to_string()),)*
                $((stringify!($scalar), scalar(&parameters.$scalar).unwrap_or(f32::NAN).to_string()),)*
            ]
            .into_iter()
        }
    };
}

conversions! {
    counts:
        epoch_duration_ms validator_reward_allocation_bps model_min_stake model_architecture_version
        model_reveal_slash_rate_bps model_tally_slash_rate_bps target_epoch_fee_collection base_fee write_object_fee
        value_fee_bps min_value_fee_bps max_value_fee_bps fee_adjustment_rate_bps target_models_per_target
        target_embedding_dim target_reward_allocation_bps target_hits_per_epoch target_hits_ema_decay_bps
        target_difficulty_adjustment_rate_bps target_initial_targets_per_epoch target_submitter_reward_share_bps
        target_model_reward_share_bps target_claimer_incentive_bps submission_bond_per_byte max_submission_data_size;
    scalars:
        target_initial_distance_threshold target_max_distance_threshold target_min_distance_threshold;
}

/// What a protocol config holds beside the system parameters, at protocol version 5 (`protocol.md §11`).
const NODE_CONSTANTS: [(&str, &str); 13] = [
    ("buffer_stake_for_protocol_upgrade_bps", "5000"),
    ("consensus_bad_nodes_stake_threshold", "30"),
    ("consensus_commit_rate_estimation_window_size", "10"),
    ("consensus_gc_depth", "60"),
    ("consensus_max_num_transactions_in_block", "512"),
    ("consensus_max_transaction_size_bytes", "262144"),
    ("consensus_max_transactions_in_block_bytes", "524288"),
    ("execution_version", "2"),
    ("max_checkpoint_size_bytes", "31457280"),
    ("max_transactions_per_checkpoint", "20000"),
    ("min_checkpoint_interval_ms", "200"),
    ("mysticeti_num_leaders_per_round", "1"),
    ("reward_slashing_rate_bps", "5000"),
];

/// The `attributes` of the protocol config that a chain started from: `parameters` are those of genesis, because the config
/// has the value fee's start where the system state has the live one.
pub fn parameters_attributes(parameters: &SystemParameters) -> BTreeMap<String, String> {
    let own = named_values(parameters).map(|(name, value)| match name {
        "value_fee_bps" => ("initial_value_fee_bps", value),
        _ => (name, value),
    });
    let constants = NODE_CONSTANTS.into_iter().map(|(name, value)| (name, value.to_owned()));
    own.chain(constants).map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::fixtures::parameters;

    #[test]
    fn attributes_read_as_a_node_prints_them() {
        let attributes = parameters_attributes(&parameters());
        let of = |name: &str| attributes.get(name).map(String::as_str);
        assert_eq!(attributes.len(), 41);
        assert_eq!(of("target_initial_distance_threshold"), Some("1.05"));
        assert_eq!(of("target_max_distance_threshold"), Some("2"));
        assert_eq!(of("initial_value_fee_bps"), Some("10"));
        assert_eq!(of("value_fee_bps"), None);
    }

    #[test]
    fn parameters_survive_the_message_and_miss_nothing() {
        assert_eq!(parameters_from_proto(&parameters_to_proto(&parameters())), Ok(parameters()));
        let lacking = rpc::SystemParameters { base_fee: None, ..parameters_to_proto(&parameters()) };
        assert_eq!(parameters_from_proto(&lacking), Err(FieldError::missing("base_fee")));
        let poisoned = rpc::SystemParameters {
            target_min_distance_threshold: Some(f32::NAN),
            ..parameters_to_proto(&parameters())
        };
        assert!(parameters_from_proto(&poisoned).is_err());
    }
}
