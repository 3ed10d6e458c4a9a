//! Telling people and programs what went wrong.

use synod_protocol::http::client::ClientError;
use synod_protocol::http::problem::ProblemDocument;

use crate::exit::{Exit, Fault};
use crate::output::{Colour, Format, Out, clean, clean_lines, json, may_colour, note, paint};

/// Writes what went wrong to the standard error and returns how to end.
pub fn report(fault: &Fault, out: &Out) -> Exit {
    let exit = fault.exit();
    if !matches!(fault, Fault::Silent(_)) {
        if out.format() == Format::Json {
            note(&json(&document(fault)).unwrap_or_default());
        } else {
            let colour = std::io::IsTerminal::is_terminal(&std::io::stderr()) && may_colour();
            note(&text(fault, colour));
        }
    }
    exit
}

/// The problem document of a fault; one of our own when the server gave none.
fn document(fault: &Fault) -> ProblemDocument {
    if let Fault::Client(ClientError::Problem(problem)) | Fault::Located { problem, .. } = fault {
        return (**problem).clone();
    }
    let (detail, remedy) = match fault {
        Fault::Client(error) => (error.to_string(), String::new()),
        Fault::Plain { message, help, .. } => (message.clone(), help.clone().unwrap_or_default()),
        Fault::Located { .. } | Fault::Silent(_) => (String::new(), String::new()),
    };
    let title = match fault.exit() {
        Exit::Usage => "The command line is wrong",
        Exit::Unavailable => "The server cannot be reached",
        _ => "The command failed",
    };
    ProblemDocument {
        kind: "about:blank".into(),
        title: title.into(),
        status: 0,
        detail,
        code: String::new(),
        remedy,
        problems: Vec::new(),
        request_id: None,
        retry_after_s: None,
    }
}

/// The fault as people read it.
pub fn text(fault: &Fault, colour: bool) -> String {
    let head = paint(colour, Colour::Red, "error:");
    let help = paint(colour, Colour::Blue, "help:");
    let with_help = |text: String, remedy: &str| if remedy.is_empty() { text } else { format!("{text}\n{help} {remedy}") };
    match fault {
        Fault::Silent(_) => String::new(),
        Fault::Plain { message, help: remedy, .. } => with_help(format!("{head} {}", clean_lines(message)), remedy.as_deref().unwrap_or_default()),
        Fault::Client(ClientError::Problem(problem)) => {
            let lines: Vec<String> = problem.problems.iter().map(|p| clean(&format!("  {p}"))).collect();
            problem_text(&head, problem, &lines, &with_help)
        }
        Fault::Client(error) => format!("{head} {}", clean(&error.to_string())),
        Fault::Located { problem, places } => {
            let lines: Vec<String> = places.iter().map(|place| clean_lines(place)).collect();
            problem_text(&head, problem, &lines, &with_help)
        }
    }
}

fn problem_text(head: &str, problem: &ProblemDocument, lines: &[String], with_help: &dyn Fn(String, &str) -> String) -> String {
    // With a list of what is wrong the detail would only say the first of it again.
    let what = if lines.is_empty() { &problem.detail } else { &problem.title };
    let mut text = format!("{head} {} [{}]", lower_first(&clean(what)), problem.code);
    for line in lines {
        text.push('\n');
        text.push_str(line);
    }
    if let Some(id) = problem.request_id.as_ref().filter(|_| problem.status >= 500) {
        text.push_str(&format!("\n  request id {}", clean(id)));
    }
    let hinted = problem.problems.iter().any(|p| p.hint.is_some());
    let remedy = if hinted || problem.code == "SYN-1001" { String::new() } else { clean(&problem.remedy) };
    let remedy = match problem.retry_after_s {
        Some(seconds) => format!("{remedy} Try again in {seconds} s.").trim_start().to_owned(),
        None => remedy,
    };
    with_help(text, &remedy)
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), text.chars().nth(1)) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_domain::error::code;

    #[test]
    fn people_read_what_where_and_what_to_do() {
        let error = synod_domain::Error::new(code::TEMPLATE_DISABLED, "the template shop/x is disabled");
        let fault = Fault::Client(ClientError::Problem(Box::new(ProblemDocument::from_error(&error, None))));
        let text = text(&fault, false);
        assert!(text.starts_with("error: the template shop/x is disabled [SYN-1006]\nhelp: Someone set"), "{text}");
    }

    #[test]
    fn every_problem_is_listed() {
        let problems = vec![synod_domain::Problem::at("/inputs/a", "is wrong"), synod_domain::Problem::at("/inputs/b", "too")];
        let error = synod_domain::Error::problems(code::INVALID_INPUTS, problems);
        let fault = Fault::Client(ClientError::Problem(Box::new(ProblemDocument::from_error(&error, None))));
        let text = text(&fault, true);
        assert!(text.contains("the inputs do not fit the template [SYN-1002]\n  /inputs/a: is wrong\n  /inputs/b: too\n"), "{text}");
        assert!(text.starts_with("\x1b[31merror:"));
    }

    #[test]
    fn programs_read_a_problem_document() {
        let document = document(&Fault::usage("no").help("do"));
        assert_eq!((document.detail.as_str(), document.remedy.as_str()), ("no", "do"));
    }
}
