//! The one error of the house: a kind, a stable code, a public text, and a private cause.
//!
//! The public part is safe to show to anyone who may call; the cause is for the server's own log.

use std::fmt;

use crate::problem::Problem;

/// What sort of refusal or failure this is; decides the HTTP status and the CLI's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request itself is wrong: 400 or 422.
    Invalid,
    /// Nobody is signed in, or not freshly enough: 401.
    Unauthenticated,
    /// Signed in, but not allowed: 403.
    Forbidden,
    /// No such thing, or none that the caller may know of: 404.
    NotFound,
    /// True when asked, but the state says otherwise: 409.
    Conflict,
    /// Too much, too large or too often: 429 or 413.
    Limited,
    /// Nothing wrong with the request; try again later: 503.
    Unavailable,
    /// A defect or a broken machine: 500.
    Internal,
}

/// A documented error code. `docs/errors.md` is generated from this table.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// The stable identifier, such as `SYN-1001`.
    pub id: &'static str,
    /// The sort of refusal.
    pub kind: Kind,
    /// The HTTP status an answer with this code carries.
    pub status: u16,
    /// A short title, the same for every occurrence.
    pub title: &'static str,
    /// What it means and what to do.
    pub remedy: &'static str,
}

macro_rules! codes {
    ($($name:ident = $id:literal, $kind:ident, $status:literal, $title:literal, $remedy:literal;)*) => {
        $(#[doc = $title] pub const $name: &Code = &Code {
            id: $id, kind: Kind::$kind, status: $status, title: $title, remedy: $remedy,
        };)*
        /// Every code, in the order of the table.
        pub const ALL: &[&Code] = &[$($name),*];
    };
}

