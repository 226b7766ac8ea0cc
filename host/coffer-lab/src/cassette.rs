//! Recorded HTTP: what a real backend answered to each case, to be answered again without it.
//!
//! What the lab puts is its own, so it is known and never in a cassette: placeholders stand in its place, and
//! are filled in when it is played. Of a request only what tells it from others is kept, its body as a digest,
//! and none of its headers, in which credentials are.

use crate::token::{Token, replace};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The only format so far.
const FORMAT: u32 = 1;

/// What stands for the lab's own server, as in settings.
pub(crate) const BACKEND: &str = "{{backend}}";

/// What stands for the value of a key that the profile calls given, as it is and in base64. For those who write
/// a cassette by hand.
const GIVEN: &str = "{{given}}";
const GIVEN_BASE64: &str = "{{given.base64}}";

/// Answers to requests that are alike, in one case. Whoever asks more often has the last one again.
const ALIKE_MAX: usize = 16;

/// Headers of answers that are kept. Others are of no use to a plugin, or say too much of a server.
const HEADERS: [&str; 6] =
    ["content-type", "etag", "link", "location", "retry-after", "www-authenticate"];

/// What a backend answered, case by case.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cassette {
    format: u32,
    /// What the values were made from. They are in no cassette, but a plugin may send what depends on them.
    #[serde(default)]
    pub(crate) seed: u64,
    /// By case; `*` is for every case.
    tracks: BTreeMap<String, Vec<Exchange>>,
}

/// A request and its answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    method: String,
    /// Path and query.
    target: String,
    /// The digest of the body. One that was written by hand may leave it out, for any body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    status: u16,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    /// The answer's body, if it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// In base64, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// An answer, as it goes to a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A request, as it came from a plugin.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Cassette {
    /// One with nothing on it.
    pub(crate) fn new(seed: u64) -> Self {
        Self { format: FORMAT, seed, tracks: BTreeMap::new() }
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let cassette: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if cassette.format != FORMAT {
            return Err(format!("its format is {}, and this lab reads {FORMAT}", cassette.format));
        }
        Ok(cassette)
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("all of it is text and numbers");
        bytes.push(b'\n');
        bytes
    }

    /// Whether there is anything for `track`.
    pub(crate) fn has(&self, track: &str) -> bool {
        self.tracks.contains_key(track)
    }

    /// Begins a track, from nothing.
    pub(crate) fn begin(&mut self, track: &str) {
        self.tracks.insert(track.to_owned(), Vec::new());
    }

    /// Adds what was answered. `tokens` are not in it afterwards.
    pub(crate) fn add(
        &mut self,
        track: &str,
        request: &Request,
        answer: &Answer,
        tokens: &[Token],
    ) {
        let hidden =
            |bytes: &[u8]| tokens.iter().fold(bytes.to_vec(), |bytes, token| token.hide(&bytes));
        let text = |text: &str| String::from_utf8_lossy(&hidden(text.as_bytes())).into_owned();
        let headers = answer
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), text(value)))
            .filter(|(name, _)| HEADERS.contains(&name.as_str()))
            .collect();
        let (body, base64) = match String::from_utf8(hidden(&answer.body)) {
            Ok(body) => (Some(body).filter(|body| !body.is_empty()), None),
            Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
        };
        let exchange = Exchange {
            method: request.method.clone(),
            target: text(&request.target),
            body: Some(digest_of(&hidden(&request.body))),
            status: answer.status,
            headers,
            text: body,
            base64,
        };
        let exchanges = self.tracks.entry(track.to_owned()).or_default();
        let alike = |other: &&Exchange| {
            (&other.method, &other.target, &other.body)
                == (&exchange.method, &exchange.target, &exchange.body)
        };
        if exchanges.iter().filter(alike).count() < ALIKE_MAX {
            exchanges.push(exchange);
        }
    }
}

/// The value of a key that the profile calls given.
pub(crate) fn given(value: &Token) -> String {
    format!("{}-given", value.text())
}

