//! Exit codes, and the one error type of the command line.

use synod_domain::error::{Kind, code};
use synod_protocol::http::client::ClientError;
use synod_protocol::http::problem::ProblemDocument;

/// How the program ends. The numbers are part of the interface and never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Something differs (`diff`), the answer is no (`can-i`), or the run failed (`watch`, `run --wait`).
    Differs = 1,
    /// The command line, or a file it names, is wrong; nothing was sent.
    Usage = 2,
    /// The server refused: the request is wrong.
    Invalid = 3,
    /// Not signed in, not allowed, or the server is not the one that was trusted.
    Denied = 4,
    /// No such thing.
    NotFound = 5,
    /// The state says otherwise.
    Conflict = 6,
    /// The server cannot be reached, or is busy.
    Unavailable = 7,
    /// A defect or a broken machine.
    Internal = 8,
    /// The watched run was rejected.
    Rejected = 10,
    /// The watched run expired.
    Expired = 11,
    /// The watched run was cancelled.
    Cancelled = 12,
}

impl Exit {
    /// Every exit code with its meaning, for the help and the man page.
    pub const ALL: [(Self, &'static str); 12] = [
        (Self::Ok, "done; for `watch` and `run --wait`: the run succeeded"),
        (Self::Differs, "something differs (`diff`), the answer is no (`can-i`), or the watched run failed"),
        (Self::Usage, "the command line, or a file it names, is wrong; nothing was sent"),
        (Self::Invalid, "the server refused because the request is wrong"),
        (Self::Denied, "not signed in, not allowed, or the server is not the one that was trusted"),
        (Self::NotFound, "there is no such thing, or none that you may see"),
        (Self::Conflict, "the state says otherwise: it exists already, has ended, was decided"),
        (Self::Unavailable, "the server cannot be reached or is busy; try again"),
        (Self::Internal, "something broke"),
        (Self::Rejected, "the watched run was rejected"),
        (Self::Expired, "the watched run expired before enough people agreed"),
        (Self::Cancelled, "the watched run was cancelled"),
    ];

    /// The exit code of a run that ended.
    pub fn of_run(phase: synod_domain::run::Phase) -> Self {
        use synod_domain::run::Phase;
        match phase {
            Phase::Pending | Phase::Approved | Phase::Running | Phase::Succeeded => Self::Ok,
            Phase::Failed => Self::Differs,
            Phase::Rejected => Self::Rejected,
            Phase::Expired => Self::Expired,
            Phase::Cancelled => Self::Cancelled,
        }
    }

    /// The exit code of a refusal.
    pub fn of_problem(problem: &ProblemDocument) -> Self {
        let kind = code::ALL.iter().find(|code| code.id == problem.code).map(|code| code.kind);
        match (kind, problem.status) {
            (Some(Kind::Invalid), _) | (_, 400 | 413 | 422) => Self::Invalid,
            (Some(Kind::Unauthenticated | Kind::Forbidden), _) | (None, 401 | 403) => Self::Denied,
            (Some(Kind::NotFound), _) | (None, 404) => Self::NotFound,
            (Some(Kind::Conflict), _) | (None, 409 | 412) => Self::Conflict,
            (Some(Kind::Limited | Kind::Unavailable), _) | (None, 429 | 502..=504) => Self::Unavailable,
            _ => Self::Internal,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The list of exit codes as text.
pub fn listing() -> String {
    Exit::ALL.iter().map(|(exit, words)| format!("{:>3}  {words}\n", *exit as u8)).collect()
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Fault {
    /// The server refused or could not be reached.
    Client(ClientError),
    /// Refused about documents whose places are known: the texts are ready to be shown.
    Located {
        /// The refusal.
        problem: Box<ProblemDocument>,
        /// One text for each problem: place, source line, hint.
        places: Vec<String>,
    },
    /// Found wrong here.
    Plain {
        /// How to end.
        exit: Exit,
        /// What is wrong.
        message: String,
        /// What to do.
        help: Option<String>,
    },
    /// End without another word: all is said, or nobody listens any more.
    Silent(Exit),
}

/// A result of a command.
pub type Result<T = Exit, E = Fault> = std::result::Result<T, E>;

impl Fault {
    /// Something found wrong here.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self::Plain { exit, message: message.into(), help: None }
    }

    /// The command line is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(self, text: impl Into<String>) -> Self {
        match self {
            Self::Plain { exit, message, .. } => Self::Plain { exit, message, help: Some(text.into()) },
            other => other,
        }
    }

    /// A file that cannot be read or written.
    pub fn file(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(Exit::Usage, format!("cannot {doing} {}: {error}", path.display()))
    }

    /// How the program ends with it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Client(ClientError::Problem(problem)) | Self::Located { problem, .. } => Exit::of_problem(problem),
            Self::Client(ClientError::Transport(_)) => Exit::Unavailable,
            Self::Client(ClientError::Answer(_)) => Exit::Internal,
            Self::Plain { exit, .. } | Self::Silent(exit) => *exit,
        }
    }
}

impl From<synod_domain::Error> for Fault {
    /// An error of this very process: its operator may see the cause.
    fn from(error: synod_domain::Error) -> Self {
        let exit = match error.code() {
            // Nobody was asked: what this process was told is wrong.
            configuration if configuration.id == code::CONFIGURATION.id => Exit::Usage,
            _ => Exit::of_problem(&ProblemDocument::from_error(&error, None)),
        };
        let cause = error.cause().map(|cause| format!(" ({cause})")).unwrap_or_default();
        Self::new(exit, format!("{}{cause} [{}]", error.message(), error.code().id)).help(error.code().remedy)
    }
}

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_code_has_its_exit() {
        for (id, exit) in [
            ("SYN-1001", Exit::Invalid),
            ("SYN-1009", Exit::Invalid),
            ("SYN-2000", Exit::Denied),
            ("SYN-2005", Exit::Unavailable),
            ("SYN-2100", Exit::Denied),
            ("SYN-3000", Exit::NotFound),
            ("SYN-4002", Exit::Conflict),
            ("SYN-9000", Exit::Unavailable),
            ("SYN-9999", Exit::Internal),
        ] {
            let code = code::ALL.iter().find(|code| code.id == id).unwrap();
            let problem = ProblemDocument::from_error(&synod_domain::Error::new(code, "x"), None);
            assert_eq!(Exit::of_problem(&problem), exit, "{id}");
        }
        assert!(listing().contains(" 12  "));
    }
}
