//! The activity log: what the program really did.

use serde::{Deserialize, Serialize};

use crate::primitives::{Digest, ObjectId, Shannons};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    Info,
    Warning,
    Error,
}

/// One line of the activity log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub at_ms: u64,
    pub level: Level,
    pub text: String,
    /// What it is about, in parts that can be looked for and copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<LogKind>,
}

impl LogLine {
    pub fn new(at_ms: u64, level: Level, text: impl Into<String>) -> Self {
        Self { at_ms, level, text: text.into(), kind: None }
    }

    pub fn about(self, kind: LogKind) -> Self {
        Self { kind: Some(kind), ..self }
    }
}

/// What a line is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogKind {
    /// A transaction of ours came to something, or is waited for.
    Transaction { what: TransactionWord, digest: Digest, fee: Option<Shannons> },
    /// Data was made public.
    Upload { url: String, bytes: u64 },
    /// A candidate for a target: found, approved, rejected, gone.
    Hit { target: ObjectId },
    /// Limits were changed, or the mode.
    Policy,
    /// The node, the store, the protocol.
    Network,
    /// Devices, services and weights.
    Scoring,
    /// The data that is read.
    Corpus,
}

impl LogKind {
    pub const WORDS: [&str; 7] = ["tx", "upload", "hit", "policy", "network", "scoring", "corpus"];

    /// As filters and screens call it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Transaction { .. } => "tx",
            Self::Upload { .. } => "upload",
            Self::Hit { .. } => "hit",
            Self::Policy => "policy",
            Self::Network => "network",
            Self::Scoring => "scoring",
            Self::Corpus => "corpus",
        }
    }
}

/// What a transaction was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionWord {
    Submit,
    Claim,
    Split,
    Merge,
    Transfer,
}

impl TransactionWord {
    pub fn word(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Claim => "claim",
            Self::Split => "split",
            Self::Merge => "merge",
            Self::Transfer => "transfer",
        }
    }
}