/// A cassette that is being played.
#[derive(Clone, Debug)]
pub(crate) struct Player {
    cassette: Cassette,
    /// The exchanges of the present track that were played.
    played: Vec<bool>,
    track: String,
}

impl Player {
    pub(crate) fn new(cassette: Cassette) -> Self {
        Self { cassette, played: Vec::new(), track: String::new() }
    }

    /// Begins to play a track.
    pub(crate) fn begin(&mut self, track: &str) {
        let track = if self.cassette.has(track) { track } else { "*" };
        let length = self.cassette.tracks.get(track).map_or(0, Vec::len);
        self.played = vec![false; length];
        track.clone_into(&mut self.track);
    }

    /// The answer to a request: the next that there is to one like it, or the last again.
    pub(crate) fn answer(
        &mut self,
        request: &Request,
        tokens: &[Token],
        origin: &str,
    ) -> Option<Answer> {
        let hidden =
            |bytes: &[u8]| tokens.iter().fold(bytes.to_vec(), |bytes, token| token.hide(&bytes));
        let target = hidden(request.target.as_bytes());
        let body = digest_of(&hidden(&request.body));
        let exchanges = self.cassette.tracks.get(&self.track)?;
        let alike = |exchange: &Exchange| {
            exchange.method == request.method
                && exchange.target.as_bytes() == target
                && exchange.body.as_ref().is_none_or(|digest| *digest == body)
        };
        let alike: Vec<usize> =
            (0..exchanges.len()).filter(|index| alike(&exchanges[*index])).collect();
        let next = alike.iter().find(|index| !self.played[**index]).or(alike.last());
        let index = *next?;
        self.played[index] = true;
        let exchange = &exchanges[index];
        let given = tokens.first().map(given).unwrap_or_default();
        let filled = |bytes: &[u8]| {
            let bytes = tokens.iter().fold(bytes.to_vec(), |bytes, token| token.fill(&bytes));
            let bytes = replace(&bytes, GIVEN.as_bytes(), given.as_bytes());
            let bytes =
                replace(&bytes, GIVEN_BASE64.as_bytes(), STANDARD.encode(&given).as_bytes());
            replace(&bytes, BACKEND.as_bytes(), origin.as_bytes())
        };
        let body = match (&exchange.text, &exchange.base64) {
            (Some(text), _) => filled(text.as_bytes()),
            (None, Some(encoded)) => filled(&STANDARD.decode(encoded).ok()?),
            (None, None) => Vec::new(),
        };
        let header = |(name, value): (&String, &String)| {
            (name.clone(), String::from_utf8_lossy(&filled(value.as_bytes())).into_owned())
        };
        let headers = exchange.headers.iter().map(header).collect();
        Some(Answer { status: exchange.status, headers, body })
    }
}

