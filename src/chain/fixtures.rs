//! Values that several tests need.

use crate::chain::types::{SomaTensor, SystemParameters};

/// Protocol version 5 (`protocol.md §11`).
pub(crate) fn parameters() -> SystemParameters {
    SystemParameters {
        epoch_duration_ms: 86_400_000,
        validator_reward_allocation_bps: 7000,
        model_min_stake: 1_000_000_000,
        model_architecture_version: 1,
        model_reveal_slash_rate_bps: 5000,
        model_tally_slash_rate_bps: 9500,
        target_epoch_fee_collection: 1_000_000_000,
        base_fee: 1000,
        write_object_fee: 300,
        value_fee_bps: 10,
        min_value_fee_bps: 1,
        max_value_fee_bps: 50,
        fee_adjustment_rate_bps: 1250,
        target_models_per_target: 3,
        target_embedding_dim: 2048,
        target_initial_distance_threshold: SomaTensor::scalar(1.05),
        target_reward_allocation_bps: 8000,
        target_hits_per_epoch: 86_400,
        target_hits_ema_decay_bps: 9000,
        target_difficulty_adjustment_rate_bps: 10_000,
        target_max_distance_threshold: SomaTensor::scalar(2.0),
        target_min_distance_threshold: SomaTensor::scalar(0.95),
        target_initial_targets_per_epoch: 100,
        target_submitter_reward_share_bps: 4975,
        target_model_reward_share_bps: 4975,
        target_claimer_incentive_bps: 50,
        submission_bond_per_byte: 65,
        max_submission_data_size: 1_048_576,
    }
}
