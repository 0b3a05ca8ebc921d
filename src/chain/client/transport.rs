//! Channels, time-outs, and what a gRPC status means for a caller.

use std::{error::Error, future::Future, sync::OnceLock, time::Duration};

use tonic::{
    Code, ConnectError, Response, Status,
    transport::{Channel, ClientTlsConfig, Endpoint},
};

use super::ClientError;

/// A checkpoint or a system state with many models of 2048-dimensional embeddings exceeds gRPC's 4 MiB (`protocol.md §1.2`).
pub(super) const MAX_MESSAGE_BYTES: usize = 64 << 20;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that answers no ping for so long is dead: it ends a silent subscription.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// One server, connected at the first call.
pub(super) struct Node {
    endpoint: Endpoint,
    /// Opened within a call because a channel needs a runtime, which whoever builds a client may not have yet.
    channel: OnceLock<Channel>,
}

impl Node {
    /// `http://` is HTTP/2 without TLS; `https://` trusts the platform's roots.
    pub(super) fn new(url: &str) -> Result<Self, ClientError> {
        // What stands before an `@` may be a password.
        let bad = || ClientError::Url(excerpt(url.rsplit('@').next().unwrap_or_default(), 200));
        let parsed = url::Url::parse(url).map_err(|_| bad())?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none_or(str::is_empty) {
            return Err(bad());
        }
        let mut endpoint = Endpoint::from_shared(parsed.to_string())
            .map_err(|_| bad())?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE);
        if parsed.scheme() == "https" {
            let roots = ClientTlsConfig::new().with_native_roots();
            endpoint = endpoint
                .tls_config(roots)
                .map_err(|cause| ClientError::Unreachable(format!("no TLS on this machine: {cause}")))?;
        }
        Ok(Self { endpoint, channel: OnceLock::new() })
    }

    /// Must be called within a runtime.
    pub(super) fn channel(&self) -> Channel {
        self.channel.get_or_init(|| self.endpoint.connect_lazy()).clone()
    }
}

/// The message of an answer that came in time; DEADLINE_EXCEEDED if none did.
pub(super) async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Status> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded(format!("no answer within {limit:?}"))),
    }
}

/// True only if no connection was made, so that the request cannot have left this process.
pub(super) fn never_sent(status: &Status) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(status);
    while let Some(error) = cause {
        if error.is::<ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        let message = excerpt(status.message(), 1000);
        let code = code_name(status.code());
        match status.code() {
            // Ours, from the codec: the answer is too long or does not decode.
            Code::OutOfRange => Self::Malformed(message),
            Code::Internal if message.starts_with("failed to decode") => Self::Malformed(message),
            Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Unknown
            | Code::Aborted
            | Code::ResourceExhausted
            | Code::Internal => Self::Unreachable(format!("{code}: {message}")),
            _ => Self::Refused { code, message },
        }
    }
}

/// Foreign text, bounded and without control characters.
pub(super) fn excerpt(text: &str, characters: usize) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(characters).collect()
}

pub(super) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
