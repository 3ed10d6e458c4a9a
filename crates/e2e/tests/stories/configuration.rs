//! A role that is told something it does not know, or that it cannot have, ends at once: it names the key, the nearest
//! known one, and where it was told.

use std::path::Path;

use synod_e2e::process::{Process, free_port};

/// The exit code for a wrong command line, or a wrong file it names.
const USAGE: i32 = 2;

/// Runs a role until it ends by itself; what it said, and its exit code.
async fn ended(dir: &Path, role: &str, config: Option<&Path>, args: &[&str], env: &[(&str, &str)]) -> (i32, String) {
    let path = config.map(|path| path.display().to_string());
    let mut all = vec![role];
    all.extend(path.iter().flat_map(|path| ["--config", path]));
    all.extend(args);
    let name = format!("{role}-{:08x}", rand::random::<u32>());
    let mut process = env.iter().fold(Process::new(dir, &name, &all), |process, (name, value)| process.env(name, value));
    process.start();
    let status = process.ended().await;
    (status.code().unwrap_or(-1), std::fs::read_to_string(dir.join(format!("{name}.log"))).unwrap())
}

/// A file with a sound configuration of a role and more.
fn file(dir: &Path, role: &str, more: &str) -> std::path::PathBuf {
    let path = dir.join(format!("{role}.toml"));
    let sound = match role {
        "server" => format!("listen = \"127.0.0.1:{}\"\nstate_dir = {:?}\n", free_port(), dir.join("server")),
        _ => format!("servers = [\"https://127.0.0.1:1\"]\nname = \"web-1\"\nstate_dir = {:?}\n", dir.join("agent")),
    };
    std::fs::write(&path, format!("{sound}{more}\n")).unwrap();
    path
}

#[tokio::test]
async fn an_unknown_key_in_a_file_ends_a_role() {
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (role, more, key, help) in [
        ("server", "lisen = \"x\"", "unknown key `lisen`", "did you mean `listen`?"),
        ("server", "banana = 1", "unknown key `banana`", "known are listen, url"),
        ("server", "[security]\nstep_upp = \"always\"", "unknown key `security.step_upp`", "did you mean `step_up`?"),
        ("server", "[securty]\nstep_up = \"always\"", "unknown key `securty`", "did you mean `security`?"),
        ("server", "[security]\nstep_up = \"alway\"", "key `security.step_up`: unknown value `alway`", "did you mean `always`?"),
        ("agent", "kill_grase = \"5s\"", "unknown key `kill_grase`", "did you mean `kill_grace`?"),
        ("agent", "banana = 1", "unknown key `banana`", "known are servers, state_dir"),
        ("agent", "[lables]\nrole = \"web\"", "unknown key `lables`", "did you mean `labels`?"),
    ] {
        let config = file(dir.path(), role, more);
        let (code, said) = ended(dir.path(), role, Some(&config), &[], &[]).await;
        let place = config.display().to_string();
        if code != USAGE || ![&place, key, help].iter().all(|words| said.contains(*words)) {
            wrong.push(format!("{role} `{more}`: exit code {code}, {said}"));
        }
        assert!(!dir.path().join(role).exists(), "{role} began although it was told `{more}`");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn an_unknown_variable_ends_a_role() {
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (role, variable, value, help) in [
        ("server", "SYNOD_SERVER_LISEN", "127.0.0.1:0", "did you mean `listen`?"),
        ("server", "SYNOD_SERVER_BANANA", "1", "known are listen, url"),
        ("server", "SYNOD_SERVER_SECURITY__STEP_UPP", "always", "did you mean `step_up`?"),
        ("server", "SYNOD_SERVER_SECURTY__STEP_UP", "always", "did you mean `security`?"),
        ("agent", "SYNOD_AGENT_KILL_GRASE", "5s", "did you mean `kill_grace`?"),
        ("agent", "SYNOD_AGENT_BANANA", "1", "known are servers, state_dir"),
    ] {
        let config = file(dir.path(), role, "");
        let (code, said) = ended(dir.path(), role, Some(&config), &[], &[(variable, value)]).await;
        // Named as it stands in the environment: nobody finds it in the file.
        let key = variable.rsplit("__").next().unwrap().trim_start_matches("SYNOD_SERVER_").trim_start_matches("SYNOD_AGENT_").to_lowercase();
        let key = if variable.contains("SECURTY") { "securty".to_owned() } else { key };
        let named = said.contains(&format!("unknown key `{key}`")) && said.contains("variable SYNOD_") && !said.contains(&config.display().to_string());
        if code != USAGE || !named || !said.contains(help) {
            wrong.push(format!("{role} {variable}={value}: exit code {code}, {said}"));
        }
        assert!(!dir.path().join(role).exists(), "{role} began although it was told {variable}={value}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_told_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (role, more, env, words) in [
        ("server", "[security]\nsession_for = \"soon\"", None, ["server.toml", "security.session_for"]),
        ("server", "listen = [", None, ["server.toml", "3"]),
        ("server", "", Some(("SYNOD_SERVER_SECURITY__STEP_UP", "alway")), ["variable SYNOD_SERVER_SECURITY__STEP_UP", "did you mean `always`?"]),
        ("agent", "max_parallel = \"many\"", None, ["agent.toml", "max_parallel"]),
        ("agent", "", Some(("SYNOD_AGENT_MAX_PARALLEL", "many")), ["variable SYNOD_AGENT_MAX_PARALLEL", "many"]),
        ("agent", "max_parallel = 0", None, ["max_parallel", "at least 1"]),
    ] {
        let config = file(dir.path(), role, more);
        let env: Vec<(&str, &str)> = env.into_iter().collect();
        let (code, said) = ended(dir.path(), role, Some(&config), &[], &env).await;
        if code != USAGE || !words.iter().all(|word| said.contains(word)) {
            wrong.push(format!("{role} `{more}` {env:?}: exit code {code}, {said}"));
        }
    }
    let (code, said) = ended(dir.path(), "server", Some(Path::new("/nowhere/server.toml")), &[], &[]).await;
    if code != USAGE || !said.contains("/nowhere/server.toml: there is no such configuration file") {
        wrong.push(format!("exit code {code}, {said}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_server_whose_port_is_taken_ends() {
    let dir = tempfile::tempdir().unwrap();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let config = file(dir.path(), "server", "");
    for (args, env) in [(vec!["--listen", &taken], vec![]), (vec![], vec![("SYNOD_SERVER_LISTEN", taken.as_str())])] {
        let (code, said) = ended(dir.path(), "server", Some(&config), &args, &env).await;
        assert!(said.contains(&format!("cannot listen on {taken}")) && said.contains("choose another `listen`") && said.contains("[SYN-1011]"), "{said}");
        assert_eq!(code, USAGE, "a listen address is part of the configuration: {said}");
        assert!(!dir.path().join("server/synod.db").exists(), "it opened its database before it had its port");
    }
}
