//! Questions to the person at the terminal.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::exit::{Exit, Fault, Result};

/// Whether somebody can be asked.
pub fn interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a line.
pub fn ask(question: &str) -> Result<String> {
    let failed = |e: std::io::Error| Fault::new(Exit::Internal, format!("cannot ask: {e}"));
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{question} ").and_then(|()| stderr.flush()).map_err(failed)?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(failed)?;
    Ok(line.trim().to_owned())
}

/// Asks for yes; anything else is no.
pub fn confirm(question: &str) -> Result<bool> {
    let answer = ask(&format!("{question} [y/N]"))?;
    Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
}

/// Asks for a secret, which is not shown while it is typed.
pub fn secret(question: &str, otherwise: &str) -> Result<String> {
    rpassword::prompt_password(format!("{question} "))
        .map_err(|_| Fault::usage(format!("there is no terminal to ask for `{}`", question.trim_end_matches(':'))).help(otherwise))
}

/// Asks for a new password twice.
pub fn new_password(otherwise: &str) -> Result<String> {
    let first = secret("New password:", otherwise)?;
    let second = secret("The same again:", otherwise)?;
    if first == second { Ok(first) } else { Err(Fault::usage("the two passwords differ")) }
}

/// The lines of the standard input, at least so many.
pub fn stdin_lines(wanted: usize, what: &str) -> Result<Vec<String>> {
    let lines: Vec<String> = crate::documents::read_stdin()?.lines().map(str::to_owned).collect();
    if lines.len() < wanted { Err(Fault::usage(format!("the standard input has no {what}"))) } else { Ok(lines) }
}

/// A password from the standard input's first line, or from the person.
pub fn password(from_stdin: bool, question: &str) -> Result<String> {
    if from_stdin {
        return Ok(stdin_lines(1, "password")?.swap_remove(0));
    }
    secret(question, "pass it with --password-stdin")
}
