//! The program as people use it: one command after the other, each a process of its own, with the saved logins of one person.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::PASSWORD;
use crate::process::synod;

const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// A person at a shell, without a terminal.
pub struct Shell {
    home: PathBuf,
}

/// How a command ended, and what it wrote.
#[derive(Debug)]
pub struct Said {
    line: String,
    /// Its exit code.
    pub code: i32,
    /// What it wrote to the standard output.
    pub out: String,
    /// What it wrote to the standard error.
    pub err: String,
}

/// A command that goes on, whose lines are read as they come. It is killed when this is dropped.
pub struct Following {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Shell {
    /// Somebody without saved logins, whose files are in a folder of their name.
    pub fn new(dir: &Path, name: &str) -> Self {
        let home = dir.join(name);
        std::fs::create_dir_all(&home).expect("the home can be made");
        Self { home }
    }

    /// Where this person's files are; commands begin here.
    pub fn home(&self) -> &Path {
        &self.home
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(synod());
        command
            .args(args)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("HOME", &self.home)
            .current_dir(&self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs `synod` with these arguments and something on its standard input, to its end.
    pub async fn with(&self, input: &str, args: &[&str]) -> Said {
        let line = format!("synod {}", args.join(" "));
        let mut child = self.command(args).spawn().unwrap_or_else(|e| panic!("{line}: {e}"));
        let mut stdin = child.stdin.take().expect("it is piped");
        // A command that does not read is no failure of the story.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let ended = tokio::time::timeout(ENDS_WITHIN, child.wait_with_output()).await;
        let ended = ended.unwrap_or_else(|_| panic!("{line} does not end within {ENDS_WITHIN:?}")).unwrap_or_else(|e| panic!("{line}: {e}"));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_else(|e| panic!("{line} wrote what is no text: {e}"));
        let (out, err) = (text(ended.stdout), text(ended.stderr));
        Said { line, code: ended.status.code().unwrap_or(-1), out, err }
    }

    /// The same with the password of everybody in the stories on the standard input.
    pub async fn with_password(&self, args: &[&str]) -> Said {
        self.with(&format!("{PASSWORD}\n"), &[args, &["--password-stdin"]].concat()).await
    }

    /// Runs a command, written as at a shell whose words hold no blanks.
    pub async fn synod(&self, line: &str) -> Said {
        self.with("", &line.split_whitespace().collect::<Vec<_>>()).await
    }

    /// Runs a command that must succeed; what it wrote to the standard output.
    pub async fn ok(&self, line: &str) -> String {
        self.synod(line).await.ok().out
    }

    /// The same, asked for as JSON.
    pub async fn json(&self, line: &str) -> Value {
        self.synod(&format!("{line} -o json")).await.ok().json()
    }

    /// Begins a command that goes on until it is stopped.
    pub fn follow(&self, line: &str) -> Following {
        let mut child = self.command(&line.split_whitespace().collect::<Vec<_>>()).stdin(Stdio::null()).spawn().unwrap_or_else(|e| panic!("{line}: {e}"));
        let out = child.stdout.take().expect("it is piped");
        Following { _child: child, lines: BufReader::new(out).lines() }
    }
}

impl Said {
    /// Fails the story unless the command ended well.
    pub fn ok(self) -> Self {
        self.ends(0)
    }

    /// Fails the story unless the command ended with this exit code.
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n--- standard output\n{}\n--- standard error\n{}", self.line, self.out, self.err);
        self
    }

    /// Fails the story unless both streams together hold these words.
    pub fn says(self, words: &[&str]) -> Self {
        for wanted in words {
            assert!(self.out.contains(wanted) || self.err.contains(wanted), "{} does not say `{wanted}`:\n{}{}", self.line, self.out, self.err);
        }
        self
    }

    /// The standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{} wrote no JSON ({e}):\n{}", self.line, self.out))
    }
}

impl Following {
    /// Everything up to the next line that holds these words, and that line.
    pub async fn until(&mut self, words: &str) -> String {
        let found = async {
            let mut said = String::new();
            while let Some(line) = self.lines.next_line().await.expect("its output can be read") {
                said.push_str(&line);
                said.push('\n');
                if line.contains(words) {
                    return said;
                }
            }
            panic!("it ended before it said `{words}`:\n{said}");
        };
        tokio::time::timeout(ENDS_WITHIN, found).await.unwrap_or_else(|_| panic!("it does not say `{words}` within {ENDS_WITHIN:?}"))
    }
}
