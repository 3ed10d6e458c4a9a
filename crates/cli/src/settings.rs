//! Configuration of the long-running roles: file, environment and flags, in rising order. Unknown keys are errors.

use std::path::Path;

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format as _, Serialized, Toml};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::exit::{Exit, Fault, Result};

/// Reads a configuration: defaults, then the file, then `PREFIX…` variables, then flags that were given.
pub fn read<T: DeserializeOwned + Serialize + Default>(file: Option<&Path>, prefix: &str, flags: impl Serialize) -> Result<T> {
    let mut all = Figment::from(Serialized::defaults(T::default()));
    if let Some(file) = file {
        if !file.is_file() {
            return Err(Fault::new(Exit::Usage, format!("{}: there is no such configuration file", file.display())));
        }
        all = all.merge(Toml::file_exact(file));
    }
    all = all.merge(Env::prefixed(prefix).split("__")).merge(Serialized::defaults(flags));
    all.extract().map_err(|error| explain(error, file, prefix))
}

fn explain(error: figment::Error, file: Option<&Path>, prefix: &str) -> Fault {
    let one = error.into_iter().next();
    let Some(error) = one else { return Fault::new(Exit::Usage, "the configuration cannot be read") };
    let from_env = error.metadata.as_ref().is_some_and(|m| m.name.contains("environment"));
    let place = match (from_env, file) {
        (true, _) => format!("variable {prefix}{}", error.path.join("__").to_uppercase()),
        (false, Some(file)) if error.metadata.as_ref().is_some_and(|m| m.name.contains("TOML")) || error.path.is_empty() => file.display().to_string(),
        _ => "the configuration".to_owned(),
    };
    let full = error.path.join(".");
    let key = if full.is_empty() || from_env { String::new() } else { format!(", key `{full}`") };
    let fault = |what: String| Fault::new(Exit::Usage, what);
    let known_or_near = |name: &str, known: &[&str]| {
        let near = synod_domain::problem::nearest(name, known.iter().copied());
        near.map_or_else(|| format!("known are {}", known.join(", ")), |near| format!("did you mean `{near}`?"))
    };
    match &error.kind {
        Kind::UnknownField(name, known) if from_env => fault(format!("{place}: unknown key `{name}`")).help(known_or_near(name, known)),
        Kind::UnknownField(name, known) => {
            let full = if full.is_empty() { name } else { &full };
            fault(format!("{place}: unknown key `{full}`")).help(known_or_near(name, known))
        }
        Kind::UnknownVariant(value, known) => fault(format!("{place}{key}: unknown value `{value}`")).help(known_or_near(value, known)),
        kind => fault(format!("{place}{key}: {kind}")),
    }
}

/// Sends the log of a long-running role to the standard error: by `SYNOD_LOG`, `info` when unset.
pub fn start_logging(json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SYNOD_LOG").unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second call (the demo starts both roles in tests) keeps the first.
    let _ = if json { builder.json().try_init() } else { builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init() };
}

/// Ends when the process is told to: SIGTERM or SIGINT.
pub async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_told_with_the_nearest_known_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.toml");
        for (text, message, help) in [
            ("lisen = 'x'", "unknown key `lisen`", "did you mean `listen`?"),
            ("[security]\nstep_upp = 'x'", "unknown key `security.step_upp`", "did you mean `step_up`?"),
            ("[security]\nstep_up = 'alway'", "key `security.step_up`: unknown value `alway`", "did you mean `always`?"),
            ("[security]\nbanana = 1", "unknown key `security.banana`", "known are step_up, step_up_for"),
        ] {
            std::fs::write(&file, text).unwrap();
            let fault = read::<synod_server::Config>(Some(&file), "SYNOD_TEST_NOTHING_", serde_json::json!({})).unwrap_err();
            let shown = crate::diagnose::text(&fault, false);
            assert!(shown.contains(message) && shown.contains(help) && shown.matches('`').count() <= 6, "{shown}");
        }
    }
}
