//! Hides secrets in a stream of bytes.
//!
//! Every occurrence of a secret is replaced, also where it is split over several writes, overlaps
//! another one, or is written in base64, hexadecimal, percent-encoding or as a JSON string. A secret of
//! several lines is hidden line by line as well, and the texts inside a secret that is JSON one by one.

use crate::secret::Secret;
use aho_corasick::{AhoCorasick, Anchored, Input, Match, MatchKind, StartKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

/// What is shown in the place of a secret. Porter's own mask.
pub const MASK: &str = "*******";

/// Bytes of a line, or of a text inside JSON, that is hidden on its own. Shorter ones (`}`, `true`)
/// would hide half of what a program prints and give nothing away.
const PART_BYTES_MIN: usize = 4;

/// Bytes of an encoded form. Shorter ones are found everywhere by chance.
const ENCODED_BYTES_MIN: usize = 4;

/// Bytes of all forms that a plugin's texts are searched for; the lines of 200 KB. Building the automaton
/// takes half a second for as many, and the host has other things to do.
const FORM_BYTES_MAX: usize = 4 << 20;

/// Bytes of overlapping secrets that are held back to be hidden as one. A program that prints nothing
/// but overlapping secrets does not get to fill the host's memory.
const HELD_BYTES_MAX: usize = 64 * 1024;

/// The secrets to hide. Cheap to clone, costly to change: collect the secrets first.
#[derive(Clone)]
pub struct Mask {
    /// Every form of every secret, sorted, so that a prefix is looked up by bisection.
    patterns: Arc<Vec<Zeroizing<Vec<u8>>>>,
    finder: Option<AhoCorasick>,
    beginnings: Arc<Beginnings>,
    longest: usize,
    /// There is too much to look for, so a text is hidden as a whole.
    whole: bool,
}

impl Mask {
    /// Hides each of `secrets`. An empty one hides nothing.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        Self::of(secrets, Forms::new(usize::MAX, usize::MAX))
    }

    /// For [`Mask::text`] of texts that have at most `bytes_max`, in which nothing longer can be found: a
    /// large secret has twenty large forms, and looking for them costs many times their size. Where the
    /// secrets of a plugin have so many forms that the host would be busy with them, whole texts are
    /// hidden.
    pub(crate) fn within<'a>(
        secrets: impl IntoIterator<Item = &'a Secret>,
        bytes_max: usize,
    ) -> Self {
        Self::of(secrets, Forms::new(bytes_max, FORM_BYTES_MAX))
    }

    fn of<'a>(secrets: impl IntoIterator<Item = &'a Secret>, mut forms: Forms) -> Self {
        for secret in secrets {
            add_forms(secret.expose(), &mut forms);
        }
        let whole = forms.is_full();
        let found = if whole { BTreeSet::new() } else { std::mem::take(&mut forms.set) };
        let patterns: Vec<_> = found.into_iter().map(Zeroizing::new).collect();
        let longest = patterns.iter().map(|pattern| pattern.len()).max().unwrap_or(0);
        let finder = (!patterns.is_empty()).then(|| {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                // Asked only where something may begin.
                .start_kind(StartKind::Anchored)
                // It would keep the forms as they are, and not overwrite them. The automaton has them letter
                // by letter.
                .prefilter(false)
                .build(patterns.iter().map(|pattern| pattern.as_slice()))
                .expect("patterns are bounded by the size of the secrets, far below the automaton's limit")
        });
        let beginnings = Arc::new(Beginnings::of(&patterns));
        Self { patterns: Arc::new(patterns), finder, beginnings, longest, whole }
    }

    /// Hides the secrets in a text that is complete.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        if self.whole {
            return MASK.to_owned();
        }
        let mut stream = self.stream();
        let mut masked = stream.write(text.as_bytes());
        masked.extend(stream.finish());
        String::from_utf8_lossy(&masked).into_owned()
    }

    /// Whether any secret is in `bytes`, in any of its forms.
    #[must_use]
    pub fn finds(&self, bytes: &[u8]) -> bool {
        self.whole || self.find(bytes, 0, bytes.len()).is_some()
    }

    /// Hides the secrets in a stream.
    #[must_use]
    pub fn stream(&self) -> MaskStream {
        MaskStream { mask: self.clone(), held: Vec::new(), covered: 0 }
    }

    /// The first match within `from..to`, and the longest of those that begin there.
    fn find(&self, bytes: &[u8], mut from: usize, to: usize) -> Option<Match> {
        let finder = self.finder.as_ref()?;
        while let Some(at) = self.beginnings.next(&bytes[..to], from) {
            let here = Input::new(bytes).range(at..to).anchored(Anchored::Yes);
            if let Some(found) = finder.find(here) {
                return Some(found);
            }
            from = at + 1;
        }
        None
    }

    /// The first match at or after `from`, extended over every match that overlaps it.
    fn next_span(&self, bytes: &[u8], from: usize) -> Option<(usize, usize)> {
        let first = self.find(bytes, from, bytes.len())?;
        Some((first.start(), self.extend(bytes, first.start() + 1, first.end())))
    }

    /// The end of what is covered up to `end`, if every match from `at` on that begins within it is
    /// added.
    fn extend(&self, bytes: &[u8], mut at: usize, mut end: usize) -> usize {
        while at < end {
            // A match that begins before `end` is over at most the longest pattern later.
            let window = bytes.len().min(end + self.longest);
            match self.find(bytes, at, window) {
                Some(next) if next.start() < end => {
                    end = end.max(next.end());
                    at = next.start() + 1;
                }
                Some(_) | None => break,
            }
        }
        end
    }

    /// Where the longest suffix of `bytes` begins that could be the beginning of a secret.
    fn undecided(&self, bytes: &[u8]) -> usize {
        let first = bytes.len().saturating_sub(self.longest.saturating_sub(1));
        (first..bytes.len())
            .find(|start| {
                let suffix = &bytes[*start..];
                let at = self.patterns.partition_point(|pattern| pattern.as_slice() < suffix);
                self.patterns.get(at).is_some_and(|pattern| pattern.starts_with(suffix))
            })
            .unwrap_or(bytes.len())
    }
}

