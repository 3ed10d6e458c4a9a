//! The command line of Synod: what `synod` understands and how it answers.

pub mod args;
pub mod cmd;
pub mod context;
pub mod diagnose;
pub mod documents;
pub mod exit;
pub mod inputs;
pub mod output;
pub mod pins;
pub mod positions;
pub mod prompt;
pub mod session;
pub mod settings;
pub mod signer;
pub mod ssh_agent;
pub mod stream;
pub mod table;
pub mod when;
