//! Why a transaction failed: the table of `protocol.md §6.2`, both ways.

use rpc::execution_error::{ErrorDetails, ExecutionErrorKind as Kind};

use super::effects::EffectsStyle;
use crate::chain::{
    proto::soma::rpc,
    types::{ExecutionFailure as Failure, ObjectId, SomaTensor},
};

/// Failures without a detail. Where two share a kind, the first is meant unless the description names the other.
const PLAIN: &[(Kind, Failure)] = &[
    (Kind::InsufficientGas, Failure::InsufficientGas),
    (Kind::InvalidTransactionType, Failure::InvalidTransactionType),
    (Kind::DuplicateValidator, Failure::DuplicateValidator),
    (Kind::MissingProofOfPossession, Failure::MissingProofOfPossession),
    (Kind::NotAValidator, Failure::NotAValidator),
    (Kind::ValidatorAlreadyRemoved, Failure::ValidatorAlreadyRemoved),
    (Kind::AdvancedToWrongEpoch, Failure::AdvancedToWrongEpoch),
    (Kind::ModelNotFound, Failure::ModelNotFound),
    (Kind::ModelNotFound, Failure::ModelNotCreated),
    (Kind::NotModelOwner, Failure::NotModelOwner),
    (Kind::ModelNotActive, Failure::ModelNotActive),
    (Kind::ModelNotPending, Failure::ModelNotPending),
    (Kind::ModelAlreadyInactive, Failure::ModelAlreadyInactive),
    (Kind::ModelRevealEpochMismatch, Failure::ModelRevealEpochMismatch),
    (Kind::ModelEmbeddingCommitmentMismatch, Failure::ModelEmbeddingCommitmentMismatch),
    (Kind::ModelDecryptionKeyCommitmentMismatch, Failure::ModelDecryptionKeyCommitmentMismatch),
    (Kind::ModelNoPendingUpdate, Failure::ModelNoPendingUpdate),
    (Kind::ModelArchitectureVersionMismatch, Failure::ModelArchitectureVersionMismatch),
    (Kind::ModelCommissionRateTooHigh, Failure::ModelCommissionRateTooHigh),
    (Kind::ModelMinStakeNotMet, Failure::ModelMinStakeNotMet),
    (Kind::NoActiveModels, Failure::NoActiveModels),
    (Kind::TargetNotFound, Failure::TargetNotFound),
    (Kind::TargetNotOpen, Failure::TargetNotOpen),
    (Kind::TargetNotFilled, Failure::TargetNotFilled),
    (Kind::TargetAlreadyClaimed, Failure::TargetAlreadyClaimed),
    (Kind::InsufficientEmissionBalance, Failure::InsufficientEmissionBalance),
    (Kind::InsufficientCoinBalance, Failure::InsufficientCoinBalance),
    (Kind::CoinBalanceOverflow, Failure::CoinBalanceOverflow),
    (Kind::ValidatorNotFound, Failure::ValidatorNotFound),
    (Kind::StakingPoolNotFound, Failure::StakingPoolNotFound),
    (Kind::CannotReportOneself, Failure::CannotReportOneself),
    (Kind::ReportRecordNotFound, Failure::ReportRecordNotFound),
    (Kind::InputObjectDeleted, Failure::InputObjectDeleted),
    (Kind::CertificateDenied, Failure::CertificateDenied),
    (Kind::SharedObjectCongestion, Failure::ExecutionCancelledDueToSharedObjectCongestion),
];