/// The pairs of bytes that what is looked for begins with, a bit for each. Few places of a text begin with one of
/// them, and nothing more is looked at in the others.
struct Beginnings(Zeroizing<Vec<u64>>);

impl Beginnings {
    fn of(patterns: &[Zeroizing<Vec<u8>>]) -> Self {
        let mut pairs = Zeroizing::new(vec![0; (1 << 16) / 64]);
        for pattern in patterns {
            let seconds = match pattern.as_slice() {
                [] => continue,
                // Whatever comes after it.
                [_] => 0..=u8::MAX,
                [_, second, ..] => *second..=*second,
            };
            for second in seconds {
                let (word, bit) = place(pattern[0], second);
                pairs[word] |= bit;
            }
        }
        Self(pairs)
    }

    /// The first place at or after `from` where something may begin; the last byte has nothing after it to tell.
    fn next(&self, bytes: &[u8], from: usize) -> Option<usize> {
        let rest = bytes.get(from..).filter(|rest| !rest.is_empty())?;
        let begins = |pair: &[u8]| {
            let (word, bit) = place(pair[0], pair[1]);
            self.0[word] & bit != 0
        };
        Some(from + rest.windows(2).position(begins).unwrap_or(rest.len() - 1))
    }
}

/// The word of a pair's bit, and the bit.
fn place(first: u8, second: u8) -> (usize, u64) {
    (usize::from(first) << 2 | usize::from(second >> 6), 1 << (second & 63))
}

/// Shows how many forms are hidden.
impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} forms)", self.patterns.len())
    }
}

/// One stream that secrets are hidden in. What could be the beginning of a secret is held back until
/// more is written or the stream ends.
#[derive(Debug)]
pub struct MaskStream {
    mask: Mask,
    held: Vec<u8>,
    /// How much of the beginning of `held` belongs to a secret whose mask was shown already.
    covered: usize,
}

impl MaskStream {
    /// Takes `bytes` and returns what can be shown.
    #[must_use]
    pub fn write(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.held.capacity() - self.held.len() < bytes.len() {
            // What it moved from would stay as it is.
            let mut larger = Vec::with_capacity(self.held.len() + bytes.len());
            larger.extend_from_slice(&self.held);
            self.held.zeroize();
            self.held = larger;
        }
        self.held.extend_from_slice(bytes);
        let undecided = self.mask.undecided(&self.held);
        self.take(undecided)
    }

