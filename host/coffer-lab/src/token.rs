//! What the lab puts into secrets, and looks for wherever it should not be: a token of its own, made from the
//! seed. A value has it at its beginning, so the token is all that has to be found, hidden and filled in.
//!
//! The token stands between two constant words. So whatever stands around it in a document that a plugin
//! encodes as a whole, what the encoding makes of the token's random part depends on nothing else, and can be
//! replaced without touching its neighbours.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Before and after the random part.
const BEFORE: &str = "cof";
const AFTER: &str = "lab";

/// Random characters. Few enough to be short, and many enough that no backend has them by chance.
const RANDOM_CHARACTERS: usize = 24;

/// Characters that every encoding of text leaves alone, and that nobody mistakes for one another.
const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A text that is known to be the lab's own.
#[derive(Clone)]
pub(crate) struct Token {
    name: &'static str,
    text: String,
    /// What is looked for, with the placeholder that stands for it; longer ones first.
    forms: Vec<(String, String)>,
}

impl Token {
    /// The token called `name` of a run with this seed.
    pub(crate) fn new(name: &'static str, seed: u64) -> Self {
        let mut attempt = 0_u32;
        loop {
            let random = random(name, seed, attempt);
            let token = Self::of(name, &random);
            // The two characters that base64 has twice, and that URLs and JSON write in other ways.
            if !token.forms.iter().any(|(form, _)| form.contains(['+', '/'])) {
                return token;
            }
            attempt += 1;
        }
    }

    fn of(name: &'static str, random: &str) -> Self {
        let text = format!("{BEFORE}{random}{AFTER}");
        let hexadecimal: String = random.bytes().map(|byte| format!("{byte:02x}")).collect();
        let mut forms =
            vec![(hexadecimal.to_uppercase(), "HEX".to_owned()), (hexadecimal, "hex".to_owned())];
        for shift in 0..3 {
            let padded = [vec![0; shift], text.clone().into_bytes()].concat();
            let encoded = STANDARD.encode(padded);
            // Every character with a bit of the random part in it.
            let begin = (shift + BEFORE.len()) * 8 / 6;
            let end = ((shift + BEFORE.len() + random.len()) * 8).div_ceil(6);
            forms.push((encoded[begin..end].to_owned(), format!("base64.{shift}")));
        }
        forms.push((random.to_owned(), "text".to_owned()));
        let forms = forms
            .into_iter()
            .map(|(form, kind)| (form, format!("{{{{{name}.{kind}}}}}")))
            .collect();
        Self { name, text, forms }
    }

    /// The token itself.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What it stands for.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it is in `bytes`, as it is or in base64 or hexadecimal.
    pub(crate) fn is_in(&self, bytes: &[u8]) -> bool {
        self.forms.iter().any(|(form, _)| find(bytes, form.as_bytes()).is_some())
    }

    /// `bytes` with placeholders in its place.
    pub(crate) fn hide(&self, bytes: &[u8]) -> Vec<u8> {
        self.forms.iter().fold(bytes.to_vec(), |bytes, (form, placeholder)| {
            replace(&bytes, form.as_bytes(), placeholder.as_bytes())
        })
    }

    /// `bytes` with it in the place of placeholders.
    pub(crate) fn fill(&self, bytes: &[u8]) -> Vec<u8> {
        self.forms.iter().fold(bytes.to_vec(), |bytes, (form, placeholder)| {
            replace(&bytes, placeholder.as_bytes(), form.as_bytes())
        })
    }
}

/// The same for the same seed, on every machine.
fn random(name: &str, seed: u64, attempt: u32) -> String {
    let text = format!("coffer-lab {name} {seed} {attempt}");
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let bytes = digest.as_ref().iter().take(RANDOM_CHARACTERS);
    bytes.map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

pub(crate) fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = find(rest, from) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    /// Every form in which a plugin sends a value, wherever it stands in what is encoded.
    fn forms(token: &Token) -> Vec<String> {
        let mut forms = vec![token.text().to_owned()];
        for before in ["", "a", "ab", "{\"value\":\"", "long enough to be anywhere"] {
            let document = format!("{before}{}\"}}", token.text());
            forms.push(STANDARD.encode(&document));
            forms.push(URL_SAFE_NO_PAD.encode(&document));
            let hexadecimal = |byte: u8| format!("{byte:02x}");
            forms.push(document.bytes().map(hexadecimal).collect());
            forms.push(document.bytes().map(hexadecimal).collect::<String>().to_uppercase());
            forms.push(format!("{document:?}"));
        }
        forms
    }

    #[test]
    fn a_token_is_found_hidden_and_filled_in_again_in_every_form() {
        for seed in [0, 1, 7, u64::MAX] {
            let token = Token::new("value", seed);
            let other = Token::new("value", seed.wrapping_add(1));
            assert_ne!(token.text(), other.text());
            for (form, others) in forms(&token).iter().zip(forms(&other)) {
                assert!(token.is_in(form.as_bytes()), "{form}");
                assert!(!other.is_in(form.as_bytes()));
                let hidden = token.hide(form.as_bytes());
                assert!(!token.is_in(&hidden));
                assert_eq!(token.fill(&hidden), form.as_bytes());
                // What was recorded with one is replayed with the other.
                assert_eq!(other.fill(&hidden), others.as_bytes());
            }
        }
    }

    #[test]
    fn a_seed_makes_the_same_token_and_a_name_another_one() {
        assert_eq!(Token::new("value", 7).text(), Token::new("value", 7).text());
        assert_ne!(Token::new("value", 7).text(), Token::new("credential", 7).text());
        assert!(!Token::new("value", 7).is_in(b""));
    }
}
