//! Keeps known secrets out of what is reported, even when they arrive in pieces.

use std::sync::Arc;

use synod_domain::render::shell_quote;

const MASK: &[u8] = b"***";
/// Shorter values would blank out half of any text.
const SHORTEST: usize = 4;
/// The lines of a secret of several lines are masked one by one from this length.
const SHORTEST_LINE: usize = 8;

/// What must not be shown.
#[derive(Clone, Default)]
pub struct Masker(Arc<Needles>);

#[derive(Default)]
struct Needles {
    /// Longest first.
    texts: Vec<Vec<u8>>,
    /// Whether some text begins with the byte.
    firsts: Vec<bool>,
}

impl Masker {
    /// Masks these values, their single lines, and the way a shell would quote them.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for secret in secrets {
            if secret.len() < SHORTEST {
                continue;
            }
            texts.push(secret.as_bytes().to_vec());
            if secret.contains('\'') {
                texts.push(shell_quote(secret).trim_matches('\'').as_bytes().to_vec());
            }
            let lines = secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
            texts.extend(lines.map(|line| line.as_bytes().to_vec()));
        }
        texts.retain(|text| text.len() >= SHORTEST);
        texts.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        texts.dedup();
        let mut firsts = vec![false; 256];
        texts.iter().for_each(|text| firsts[usize::from(text[0])] = true);
        Self(Arc::new(Needles { texts, firsts }))
    }

    /// Masks a whole text.
    pub fn mask(&self, text: &str) -> String {
        if self.0.texts.is_empty() {
            return text.to_owned();
        }
        let mut stream = self.stream();
        let mut bytes = stream.feed(text.as_bytes());
        bytes.extend(stream.end());
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Masks a stream of pieces.
    pub fn stream(&self) -> MaskStream {
        MaskStream { masker: self.clone(), held: Vec::new() }
    }
}

/// Masks bytes that arrive in pieces; holds back what may be the beginning of a secret.
pub struct MaskStream {
    masker: Masker,
    held: Vec<u8>,
}

impl MaskStream {
    /// What may be shown after another piece.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.masker.0.texts.is_empty() {
            return bytes.to_vec();
        }
        self.held.extend_from_slice(bytes);
        self.scan(false)
    }

    /// What was held back, now that nothing follows.
    pub fn end(&mut self) -> Vec<u8> {
        self.scan(true)
    }

    fn scan(&mut self, last: bool) -> Vec<u8> {
        let input = std::mem::take(&mut self.held);
        let mut shown = Vec::with_capacity(input.len());
        let mut at = 0;
        'bytes: while at < input.len() {
            let rest = &input[at..];
            if self.masker.0.firsts.get(usize::from(rest[0])) == Some(&true) {
                for text in &self.masker.0.texts {
                    if rest.starts_with(text) {
                        shown.extend_from_slice(MASK);
                        at += text.len();
                        continue 'bytes;
                    }
                    if !last && text.starts_with(rest) {
                        self.held = rest.to_vec();
                        return shown;
                    }
                }
            }
            shown.push(rest[0]);
            at += 1;
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_do_not_show() {
        let masker = Masker::new(["hunter2", "hunter2000", "abc", "it's long", "first line\nsecond line"]);
        assert_eq!(masker.mask("a hunter2 b hunter2000 c abc"), "a *** b *** c abc");
        assert_eq!(masker.mask(r"+ echo 'it'\''s long'"), "+ echo '***'");
        assert_eq!(masker.mask("first line second line"), "*** ***");
        assert_eq!(masker.mask("hunter"), "hunter");
    }

    proptest! {
        #[test]
        fn however_it_is_cut(text in "[ab]{0,40}", cuts in proptest::collection::vec(0usize..40, 0..6)) {
            let masker = Masker::new(["abba", "babab"]);
            let mut stream = masker.stream();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let mut shown = Vec::new();
            for pair in cuts.windows(2) {
                shown.extend(stream.feed(&text.as_bytes()[pair[0]..pair[1]]));
            }
            shown.extend(stream.end());
            prop_assert_eq!(String::from_utf8(shown).unwrap(), masker.mask(&text));
            prop_assert!(!masker.mask(&text).contains("abba"));
        }
    }
}