    /// Ends the stream and returns what was held back. The beginning of a secret that was not finished
    /// is no secret.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let end = self.held.len();
        self.take(end)
    }

    /// Takes what is before `undecided` out of `held`, with the secrets hidden.
    fn take(&mut self, undecided: usize) -> Vec<u8> {
        let mut shown = Vec::with_capacity(self.held.len());
        let mut done = 0;
        if self.covered > 0 {
            let end = self.mask.extend(&self.held, 0, self.covered);
            self.covered = end.saturating_sub(undecided);
            done = end.min(undecided);
        }
        while self.covered == 0
            && let Some((start, end)) = self.mask.next_span(&self.held, done)
            && start < undecided
        {
            shown.extend_from_slice(&self.held[done..start]);
            if end > undecided && undecided - start <= HELD_BYTES_MAX {
                // It may still grow into one longer secret, which is hidden as one.
                self.keep_from(start);
                return shown;
            }
            shown.extend_from_slice(MASK.as_bytes());
            self.covered = end.saturating_sub(undecided);
            done = end.min(undecided);
        }
        shown.extend_from_slice(&self.held[done..undecided]);
        self.keep_from(undecided);
        shown
    }

    fn keep_from(&mut self, start: usize) {
        let kept = self.held.split_off(start);
        self.held.zeroize();
        self.held = kept;
    }
}

impl Drop for MaskStream {
    fn drop(&mut self) {
        self.held.zeroize();
    }
}

/// The forms of the secrets, as far as they are looked for.
struct Forms {
    set: BTreeSet<Vec<u8>>,
    bytes: usize,
    /// Bytes of one form. Nothing is looked for in what is shorter.
    one_bytes_max: usize,
    /// Bytes of all forms.
    bytes_max: usize,
}

impl Forms {
    fn new(one_bytes_max: usize, bytes_max: usize) -> Self {
        Self { set: BTreeSet::new(), bytes: 0, one_bytes_max, bytes_max }
    }

    fn insert(&mut self, form: Vec<u8>) {
        self.bytes += form.len();
        if let Some(mut same) = self.set.replace(form) {
            same.zeroize();
        }
    }

    fn is_full(&self) -> bool {
        self.bytes > self.bytes_max
    }
}

impl Drop for Forms {
    fn drop(&mut self) {
        for mut form in std::mem::take(&mut self.set) {
            form.zeroize();
        }
    }
}

fn add_forms(value: &[u8], forms: &mut Forms) {
    let trimmed = value.trim_ascii();
    if trimmed.is_empty() || forms.one_bytes_max == 0 {
        // White space alone is no secret, and hiding it would hide the space between words.
        return;
    }
    add_encodings(value, forms);
    add_encodings(trimmed, forms);
    let lines = || value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    if lines().count() > 1 {
        if value.len() <= forms.one_bytes_max {
            forms.insert(value.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]));
        }
        for line in lines().filter(|line| line.len() >= PART_BYTES_MIN) {
            add_encodings(line, forms);
        }
    }
    if matches!(trimmed.first(), Some(b'{' | b'['))
        && let Ok(json) = serde_json::from_slice::<serde_json::Value>(trimmed)
    {
        add_texts(&json, forms);
    }
}

