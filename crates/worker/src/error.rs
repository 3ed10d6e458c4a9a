//! What can go wrong on a machine that executes, beyond the tasks themselves.

use std::path::Path;

use synod_protocol::http::client::ClientError;

/// Why an executor cannot begin, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be used.
    #[error("cannot {what} {path}: {source}")]
    File {
        /// What was tried: `read`, `write`, ….
        what: &'static str,
        /// The file or folder.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The identity folder or the journal holds something unexpected.
    #[error("{0}")]
    Damaged(String),
    /// The settings are not usable.
    #[error("{0}")]
    Config(String),
    /// The server refused, with its stable code.
    #[error("{message} [{code}]")]
    Refused {
        /// Such as `SYN-5000`.
        code: String,
        /// The server's words.
        message: String,
    },
    /// No server can be reached; trying again may help.
    #[error("{0}")]
    Unreachable(String),
    /// Keys, certificates or sealed secrets do not work.
    #[error("{0}")]
    Crypto(String),
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::File { what, path, source }
    }

    /// The stable code, when a server refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether the same may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Problem(problem) if matches!(problem.status, 429 | 503) => Self::Unreachable(problem.detail),
            ClientError::Problem(problem) => Self::Refused { code: problem.code, message: problem.detail },
            ClientError::Transport(why) => Self::Unreachable(why),
            answer @ ClientError::Answer(_) => Self::Unreachable(answer.to_string()),
        }
    }
}