fn digest_of(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    let hexadecimal: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hexadecimal}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, target: &str, body: &str) -> Request {
        let headers = vec![("x-token".to_owned(), "do-not-keep-me".to_owned())];
        Request { method: method.into(), target: target.into(), headers, body: body.into() }
    }

    fn answer(status: u16, body: &[u8]) -> Answer {
        let headers = [("content-type", "text/plain"), ("set-cookie", "do-not-keep-me")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Answer { status, headers, body: body.to_vec() }
    }

    #[test]
    fn no_value_and_no_credential_is_on_it_and_another_run_has_its_own() {
        let tokens = [Token::new("value", 1), Token::new("credential", 1)];
        let [value, credential] = [tokens[0].text(), tokens[1].text()];
        let mut cassette = Cassette::new(1);
        cassette.begin("put/text");
        let put = request("PUT", &format!("/v1/{value}?q=a"), value);
        let said = format!("{{\"was\":\"{}\"}}", STANDARD.encode(format!("x{value}")));
        cassette.add("put/text", &put, &answer(200, said.as_bytes()), &tokens);
        let binary = [value.as_bytes(), b"\xff\0", credential.as_bytes()].concat();
        cassette.add("put/text", &request("GET", "/", ""), &answer(200, &binary), &tokens);
        let written = cassette.write();
        assert!(tokens.iter().all(|token| !token.is_in(&written)));
        assert!(!String::from_utf8_lossy(&written).contains("do-not-keep-me"));

        let others = [Token::new("value", 2), Token::new("credential", 2)];
        let mut player = Player::new(Cassette::parse(&written).unwrap());
        player.begin("put/text");
        let put = request("PUT", &format!("/v1/{}?q=a", others[0].text()), others[0].text());
        let played = player.answer(&put, &others, "http://here").unwrap();
        let expected = STANDARD.encode(format!("x{}", others[0].text()));
        assert_eq!(played.body, format!("{{\"was\":\"{expected}\"}}").as_bytes());
        assert_eq!(played.headers, [("content-type".to_owned(), "text/plain".to_owned())]);
        let played = player.answer(&request("GET", "/", ""), &others, "http://here").unwrap();
        let expected = [others[0].text(), others[1].text()].map(str::as_bytes);
        assert_eq!(played.body, [expected[0], b"\xff\0", expected[1]].concat());
    }

    #[test]
    fn requests_are_told_apart_by_all_that_is_kept_and_answered_in_order() {
        let mut cassette = Cassette::new(0);
        for (method, target, body, said) in [
            ("GET", "/a", "", "1"),
            ("GET", "/a", "", "2"),
            ("PUT", "/a", "x", "3"),
            ("PUT", "/a", "y", "4"),
            ("GET", "/a?b", "", "5"),
        ] {
            cassette.add("t", &request(method, target, body), &answer(200, said.as_bytes()), &[]);
        }
        cassette.add("*", &request("GET", "/z", ""), &answer(404, b"{{backend}}/z"), &[]);
        let mut player = Player::new(cassette);
        let mut said = |track: &str, method: &str, target: &str, body: &str| {
            if !track.is_empty() {
                player.begin(track);
            }
            let answer = player.answer(&request(method, target, body), &[], "http://here")?;
            Some(String::from_utf8(answer.body).unwrap())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(said("t", "PUT", "/a", "y"), some("4"));
        assert_eq!(said("", "PUT", "/a", "x"), some("3"));
        assert_eq!(said("", "PUT", "/a", "z"), None);
        assert_eq!(said("", "GET", "/a?b", ""), some("5"));
        assert_eq!(said("", "GET", "/a", ""), some("1"));
        assert_eq!(said("", "GET", "/a", ""), some("2"));
        // The last one again, for as long as it is asked.
        assert_eq!(said("", "GET", "/a", ""), some("2"));
        assert_eq!(said("t", "GET", "/a", ""), some("1"));
        assert_eq!(said("t", "GET", "/z", ""), None);
        assert_eq!(said("another", "GET", "/z", ""), some("http://here/z"));
    }

    #[test]
    fn what_is_given_is_filled_in() {
        let text = r#"{"format":1,"tracks":{"*":[{"method":"GET","target":"/k","status":200,
            "text":"{{given}} {{given.base64}}"}]}}"#;
        let tokens = [Token::new("value", 3), Token::new("credential", 3)];
        let mut player = Player::new(Cassette::parse(text.as_bytes()).unwrap());
        player.begin("resolve/given");
        // Written without a digest, it answers whatever the body is.
        let answer = player.answer(&request("GET", "/k", "any"), &tokens, "").unwrap();
        let given = given(&tokens[0]);
        let expected = format!("{given} {}", STANDARD.encode(&given));
        assert_eq!(String::from_utf8(answer.body).unwrap(), expected);
    }

    #[test]
    fn what_is_no_cassette_is_refused() {
        for text in
            ["", "{}", "{\"format\":2,\"tracks\":{}}", "{\"format\":1,\"tracks\":{},\"x\":1}"]
        {
            assert!(Cassette::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