/// The table of codes. Numbers are never reused.
pub mod code {
    use super::{Code, Kind};
    codes! {
        MALFORMED = "SYN-1000", Invalid, 400, "The request cannot be read",
            "The body is not the JSON document this operation takes. The answer names the place.";
        INVALID_DOCUMENT = "SYN-1001", Invalid, 422, "The document is wrong",
            "Each problem names its place as a JSON Pointer (the command line shows file, line and column) and what would be right.";
        INVALID_INPUTS = "SYN-1002", Invalid, 422, "The inputs do not fit the template",
            "Each problem names the input. `synod describe template NAME` shows what the template takes.";
        INVALID_SELECTOR = "SYN-1003", Invalid, 422, "The selector cannot be read",
            "Write label queries as Kubernetes does: `role=web,env!=dev,zone in (a,b),!draining`.";
        NO_NODES = "SYN-1004", Invalid, 422, "No node, or too few, match",
            "Compare `synod get nodes` with the selector of the request and with the template's `targets`.";
        TOO_MANY_NODES = "SYN-1005", Invalid, 422, "More nodes match than the template allows",
            "Narrow `--target`, or have the template's `targets.max` raised.";
        TEMPLATE_DISABLED = "SYN-1006", Conflict, 409, "The template is disabled",
            "Someone set `enabled: false`. `synod describe template NAME` tells who and when.";
        INVALID_TIME = "SYN-1007", Invalid, 422, "The time is not usable",
            "Times are RFC 3339; `--not-before` must lie in the future and within a year.";
        UNKNOWN_PARAMETER = "SYN-1008", Invalid, 400, "A parameter of the request is wrong",
            "The answer names the parameter and the values it takes.";
        TOO_LARGE = "SYN-1009", Limited, 413, "The body is too large",
            "Bodies are limited to 4 MiB. Split the document.";
        INVALID_CURSOR = "SYN-1010", Invalid, 400, "The cursor is not one of ours",
            "Pass the `next` of the previous page unchanged, with the same filters.";
        CONFIGURATION = "SYN-1011", Invalid, 400, "The configuration cannot be used",
            "The message names the setting and what is wrong with it. `synod config check FILE` reads a file without starting anything.";
        UNAUTHENTICATED = "SYN-2000", Unauthenticated, 401, "Not signed in",
            "Sign in with `synod login`, or pass a token or an API key as `Authorization: Bearer …`.";
        BAD_CREDENTIALS = "SYN-2001", Unauthenticated, 401, "Name, password or code is wrong",
            "Nothing more is told, on purpose. An administrator can reset a password with `synod user passwd NAME`.";
        SESSION_ENDED = "SYN-2002", Unauthenticated, 401, "The session has ended",
            "It expired, was revoked, or its owner was disabled. Sign in again with `synod login`.";
        SECOND_FACTOR_REQUIRED = "SYN-2003", Unauthenticated, 401, "The second factor is missing",
            "Pass the six digits of your authenticator as `totp` (`synod login --totp 123456`).";
        STEP_UP_REQUIRED = "SYN-2004", Forbidden, 403, "A fresh second factor is required",
            "This changes who may do what, or who must agree. Confirm with `synod step-up` and repeat within ten minutes; enrol first with `synod totp enrol`.";
        LOGIN_THROTTLED = "SYN-2005", Limited, 429, "Too many failed sign-ins",
            "Wait for the time in Retry-After.";
        CSRF = "SYN-2006", Forbidden, 403, "The CSRF token is missing or wrong",
            "Requests with a session cookie that change something carry the header `x-csrf-token`.";
        NO_PASSKEYS = "SYN-2007", Conflict, 409, "Passkeys are not possible here",
            "Browsers make passkeys for a host by name, not for an address. Set `url` in the server's configuration to https://NAME and open the console there.";
        PASSKEY_REFUSED = "SYN-2008", Invalid, 422, "The passkey is not accepted",
            "The answer says why. Begin anew: a challenge is good for five minutes, once.";
        FORBIDDEN = "SYN-2100", Forbidden, 403, "Not allowed",
            "The answer names the action and the roles that would do. `synod who-can ACTION OBJECT` lists the people who may.";
        NOT_FOUND = "SYN-3000", NotFound, 404, "Not found",
            "It does not exist, or not where you may look. The answer names what was looked for.";
        AMBIGUOUS = "SYN-3001", Conflict, 409, "More than one matches",
            "Give the whole identifier.";
        ALREADY_EXISTS = "SYN-3002", Conflict, 409, "It exists already",
            "Choose another name, or change the existing one.";
        REVISION_CONFLICT = "SYN-3003", Conflict, 412, "Somebody changed it meanwhile",
            "Read it again, merge, and repeat with the new revision in If-Match.";
        IN_USE = "SYN-3004", Conflict, 409, "It is still in use",
            "The answer names what uses it.";
        FROZEN = "SYN-3005", Conflict, 409, "The namespace is frozen",
            "Nothing in it can be changed or requested until somebody who may change namespaces sets `frozen: false`.";
        ALREADY_BOOTSTRAPPED = "SYN-3006", Conflict, 409, "A first administrator exists already",
            "Sign in as one, or have one create a user for you.";
        IDEMPOTENCY_CONFLICT = "SYN-3007", Conflict, 409, "The idempotency key was used for another request",
            "Use a new key for a new request.";
        OWN_REQUEST = "SYN-4000", Forbidden, 403, "The requester may not approve",
            "Somebody else must approve, unless the template says `requesterMayApprove: true`.";
        AUTHOR_EXCLUDED = "SYN-4001", Forbidden, 403, "The template's author may not approve",
            "This template says `authorMayApprove: false`: who wrote the revision does not count.";
        ALREADY_VOTED = "SYN-4002", Conflict, 409, "You have decided on this run already",
            "A decision stands. Cancel the run and request it again to start over.";
        DIGEST_MISMATCH = "SYN-4003", Conflict, 409, "This is not what the run would do",
            "The digest you decided on is not the run's. Read the run again before you decide.";
        RUN_NOT_PENDING = "SYN-4004", Conflict, 409, "The run awaits no decision",
            "It was decided, cancelled or has expired. The answer names its phase.";
        RUN_EXPIRED = "SYN-4005", Conflict, 409, "The run has expired",
            "It was not approved in time. Request it again.";
        NOT_AN_APPROVER = "SYN-4006", Forbidden, 403, "Your decision would not count",
            "No approval rule of this run names you. The answer lists what each rule asks for.";
        RUN_ENDED = "SYN-4007", Conflict, 409, "The run has ended",
            "There is nothing left to cancel or to continue.";
        NO_GATE = "SYN-4008", Conflict, 409, "The run waits at no gate",
            "Only a run with `gate: manual` between two batches can be told to proceed.";
        UNMEETABLE = "SYN-4009", Invalid, 422, "Nobody could approve this",
            "The template's rules ask for more distinct people than hold the roles or groups named. Add members or change the rules.";
        SIGNATURE_NEEDED = "SYN-4100", Forbidden, 403, "The decision must be signed",
            "A trust root is published and covers this run. Decide with `synod approve RUN` or `synod reject RUN`, which sign with your key.";
        SIGNATURE_INVALID = "SYN-4101", Forbidden, 403, "The signature does not count",
            "The answer says why. `synod trust show` lists whose keys count; sign exactly this run with one of yours.";
        TRUST_UNCOVERED = "SYN-4102", Invalid, 422, "Nodes that enforce signatures would refuse this",
            "No rule of the trust root is about this template on the nodes named. Have its holders add one, or choose other nodes.";
        ROOT_REFUSED = "SYN-4103", Conflict, 409, "The trust root is not accepted",
            "The answer says why. Versions follow one another without gaps, each signed by enough holders of the one before and of its own.";
        TRUST_EXPIRED = "SYN-4104", Conflict, 409, "The trust root has expired",
            "Its holders must sign and publish a new version: `synod trust rotate`.";
        BREAK_GLASS_CLOSED = "SYN-4105", Forbidden, 403, "Break-glass is not open for this",
            "The trust root says who may start which templates on which nodes alone, and how often. Ask for a normal run instead.";
        NOT_UNRATIFIED = "SYN-4106", Conflict, 409, "The run awaits no ratification",
            "Only a run that was started by break-glass and was neither ratified nor closed by an incident does.";
        LOG_BEHIND = "SYN-4107", Unavailable, 503, "The audit log does not contain this yet",
            "Events reach the log within moments of being recorded. Repeat after the time in Retry-After.";
        LOG_GAP = "SYN-4108", Internal, 500, "The audit log cannot go on",
            "The event named was taken out of the database before it was logged, and the log leaves none out. Put its row back from a backup or a replica, as docs/audit.md shows; the log then goes on by itself. Nodes that enforce signatures refuse to work an hour after it stopped.";
        JOIN_TOKEN_INVALID = "SYN-5000", Unauthenticated, 401, "The join token is not accepted",
            "It is wrong, expired, revoked or used up. Make a new one with `synod token create-join`.";
        NODE_EXISTS = "SYN-5001", Conflict, 409, "A node of this name exists",
            "Choose another `--name`, or remove the old node with `synod delete node NAME`.";
        NODE_REVOKED = "SYN-5002", Unauthenticated, 401, "The node's certificate is not accepted",
            "It is revoked, expired or of another authority. Enrol the machine again.";
        CLOCK_SKEW = "SYN-5003", Conflict, 409, "The clocks disagree",
            "Server and node differ by more than allowed. Set the machine's clock (NTP).";
        LABEL_NOT_GRANTED = "SYN-5004", Forbidden, 403, "The join token does not grant these labels",
            "Make a token with `--labels`, or enrol without them.";
        RENEWED_OFTEN = "SYN-5005", Limited, 429, "The node's certificate was renewed too often",
            "A certificate is renewed at most eight times in the time it lives. Agents ask again after the time in Retry-After by themselves; look for what makes this one ask.";
        AGENT_MALFORMED = "SYN-5006", Invalid, 400, "A message of the agent cannot be read",
            "Nothing of it counts. Use agents of the servers' version, and look for what stands in between and changes what they say; the server's log names the node.";
        UNAVAILABLE = "SYN-9000", Unavailable, 503, "The database is away",
            "Nothing was done. Clients repeat after the time in Retry-After.";
        STORAGE_FULL = "SYN-9001", Unavailable, 503, "No space is left to record this",
            "Nothing was done. Free disk space on the server or the database.";
        SCHEMA_VERSION = "SYN-9002", Conflict, 409, "The schema is of another version",
            "The message names both versions. A program brings an older database up to date when it starts, and never takes one back; a backup is restored by a program of its own schema version.";
        INTERNAL = "SYN-9999", Internal, 500, "Something broke",
            "The server's log has the cause under the request id of this answer.";
    }
}

