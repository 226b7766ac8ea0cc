//! What holds for every URL and every pattern, held against an oracle that never cuts a text: it knows the
//! parts that the text was put together from.

use super::{RequestUrl, UrlPattern};
use proptest::prelude::*;
use proptest::sample::select;

/// Labels, segments and ports that are alike enough to meet often.
const LABELS: [&str; 4] = ["a", "b", "a-b", "xn--a"];
const SEGMENTS: [&str; 8] = ["a", "b", "A", "ab", "a.b", "~", "%2A", "a;b"];
const PORTS: [u16; 3] = [80, 443, 8200];

/// The parts of a URL. In those of a pattern, `*` and `**` may stand where they are allowed.
#[derive(Clone, Debug)]
struct Written {
    tls: bool,
    labels: Vec<&'static str>,
    port: Option<u16>,
    segments: Vec<&'static str>,
}

impl Written {
    fn text(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let port = self.port.map_or_else(String::new, |port| format!(":{port}"));
        format!("{scheme}://{}{port}/{}", self.labels.join("."), self.segments.join("/"))
    }

    /// The same URL, spelled differently.
    fn spelled(&self) -> String {
        let text = self.text();
        let (scheme, rest) = text.split_once("://").unwrap();
        let (authority, path) = rest.split_once('/').unwrap();
        let path = path.replace("a.b", "%61%2eb").replace('~', "%7e").replace("%2A", "%2a");
        format!("{}://{}/{path}?q", scheme.to_uppercase(), authority.to_uppercase())
    }

    fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls { 443 } else { 80 })
    }
}

/// What the operator was told that a pattern covers.
fn covered(pattern: &Written, url: &Written) -> bool {
    let host = match pattern.labels.as_slice() {
        ["*", suffix @ ..] => url.labels.get(1..) == Some(suffix),
        labels => labels == url.labels,
    };
    host && pattern.tls == url.tls
        && pattern.port() == url.port()
        && path_covered(&pattern.segments, &url.segments)
}

fn path_covered(pattern: &[&str], url: &[&str]) -> bool {
    match (pattern, url) {
        ([], []) | (["**"], _) => true,
        (["*", pattern @ ..], [segment, url @ ..]) => {
            !segment.is_empty() && path_covered(pattern, url)
        }
        ([wanted, pattern @ ..], [segment, url @ ..]) => {
            wanted == segment && path_covered(pattern, url)
        }
        ([], _) | (_, []) => false,
    }
}

fn written() -> impl Strategy<Value = Written> {
    let labels = proptest::collection::vec(select(&LABELS[..]), 2..4);
    let segments = proptest::collection::vec(select(&SEGMENTS[..]), 0..4);
    let port = proptest::option::of(select(&PORTS[..]));
    (any::<bool>(), labels, port, segments, any::<bool>()).prop_map(
        |(tls, labels, port, mut segments, slash)| {
            // A path is `/` at least, and may end in one.
            if slash || segments.is_empty() {
                segments.push("");
            }
            Written { tls, labels, port, segments }
        },
    )
}

/// A pattern that was made from a URL, so that they meet, and then widened and changed here and there.
fn pattern_and_url() -> impl Strategy<Value = (Written, Written)> {
    let change = |parts: Written, other: Written, which: [bool; 4]| Written {
        tls: if which[0] { other.tls } else { parts.tls },
        labels: if which[1] { other.labels } else { parts.labels },
        port: if which[2] { other.port } else { parts.port },
        segments: if which[3] { other.segments } else { parts.segments },
    };
    let seldom = || proptest::bool::weighted(0.2);
    let which = [seldom(), seldom(), seldom(), seldom()];
    (written(), written(), which, any::<bool>(), any::<[bool; 5]>(), 0..6_usize).prop_map(
        move |(url, other, which, label, stars, end)| {
            let mut pattern = change(url.clone(), other, which);
            if label && pattern.labels.len() > 2 {
                pattern.labels[0] = "*";
            }
            for (segment, star) in pattern.segments.iter_mut().zip(stars) {
                if star && !segment.is_empty() {
                    *segment = "*";
                }
            }
            if end < pattern.segments.len() {
                pattern.segments.truncate(end);
                pattern.segments.push("**");
            }
            (pattern, url)
        },
    )
}

/// Decodes until nothing changes, one `%` at a time.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    while let Some(at) = bytes.windows(3).position(|three| {
        three[0] == b'%' && three[1].is_ascii_hexdigit() && three[2].is_ascii_hexdigit()
    }) {
        let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
        let octet = digit(bytes[at + 1]) * 16 + digit(bytes[at + 2]);
        bytes.splice(at..at + 3, [octet]);
    }
    bytes
}