fn add_texts(json: &serde_json::Value, forms: &mut Forms) {
    use serde_json::Value;
    match json {
        Value::Array(items) => items.iter().for_each(|item| add_texts(item, forms)),
        Value::Object(entries) => {
            entries.values().for_each(|value| add_texts(value, forms));
        }
        Value::String(text) if text.len() >= PART_BYTES_MIN => {
            add_encodings(text.as_bytes(), forms);
        }
        Value::Number(number) if number.to_string().len() >= PART_BYTES_MIN => {
            add_encodings(number.to_string().as_bytes(), forms);
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
    }
}

fn add_encodings(value: &[u8], forms: &mut Forms) {
    // No form of it is shorter.
    if value.len() > forms.one_bytes_max || forms.is_full() {
        return;
    }
    forms.insert(value.to_vec());
    let mut add = |encoded: String| {
        if encoded.len() >= ENCODED_BYTES_MIN {
            forms.insert(encoded.into_bytes());
        }
    };
    let mut hex = String::with_capacity(value.len() * 2);
    for byte in value {
        let _ = write!(hex, "{byte:02x}");
    }
    add(hex.to_uppercase());
    add(hex);
    for encoded in [
        STANDARD.encode(value),
        STANDARD_NO_PAD.encode(value),
        URL_SAFE.encode(value),
        URL_SAFE_NO_PAD.encode(value),
    ] {
        add(encoded);
    }
    // Within the base64 of something longer, such as `user:password`, the characters depend on where
    // the secret begins: at 0, 1 or 2 bytes of a group. Those at the edges also carry bits of what is
    // beside it and are left out.
    for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        for before in 0..3 {
            let mut shifted = vec![0; before];
            shifted.extend_from_slice(value);
            let encoded = engine.encode(&shifted);
            let first = [0, 2, 3][before];
            let last = shifted.len() * 8 / 6;
            if last > first + ENCODED_BYTES_MIN {
                add(encoded[first..last].to_owned());
            }
            shifted.zeroize();
        }
    }
    for upper in [false, true] {
        add(percent(value, upper, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)));
        // What `encodeURI` and most form encoders leave alone, and `+` for a space.
        add(percent(value, upper, |byte| {
            byte.is_ascii_alphanumeric() || b"-._~!*'();:@&=+$,/?#".contains(&byte)
        }));
        add(percent(value, upper, |byte| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte))
            .replace("%20", "+"));
    }
    if let Ok(text) = std::str::from_utf8(value) {
        let json = serde_json::Value::from(text).to_string();
        let inner = &json[1..json.len() - 1];
        add(inner.to_owned());
        add(inner.replace('/', "\\/"));
        // As encoders do that write for HTML or for ASCII.
        let mut ascii = String::new();
        for character in inner.chars() {
            if character.is_ascii() && !matches!(character, '<' | '>' | '&' | '\'') {
                ascii.push(character);
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(ascii, "\\u{unit:04x}");
                }
            }
        }
        add(ascii);
    }
}