/// The error every floor returns.
pub struct Error(Box<Inner>);

struct Inner {
    code: &'static Code,
    message: String,
    problems: Vec<Problem>,
    retry_after_s: Option<u32>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A result of the house.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with a code and the text for this occurrence.
    pub fn new(code: &'static Code, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { code, message: message.into(), problems: Vec::new(), retry_after_s: None, cause: None }))
    }

    /// A refused document with everything that is wrong with it.
    pub fn problems(code: &'static Code, problems: Vec<Problem>) -> Self {
        let message = match problems.as_slice() {
            [one] => one.to_string(),
            many => format!("{} problems; the first: {}", many.len(), many.first().map(ToString::to_string).unwrap_or_default()),
        };
        let mut error = Self::new(code, message);
        error.0.problems = problems;
        error
    }

    /// A defect or a broken machine; the cause goes to the log, never to the caller.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(code::INTERNAL, "an internal error occurred").caused_by(cause)
    }

    /// `what` of this `name` does not exist.
    pub fn not_found(what: &str, name: impl fmt::Display) -> Self {
        Self::new(code::NOT_FOUND, format!("there is no {what} `{name}`"))
    }

    /// Attaches the private cause.
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Says when trying again makes sense, in seconds.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// The documented code.
    pub fn code(&self) -> &'static Code {
        self.0.code
    }

    /// The public text of this occurrence.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Everything wrong with the document, when the error is about one.
    pub fn details(&self) -> &[Problem] {
        &self.0.problems
    }

    /// Seconds after which to try again.
    pub fn retry_after_s(&self) -> Option<u32> {
        self.0.retry_after_s
    }

    /// The private cause with its own causes, for the server's log.
    pub fn cause(&self) -> Option<String> {
        let mut text = String::new();
        let mut next: Option<&(dyn std::error::Error + 'static)> = self.0.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static));
        while let Some(cause) = next {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        (!text.is_empty()).then_some(text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.0.message, self.0.code.id)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        self.cause().map_or(Ok(()), |cause| write!(f, " (cause: {cause})"))
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_say_what_to_do() {
        let mut seen = std::collections::BTreeSet::new();
        for code in code::ALL {
            assert!(seen.insert(code.id), "{} stands twice", code.id);
            assert!(!code.remedy.is_empty() && code.remedy.ends_with('.'), "{}", code.id);
        }
    }

    #[test]
    fn the_cause_never_shows() {
        let error = Error::internal("password=hunter2");
        assert!(!error.to_string().contains("hunter2"));
        assert_eq!(error.cause().as_deref(), Some("password=hunter2"));
    }
}
