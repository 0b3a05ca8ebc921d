//! Why a request has no score, and what its caller is told: the texts and codes of node-capture.json (`scoring/…`).

use std::sync::Arc;

use tonic::{Code, Status};

use crate::{model::ModelError, storage::StorageError};

#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Blob(Arc<StorageError>),
    #[error(transparent)]
    Model(Arc<ModelError>),
    #[error("no model gives a finite loss")]
    NoWinner,
    #[error("the scoring thread stopped after an internal error")]
    Stopped,
    /// Something of the request that shows only when its blobs are there.
    #[error("{0}")]
    Refused(String),
    #[error("the service is busy: {0}")]
    Busy(String),
    #[error("{0}")]
    Internal(String),
}

impl Failure {
    /// A real service ends here (`protocol-corrections.md §0`).
    pub fn other_dimension(models: usize, target: usize) -> Self {
        Self::Refused(format!("Target embedding must be of the models' dimension {models}, got {target}"))
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Blob(Arc::new(error))
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::Model(Arc::new(error))
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let text = match &failure {
            Failure::Refused(text) => return Status::invalid_argument(text),
            Failure::Busy(_) => return Status::resource_exhausted(failure.to_string()),
            Failure::Blob(error) => blob(error),
            Failure::Model(error) if matches!(**error, ModelError::EmptyData) => {
                "Empty data: data loader produced no batches".to_owned()
            }
            Failure::Model(error) => format!("Model error: \"{error}\""),
            Failure::NoWinner | Failure::Stopped | Failure::Internal(_) => failure.to_string(),
        };
        Status::new(Code::Internal, format!("Runtime competition error: {text}"))
    }
}

fn blob(error: &StorageError) -> String {
    match error {
        StorageError::Size { expected, found, .. } => {
            format!("Blob error: size mismatch: expected {expected} bytes, got {found} bytes")
        }
        StorageError::Checksum { expected, found, .. } => {
            format!("Blob error: checksum mismatch: expected {expected}, computed {found}")
        }
        StorageError::Download { url, cause } => format!("Blob error: {cause} from {url}"),
        error => format!("Blob error: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_that_are_not_what_they_should_be_are_told_with_both_values() {
        let size = StorageError::Size { url: String::new(), expected: 321, found: 320 };
        assert_eq!(
            Status::from(Failure::from(size)).message(),
            "Runtime competition error: Blob error: size mismatch: expected 321 bytes, got 320 bytes"
        );
    }

    #[test]
    fn only_what_may_pass_is_answered_as_busy() {
        let code = |failure: Failure| Status::from(failure).code();
        assert_eq!(code(Failure::Busy("9 requests wait".to_owned())), Code::ResourceExhausted);
        assert_eq!(code(Failure::other_dimension(16, 2)), Code::InvalidArgument);
        assert_eq!(code(ModelError::EmptyData.into()), Code::Internal);
    }
}