fn percent(value: &[u8], upper: bool, plain: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value {
        if plain(*byte) {
            encoded.push((*byte).into());
        } else if upper {
            let _ = write!(encoded, "%{byte:02X}");
        } else {
            let _ = write!(encoded, "%{byte:02x}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(secrets: &[&str]) -> Mask {
        let secrets: Vec<Secret> = secrets.iter().map(|secret| Secret::from(*secret)).collect();
        Mask::new(&secrets)
    }

    /// Masks `text` whole and in pieces of every size; the result must not depend on the pieces.
    fn check(secrets: &[&str], text: &str, expected: &str) {
        let mask = mask(secrets);
        for size in 1..=text.len().max(1) {
            let mut stream = mask.stream();
            let mut masked = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                masked.extend(stream.write(piece));
            }
            masked.extend(stream.finish());
            let masked = String::from_utf8(masked).unwrap();
            assert_eq!(masked, expected, "{secrets:?} in {text:?}, {size} bytes at a time");
        }
    }

    #[test]
    fn secrets_are_hidden_wherever_they_are_cut() {
        check(&["hunter2"], "the password is hunter2!", "the password is *******!");
        check(&["hunter2"], "hunter2hunter2", "**************");
        check(&["hunter2"], "hunter hunterhunter2", "hunter hunter*******");
        check(&["hunter2"], "hunter", "hunter");
        check(&["hunter2"], "", "");
        check(&[], "hunter2", "hunter2");
        check(&[""], "hunter2", "hunter2");
        check(&[" \n"], "a b\nc", "a b\nc");
        check(&["a"], "banana", "b*******n*******n*******");
    }

    #[test]
    fn the_longest_and_the_overlapping_are_hidden_whole() {
        check(&["pass", "password"], "password pass passw", "******* ******* *******w");
        check(&["abcdef", "defghi"], "xabcdefghix", "x*******x");
        check(&["abcdef", "cd", "defghi", "hijk"], "xabcdefghijkx", "x*******x");
        check(&["aa"], "aaaaa", "*******");
        check(&["abcab"], "abcabcab", "*******");
        check(&["aba", "bcb"], "ababcbx", "**************x");
    }

    #[test]
    fn encodings_are_hidden() {
        let secret = "p\u{e4}ss/w\"rd+1>?";
        let engines = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
        for engine in engines {
            check(&[secret], &format!("[{}]", engine.encode(secret)), "[*******]");
        }
        check(&[secret], "70c3a473732f772272642b313e3f", "*******");
        check(&[secret], "70C3A473732F772272642B313E3F", "*******");
        check(&[secret], "x=p%C3%A4ss%2Fw%22rd%2B1%3E%3F&y", "x=*******&y");
        check(&[secret], "x=p%c3%a4ss%2fw%22rd%2b1%3e%3f&y", "x=*******&y");
        check(&[secret], r#"{"k":"päss/w\"rd+1>?"}"#, r#"{"k":"*******"}"#);
        check(&[secret], r#"{"k":"p\u00e4ss/w\"rd+1\u003e?"}"#, r#"{"k":"*******"}"#);
        check(&["a b c"], "a+b+c a%20b%20c", "******* *******");
        check(&["pass~wo/rd"], "pass~wo%2Frd pass~wo%2frd", "******* *******");
        check(&["pass wo/rd?"], "pass%20wo/rd?", "*******");
        check(&["pass/word"], r#""pass\/word""#, r#""*******""#);
        check(&[" pass/word "], "pass/word pass%2Fword", "******* *******");
    }

    #[test]
    fn base64_of_something_longer_shows_nothing_of_the_secret() {
        let secret = "correct horse battery staple";
        let mask = mask(&[secret]);
        for before in ["", "u", "us", "user:"] {
            for after in ["", "x", "xy", "xyz"] {
                let encoded = STANDARD.encode(format!("{before}{secret}{after}"));
                let masked = mask.text(&encoded);
                assert!(masked.contains(MASK), "{before}+{after}: {masked}");
                // At most the group on each side is left.
                let left = masked.replace(MASK, "");
                assert!(left.len() <= before.len() * 4 / 3 + after.len() * 4 / 3 + 8, "{masked}");
            }
        }
    }

    #[test]
    fn lines_and_parts_are_hidden() {
        let pem = "-----BEGIN KEY-----\nabcdefgh\nij\n-----END KEY-----\n";
        check(&[pem], "> abcdefgh <\n> ij <", "> ******* <\n> ij <");
        check(&[pem], &pem.replace('\n', "\r\n"), "*******");
        check(&["hunter2\n"], "hunter2 is hunter2\n", "******* is *******");
        check(
            &[r#"{"user":"admin","pin":12345,"ok":true}"#],
            "admin 12345 true",
            "******* ******* true",
        );
        // Of the least that is hidden, and one less.
        check(&["abcd\nlonger-line"], "> abcd <", "> ******* <");
        check(&["abc\nlonger-line"], "> abc <", "> abc <");
        let json = [r#"{"a":"abcd","b":1234,"c":"zyx","d":987}"#];
        check(&json, "abcd 1234", "******* *******");
        check(&json, "zyx 987; zyx", "zyx 987; zyx");
    }

    #[test]
    fn overlapping_secrets_without_end_are_not_held_without_end() {
        let mask = mask(&["aa"]);
        let mut stream = mask.stream();
        let mut masked = Vec::new();
        for _ in 0..100 {
            masked.extend(stream.write(&[b'a'; 10_000]));
            assert!(stream.held.len() <= HELD_BYTES_MAX + 10_000);
        }
        masked.extend(stream.write(b"ab"));
        masked.extend(stream.finish());
        assert_eq!(String::from_utf8(masked).unwrap(), format!("{MASK}b"));
    }

    #[test]
    fn what_cannot_be_looked_for_is_hidden_whole() {
        let line = |n: usize| format!("{n:08}\n");
        let small = Secret::from((0..100).map(line).collect::<String>());
        let large = Secret::from((0..100_000).map(line).collect::<String>());
        let mask = Mask::within([&small], 1000);
        assert_eq!(mask.text("the line 00000042"), format!("the line {MASK}"));
        assert!(!mask.finds(b"nothing"));
        let mask = Mask::within([&small, &large], 1000);
        assert_eq!(mask.text("nothing"), MASK);
        assert!(mask.finds(b"nothing"));
        // Nothing is looked for in nothing.
        assert_eq!(format!("{:?}", Mask::within([&small], 0)), "Mask(0 forms)");
    }

    #[test]
    fn nothing_is_held_back_that_begins_no_secret() {
        let mask = mask(&["hunter2"]);
        let mut stream = mask.stream();
        assert_eq!(stream.write(b"what is your name? "), b"what is your name? ");
        assert_eq!(stream.write(b"hunt"), b"");
        assert_eq!(stream.write(b"ing"), b"hunting");
        assert_eq!(stream.finish(), b"");
    }
}
