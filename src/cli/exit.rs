//! How a command ends: exit codes, and the one place that reads them off an error.

use std::process::ExitCode;

use crate::{
    chain::client::ClientError,
    engine::{
        EngineError,
        desk::{DeskError, Trouble},
        niches::NichesError,
    },
    primitives::clean,
    terminal::TerminalError,
    wallet::WalletError,
};

/// Exit codes, the same for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Ok = 0,
    /// The network refused it, or the work failed for a reason that no input of the user explains.
    Refused = 1,
    /// A file, an option, an environment variable or an answer is not usable. Nothing was sent.
    BadInput = 2,
    /// A service did not answer. Nothing is known to have happened.
    Unreachable = 3,
    /// Something was sent and no certain answer came; the next start settles it.
    Unknown = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that knows how the command ends, whatever caused it.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Ending {
    exit: Exit,
    text: String,
}

impl Exit {
    /// An error of this kind: `return Err(Exit::Refused.because("…"))`.
    pub fn because(self, text: impl Into<String>) -> anyhow::Error {
        Ending { exit: self, text: text.into() }.into()
    }

    /// What the nearest known cause in an error's chain means. An error that none of them explains is about the input.
    pub fn of(error: &anyhow::Error) -> Self {
        error.chain().find_map(Self::of_cause).unwrap_or(Self::BadInput)
    }

    fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Self> {
        if let Some(ending) = cause.downcast_ref::<Ending>() {
            return Some(ending.exit);
        }
        if let Some(client) = client_of(cause) {
            return Some(Self::of_client(client));
        }
        if let Some(desk) = cause.downcast_ref::<DeskError>() {
            return Some(match desk.trouble() {
                Trouble::Refused => Self::Refused,
                Trouble::BadInput => Self::BadInput,
                Trouble::Unreachable => Self::Unreachable,
                Trouble::Unknown => Self::Unknown,
            });
        }
        if let Some(TerminalError::Panicked { .. } | TerminalError::EngineGone | TerminalError::Lost { .. }) =
            cause.downcast_ref()
        {
            return Some(Self::Refused);
        }
        cause.downcast_ref::<WalletError>().map(|_| Self::BadInput)
    }

    fn of_client(error: &ClientError) -> Self {
        match error {
            ClientError::Url(_) => Self::BadInput,
            ClientError::Unreachable(_) => Self::Unreachable,
            ClientError::Refused { .. } | ClientError::Malformed(_) => Self::Refused,
        }
    }
}

/// What the node's client says, where this is it or holds it: chains of transparent errors begin behind what they hold.
fn client_of<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a ClientError> {
    if let Some(NichesError::Client(client)) = cause.downcast_ref() {
        return Some(client);
    }
    if let Some(EngineError::Client(client)) = cause.downcast_ref() {
        return Some(client);
    }
    if let Some(DeskError::Client(client) | DeskError::Engine(EngineError::Client(client))) = cause.downcast_ref() {
        return Some(client);
    }
    cause.downcast_ref()
}

/// The error as one line for a person. A node's words may be in it.
pub fn line(error: &anyhow::Error) -> String {
    clean(&format!("{error:#}"))
}

/// What to do about it, if the error does not say so itself.
pub fn advice(error: &anyhow::Error) -> Option<&'static str> {
    let is_away =
        |cause: &(dyn std::error::Error + 'static)| matches!(client_of(cause), Some(ClientError::Unreachable(_)));
    error.chain().any(is_away).then_some(
        "is it the right network? --network or SOMASCOPE_NETWORK says which (without them it is testnet), and `somascope doctor` asks each \
         of its services",
    )
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_node_that_is_away_is_advised_about_whatever_holds_the_error() {
        let away = || ClientError::Unreachable("x".into());
        let errors = [
            anyhow::Error::from(away()),
            NichesError::Client(away()).into(),
            EngineError::Client(away()).into(),
            DeskError::Engine(EngineError::Client(away())).into(),
            anyhow::Error::from(DeskError::Client(away())).context("while claiming"),
        ];
        assert!(errors.iter().all(|error| advice(error).is_some_and(|text| text.contains("SOMASCOPE_NETWORK"))));
        assert_eq!(advice(&ClientError::Malformed("x".into()).into()), None);
        assert_eq!(advice(&Exit::Unreachable.because("x")), None);
    }

    #[test]
    fn an_error_keeps_its_exit_code_under_any_context() {
        let codes = [
            (anyhow::Error::from(ClientError::Unreachable("x".into())), Exit::Unreachable),
            (ClientError::Refused { code: "NOT_FOUND", message: "x".into() }.into(), Exit::Refused),
            (ClientError::Malformed("x".into()).into(), Exit::Refused),
            (ClientError::Url("x".into()).into(), Exit::BadInput),
            (EngineError::Client(ClientError::Unreachable("x".into())).into(), Exit::Unreachable),
            (DeskError::Client(ClientError::Unreachable("x".into())).into(), Exit::Unreachable),
            (DeskError::Order("x".into()).into(), Exit::BadInput),
            (Exit::Unknown.because("x"), Exit::Unknown),
            (std::io::Error::other("x").into(), Exit::BadInput),
            (anyhow::anyhow!("x"), Exit::BadInput),
        ];
        for (error, exit) in codes {
            let text = format!("{error:?}");
            let error = Err::<(), _>(error).context("a").context("b").expect_err("it stays one");
            assert_eq!(Exit::of(&error), exit, "{text}");
        }
    }
}