pub(super) fn failure_to_proto(failure: &Failure, style: EffectsStyle) -> rpc::ExecutionError {
    let id = |id: &ObjectId| match style {
        EffectsStyle::Execute => id.to_hex_prefixed(),
        EffectsStyle::Checkpoint => id.to_string(),
    };
    // Checkpoints have no `object_id` detail: a tolerant reader takes either.
    let object = |object_id: &ObjectId| match style {
        EffectsStyle::Execute => Some(ErrorDetails::ObjectId(id(object_id))),
        EffectsStyle::Checkpoint => Some(ErrorDetails::OtherError(id(object_id))),
    };
    let text = |text: String| Some(ErrorDetails::OtherError(text));
    let (kind, error_details) = match failure {
        Failure::InvalidOwnership { object_id } => (Kind::InvalidOwnership, object(object_id)),
        Failure::ObjectNotFound { object_id } => (Kind::ObjectNotFound, object(object_id)),
        Failure::InvalidObjectType { object_id } => (Kind::InvalidObjectType, object(object_id)),
        Failure::InvalidArguments { reason } => (Kind::InvalidArguments, text(reason.clone())),
        Failure::DuplicateValidatorMetadata { field } => (Kind::DuplicateValidatorMetadata, text(field.clone())),
        Failure::InvalidProofOfPossession { reason } => (Kind::InvalidProofOfPossession, text(reason.clone())),
        Failure::ModelInvalidState(cause) | Failure::ArithmeticOverflow(cause) | Failure::SomaError(cause) => {
            (Kind::OtherError, text(cause.clone()))
        }
        Failure::TargetExpired { generation_epoch, current_epoch } => {
            (Kind::TargetExpired, text(format!("generation_epoch={generation_epoch}, current_epoch={current_epoch}")))
        }
        Failure::AuditWindowOpen { fill_epoch, current_epoch } => {
            (Kind::ChallengeWindowOpen, text(format!("fill_epoch={fill_epoch}, current_epoch={current_epoch}")))
        }
        Failure::AuditWindowClosed { fill_epoch, current_epoch } => {
            (Kind::ChallengeWindowClosed, text(format!("fill_epoch={fill_epoch}, current_epoch={current_epoch}")))
        }
        Failure::ModelNotInTarget { model_id, target_id } => {
            (Kind::ModelNotInTarget, text(format!("model_id={}, target_id={}", id(model_id), id(target_id))))
        }
        Failure::EmbeddingDimensionMismatch { expected, actual } => {
            (Kind::EmbeddingDimensionMismatch, text(format!("expected={expected}, actual={actual}")))
        }
        Failure::DistanceExceedsThreshold { score, threshold } => {
            (Kind::DistanceExceedsThreshold, text(format!("score={}, threshold={}", number(score), number(threshold))))
        }
        Failure::InsufficientBond { required, provided } => {
            (Kind::InsufficientBond, text(format!("required={required}, provided={provided}")))
        }
        Failure::DataExceedsMaxSize { size, max_size } => {
            (Kind::DataExceedsMaxSize, text(format!("size={size}, max_size={max_size}")))
        }
        plain => {
            let kind = PLAIN.iter().find(|(_, failure)| failure == plain).map(|(kind, _)| *kind);
            (kind.unwrap_or(Kind::OtherError), None)
        }
    };
    rpc::ExecutionError { description: Some(description(failure, style)), kind: Some(kind.into()), error_details }
}

/// A node's debug print, which differs between the two conversions (`protocol-corrections.md §1`, on §6.2).
fn description(failure: &Failure, style: EffectsStyle) -> String {
    // A name in braces, as the debug print of a struct variant has it.
    let execute = |name: &str, fields: &[(&str, String)]| {
        let fields: Vec<_> = fields.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        format!("{name} {{ {} }}", fields.join(", "))
    };
    let address = |id: &ObjectId| format!("Address(\"{}\")", id.to_hex_prefixed());
    match (failure, style) {
        (Failure::InvalidOwnership { object_id }, EffectsStyle::Execute) => {
            execute("InvalidOwnership", &[("object_id", address(object_id))])
        }
        (Failure::ObjectNotFound { object_id }, EffectsStyle::Execute) => {
            execute("ObjectNotFound", &[("object_id", address(object_id))])
        }
        (Failure::InvalidObjectType { object_id }, EffectsStyle::Execute) => {
            execute("InvalidObjectType", &[("object_id", address(object_id))])
        }
        (Failure::ModelNotInTarget { model_id, target_id }, EffectsStyle::Execute) => {
            execute("ModelNotInTarget", &[("model_id", address(model_id)), ("target_id", address(target_id))])
        }
        (Failure::DistanceExceedsThreshold { score, threshold }, _) => {
            let print = |tensor: &SomaTensor| match style {
                EffectsStyle::Execute => format!("{:?}", number(tensor)),
                EffectsStyle::Checkpoint => scalar_debug(number(tensor)),
            };
            execute("DistanceExceedsThreshold", &[("score", print(score)), ("threshold", print(threshold))])
        }
        _ => format!("{failure:?}"),
    }
}

