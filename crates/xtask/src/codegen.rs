//! What is made from the code and checked in: the API's description and the page of error codes.

use std::fmt::Write as _;
use std::path::Path;

use synod_domain::error::code;

fn generated() -> Vec<(&'static str, String)> {
    vec![("openapi.json", synod_server::http::openapi::text()), ("docs/errors.md", errors())]
}

fn errors() -> String {
    let mut page = "# Error codes\n\nEvery refusal carries one of these codes: in the API as `code` of a problem document (RFC 9457), on the command line in\n\
        brackets. `synod explain SYN-1001` prints an entry. This page is generated from `crates/domain/src/error.rs`.\n"
        .to_owned();
    for code in code::ALL {
        let _ = write!(page, "\n## {}: {}\n\nHTTP status {}. {}\n", code.id, code.title, code.status, code.remedy);
    }
    page
}

/// Writes everything that is generated.
pub fn write(root: &Path) -> anyhow::Result<()> {
    for (name, text) in generated() {
        std::fs::write(root.join(name), text)?;
    }
    Ok(())
}

/// Fails when a generated file is not what the code says.
pub fn check(root: &Path) -> anyhow::Result<()> {
    for (name, text) in generated() {
        let known = std::fs::read_to_string(root.join(name)).unwrap_or_default();
        anyhow::ensure!(known == text, "{name} is not what the code says; run `cargo xtask codegen` and commit it");
    }
    Ok(())
}
