//! `synod explain`: error codes in words.

use clap::Args;
use serde_json::json;
use synod_domain::error::{Code, code};

use crate::exit::{Exit, Fault, Result};
use crate::output::Colour;
use crate::session::App;
use crate::table::Table;

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The code, such as SYN-1001; all of them when absent
    code: Option<String>,
}

/// Explains a code.
pub fn explain(args: ExplainArgs, app: &App<'_>) -> Result {
    let value = |code: &Code| json!({"code": code.id, "title": code.title, "status": code.status, "remedy": code.remedy});
    let Some(wanted) = args.code else {
        if app.out.structured() {
            let all: Vec<_> = code::ALL.iter().map(|code| value(code)).collect();
            return app.out.value(&all).map(|()| Exit::Ok);
        }
        let mut table = Table::simple(&["CODE", "STATUS", "MEANING"]);
        for code in code::ALL {
            table.row(vec![code.id.into(), code.status.into(), code.title.into()]);
        }
        return table.print(app.out, "").map(|()| Exit::Ok);
    };
    let found = find(&wanted).ok_or_else(|| Fault::new(Exit::NotFound, format!("there is no code `{wanted}`")).help("`synod explain` lists them all"))?;
    app.out.either(&value(found), || {
        format!("{}\n\n{}\nHTTP status {}.", app.out.paint(Colour::Bold, &format!("{}: {}", found.id, found.title)), found.remedy, found.status)
    })?;
    Ok(Exit::Ok)
}

fn find(text: &str) -> Option<&'static Code> {
    let number = text.rsplit('-').next().unwrap_or(text).trim_matches(['[', ']']);
    code::ALL.iter().copied().find(|code| code.id.strip_prefix("SYN-") == Some(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_however_they_are_written() {
        for text in ["SYN-1001", "syn-1001", "1001", "[SYN-1001]"] {
            assert_eq!(find(text).map(|code| code.id), Some("SYN-1001"), "{text}");
        }
        assert!(find("SYN-0000").is_none());
    }
}