/// Holds an accepted URL against what it must not be, whatever it was read from.
fn check_accepted(url: &RequestUrl) {
    let text = url.to_string();
    assert_eq!(RequestUrl::parse(&text).as_ref(), Ok(url), "{text} is not its own form");
    assert_eq!(text, RequestUrl::parse(&text).unwrap().to_string());
    // It is put on the wire from its parts, and they are the whole of it.
    let (scheme, usual) = if url.tls() { ("https", 443) } else { ("http", 80) };
    let port = if url.port() == usual { String::new() } else { format!(":{}", url.port()) };
    assert_eq!(text, format!("{scheme}://{}{port}{}", url.host(), url.path_and_query()));
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte);
    assert!(text.bytes().all(plain), "{text}");
    assert!(!url.host().bytes().any(|byte| byte.is_ascii_uppercase() || byte == b'%'), "{text}");
    let path = url.path_and_query();
    let path = path.split('?').next().unwrap();
    let segments: Vec<&str> = path.split('/').collect();
    assert_eq!(segments[0], "", "{text}");
    for (index, segment) in segments.iter().enumerate().skip(1) {
        let decoded = decoded(segment);
        assert!(!decoded.is_empty() || index + 1 == segments.len(), "{text}");
        let name = decoded.split(|byte| *byte == b';').next().unwrap();
        assert!(name != b"." && name != b"..", "{text}");
        assert!(!decoded.iter().any(|byte| b"/\\\r\n\t\0".contains(byte)), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pattern_covers_what_the_oracle_says((pattern, url) in pattern_and_url()) {
        let expected = covered(&pattern, &url);
        let read = UrlPattern::parse(&pattern.text()).unwrap();
        for text in [url.text(), url.spelled()] {
            let asked = RequestUrl::parse(&text).unwrap();
            prop_assert_eq!(read.covers(&asked), expected, "{} covers {}", pattern.text(), text);
        }
        prop_assert_eq!(UrlPattern::parse(&read.to_string()), Ok(read));
    }

    /// Texts that are nearly URLs, of the pieces that tricks are made of.
    #[test]
    fn what_is_accepted_is_in_its_one_form(pieces in proptest::collection::vec(select(&[
        "a", "A", "1", ".", "..", "/", "//", "\\", "%", "%2e", "%2F", "%5c", "%25", "%252e", "%3b", "%00", "%0a",
        "%c0%ae", "%C3%A4", "%41", "%7e", ";", ":", "@", "?", "#", "[", "]", "*", "-", "_", "~", "+", " ", "\t",
        "\r\n", "\u{e4}", "\u{ff0e}", "\"", "{", "|", "^", "`", "<", "=", "&", "/..;", "/.%3b", "/%25252e.",
    ][..]), 0..12), before in select(&["http://", "HTTPS://", "https://a.example/", "http://127.0.0.1:80", ""][..])) {
        let text = format!("{before}{}", pieces.concat());
        if let Ok(url) = RequestUrl::parse(&text) {
            check_accepted(&url);
            // A URL that is a pattern as well covers itself.
            if let Ok(pattern) = UrlPattern::parse(&text) {
                prop_assert!(pattern.covers(&url), "{text}");
            }
        }
    }

    #[test]
    fn whatever_is_read_is_read_or_refused(text in ".{0,64}") {
        if let Ok(url) = RequestUrl::parse(&text) {
            check_accepted(&url);
        }
        let _ = UrlPattern::parse(&text);
    }

    /// Hosts that a resolver or a browser reads as an address, in any base and of any length.
    #[test]
    fn a_number_is_an_address_in_four_decimal_parts_or_refused(address in any::<u32>()) {
        let [a, b, c, d] = address.to_be_bytes();
        let plain = format!("{a}.{b}.{c}.{d}");
        let url = RequestUrl::parse(&format!("http://{plain}/")).unwrap();
        prop_assert_eq!(url.host(), plain.as_str());
        let low = address & 0x00ff_ffff;
        for alias in [
            format!("{address}"),
            format!("0{address:o}"),
            format!("0x{address:x}"),
            format!("0X{address:X}"),
            format!("{a}.{low}"),
            format!("{a}.{b}.{}", address & 0xffff),
            format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
            format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
            format!("{a}.{b}.{c}.0x{d:x}"),
            format!("{a}.{b}.{c}.0{d:o}"),
            format!("{plain}."),
            format!("[::ffff:{plain}]"),
            format!("[::ffff:{:x}:{:x}]", address >> 16, address & 0xffff),
        ] {
            prop_assert!(RequestUrl::parse(&format!("http://{alias}/")).is_err(), "{alias}");
        }
    }
}