/// NaN for a tensor that is no scalar: these texts are for people.
fn number(tensor: &SomaTensor) -> f32 {
    tensor.scalar_value().unwrap_or(f32::NAN)
}

/// How a node's checkpoints print a scalar tensor: three of its bytes, then dots.
fn scalar_debug(value: f32) -> String {
    let [a, b, c, _] = value.to_le_bytes();
    format!(
        "SomaTensor(TensorData {{ bytes: Bytes {{ data: [{a}, {b}, {c}, \"...\"], len: 4 }}, shape: [1], dtype: F32 }})"
    )
}

/// Never fails: a failure must stay a failure whatever is said about it. What is not understood becomes `SomaError` with the
/// node's words.
pub(super) fn failure_from_proto(error: &rpc::ExecutionError) -> Failure {
    let description = error.description.as_deref().unwrap_or_default();
    let detail = match &error.error_details {
        Some(ErrorDetails::ObjectId(text) | ErrorDetails::OtherError(text)) => text.as_str(),
        None => "",
    };
    let kind = error.kind.and_then(|kind| Kind::try_from(kind).ok()).unwrap_or(Kind::Unknown);
    let with_detail = || {
        let object_id = || detail.parse::<ObjectId>().ok();
        let count = |key| value(detail, key)?.parse::<u64>().ok();
        let id = |key| value(detail, key)?.parse::<ObjectId>().ok();
        let scalar = |key| value(detail, key)?.parse::<f32>().ok().map(SomaTensor::scalar);
        Some(match kind {
            Kind::InvalidOwnership => Failure::InvalidOwnership { object_id: object_id()? },
            Kind::ObjectNotFound => Failure::ObjectNotFound { object_id: object_id()? },
            Kind::InvalidObjectType => Failure::InvalidObjectType { object_id: object_id()? },
            Kind::InvalidArguments => Failure::InvalidArguments { reason: detail.to_owned() },
            Kind::DuplicateValidatorMetadata => Failure::DuplicateValidatorMetadata { field: detail.to_owned() },
            Kind::InvalidProofOfPossession => Failure::InvalidProofOfPossession { reason: detail.to_owned() },
            Kind::TargetExpired => Failure::TargetExpired {
                generation_epoch: count("generation_epoch")?,
                current_epoch: count("current_epoch")?,
            },
            Kind::ChallengeWindowOpen => {
                Failure::AuditWindowOpen { fill_epoch: count("fill_epoch")?, current_epoch: count("current_epoch")? }
            }
            Kind::ChallengeWindowClosed => {
                Failure::AuditWindowClosed { fill_epoch: count("fill_epoch")?, current_epoch: count("current_epoch")? }
            }
            Kind::ModelNotInTarget => {
                Failure::ModelNotInTarget { model_id: id("model_id")?, target_id: id("target_id")? }
            }
            Kind::EmbeddingDimensionMismatch => {
                Failure::EmbeddingDimensionMismatch { expected: count("expected")?, actual: count("actual")? }
            }
            Kind::DistanceExceedsThreshold => {
                Failure::DistanceExceedsThreshold { score: scalar("score")?, threshold: scalar("threshold")? }
            }
            Kind::InsufficientBond => {
                Failure::InsufficientBond { required: count("required")?, provided: count("provided")? }
            }
            Kind::DataExceedsMaxSize => {
                Failure::DataExceedsMaxSize { size: count("size")?, max_size: count("max_size")? }
            }
            Kind::OtherError if description.starts_with("ModelInvalidState(") => {
                Failure::ModelInvalidState(detail.to_owned())
            }
            Kind::OtherError if description.starts_with("ArithmeticOverflow(") => {
                Failure::ArithmeticOverflow(detail.to_owned())
            }
            Kind::OtherError if !detail.is_empty() => Failure::SomaError(detail.to_owned()),
            _ => {
                let mut plain = PLAIN.iter().filter(|(k, _)| *k == kind).map(|(_, failure)| failure);
                let named = plain.clone().find(|failure| format!("{failure:?}") == description);
                named.or_else(|| plain.next())?.clone()
            }
        })
    };
    with_detail().unwrap_or_else(|| Failure::SomaError(description.to_owned()))
}

/// The value of `key` in `a=1, b=2`.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split(", ").find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}
