//! Plain names and the patterns that match them.

/// The longest name, in characters.
pub const MAX_NAME: usize = 63;

/// Checks a name of a principal, group, template, node, run or rule: ASCII `[a-z0-9]([a-z0-9._-]*[a-z0-9])?`, at most 63
/// characters. Letters of other alphabets look alike, so they are refused by number.
pub fn check_name(name: &str) -> Result<(), String> {
    if let Some(odd) = name.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(format!(
            "`{}` has the character U+{:04X}, which is not plain ASCII and may look like another; use lower-case letters, digits, `.`, `_` and `-`",
            name.escape_debug(),
            odd as u32
        ));
    }
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let fine = name.len() <= MAX_NAME
        && edge(name.chars().next())
        && edge(name.chars().next_back())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-'));
    fine.then_some(())
        .ok_or_else(|| format!("`{name}` is not a name; use lower-case letters, digits, `.`, `_` and `-`, a letter or digit at both ends, at most {MAX_NAME}"))
}

/// Checks a pattern of one name: what names consist of, `*` for any rest and `?` for any one character.
pub fn check_glob(glob: &str) -> Result<(), String> {
    let fine = !glob.is_empty()
        && glob.len() <= MAX_NAME
        && !glob.contains("**")
        && glob.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-' | '*' | '?'));
    fine.then_some(())
        .ok_or_else(|| format!("`{}` is not a pattern of names; use the characters of names, `*` and `?`, such as `web-*`", glob.escape_debug()))
}

/// Checks a pattern of templates: two patterns of names around one `/`.
pub fn check_template_glob(glob: &str) -> Result<(), String> {
    let (namespace, template) = glob
        .split_once('/')
        .ok_or_else(|| format!("`{}` is not a pattern of templates; write `NAMESPACE/TEMPLATE`, such as `shop/*` or `*/*`", glob.escape_debug()))?;
    check_glob(namespace)?;
    check_glob(template)
}

/// Whether a name fits a pattern.
pub fn matches(glob: &str, name: &str) -> bool {
    let (glob, name) = (glob.as_bytes(), name.as_bytes());
    let (mut g, mut n) = (0, 0);
    // Where to go on when what follows the last `*` does not fit: that `*` takes one character more.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match glob.get(g) {
            Some(b'*') => {
                retry = Some((g, n));
                g += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => {
                g += 1;
                n += 1;
            }
            _ => match retry {
                Some((star, taken)) => {
                    retry = Some((star, taken + 1));
                    g = star + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|c| *c == b'*')
}

/// Whether a template of a namespace fits a pattern of templates. `*` never reaches across the `/`.
pub fn matches_template(glob: &str, namespace: &str, template: &str) -> bool {
    glob.split_once('/').is_some_and(|(n, t)| matches(n, namespace) && matches(t, template))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_plain() {
        for name in ["a", "bob", "web-1", "ann.lee", "x_y", "0k3", &"a".repeat(63)] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "-a", "a-", "Bob", "a b", "a/b", "a*", ".", &"a".repeat(64)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        // Cyrillic о, full-width b, a zero-width joiner, a combining accent, a right-to-left override.
        for name in ["b\u{43e}b", "\u{ff42}ob", "bo\u{200d}b", "bo\u{301}b", "\u{202e}bob"] {
            let error = check_name(name).unwrap_err();
            assert!(error.contains("U+") && error.contains("ASCII"), "{error}");
        }
    }

    #[test]
    fn patterns() {
        for (glob, name, fits) in [
            ("*", "web-1", true),
            ("web-*", "web-1", true),
            ("web-*", "db-1", false),
            ("web-?", "web-12", false),
            ("*-1", "web-1", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("?", "", false),
            ("web", "web-1", false),
        ] {
            assert_eq!(matches(glob, name), fits, "{glob} {name}");
        }
        assert!(matches_template("shop/*", "shop", "restart"));
        assert!(!matches_template("*", "shop", "restart"));
        assert!(!matches_template("s*t", "shop", "restart"));
        for good in ["shop/*", "*/*", "s?op/re*"] {
            assert_eq!(check_template_glob(good), Ok(()));
        }
        for bad in ["*", "", "/", "a/", "/b", "a/b/c", "shop/[a-z]", "sh\u{43e}p/*", "a/**"] {
            assert!(check_template_glob(bad).is_err(), "{bad}");
        }
    }

    fn slow(glob: &[u8], name: &[u8]) -> bool {
        match (glob.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => slow(rest, name) || (!name.is_empty() && slow(glob, &name[1..])),
            (Some((g, grest)), Some((n, nrest))) => (*g == b'?' || g == n) && slow(grest, nrest),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_trying_everything(glob in "[ab*?]{0,7}", name in "[ab]{0,8}") {
            prop_assert_eq!(matches(&glob, &name), slow(glob.as_bytes(), name.as_bytes()));
        }
    }
}
