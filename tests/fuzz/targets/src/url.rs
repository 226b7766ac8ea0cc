//! URLs and the patterns that cover them: a line with a pattern, and one with a URL.

use crate::said;
use coffer_bundle::document::{self, Format};
use coffer_host::grants::{Grants, RequestUrl, UrlPattern};
use serde_json::json;

pub(crate) fn url(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (pattern, url) = text.split_once('\n').unwrap_or(("https://a.example/**", &text));
    let pattern = UrlPattern::parse(pattern);
    match &pattern {
        Ok(pattern) => {
            let shown = pattern.to_string();
            assert_eq!(UrlPattern::parse(&shown).as_ref(), Ok(pattern), "{shown}");
        }
        Err(error) => said::line(&error.to_string()),
    }
    let url = match RequestUrl::parse(url) {
        Ok(url) => url,
        Err(error) => return said::line(&error.to_string()),
    };
    one_form(&url);
    let covered = pattern.is_ok_and(|pattern| {
        let covered = pattern.covers(&url);
        assert_eq!(covered, covers(&pattern.to_string(), &url), "{pattern} covers {url}");
        granted(&pattern, &url, covered);
        covered
    });
    if !covered {
        offered(&url);
    }
}

/// What was read is in one form, in which nothing reads it differently.
fn one_form(url: &RequestUrl) {
    let shown = url.to_string();
    said::line(&shown);
    assert!(!shown.contains([' ', '\\', '#', '…']), "{shown}");
    // The slash after the host may be one byte more than there can be.
    if shown.len() <= 8192 {
        assert_eq!(RequestUrl::parse(&shown).as_ref(), Ok(url), "{shown}");
    }
    // What sends it reads it with another parser.
    if let Ok(sent) = shown.parse::<http::Uri>() {
        let port = if url.tls() { 443 } else { 80 };
        assert_eq!(sent.scheme_str(), Some(if url.tls() { "https" } else { "http" }), "{shown}");
        assert_eq!(sent.host(), Some(url.host()), "{shown}");
        assert_eq!(sent.port_u16().unwrap_or(port), url.port(), "{shown}");
        let path = sent.path_and_query().map(http::uri::PathAndQuery::as_str);
        assert_eq!(path, Some(url.path_and_query().as_str()), "{shown}");
        assert!(!sent.authority().unwrap().as_str().contains('@'), "{shown}");
    }
    let without_query = url.without_query();
    let path = without_query.splitn(4, '/').nth(3).unwrap();
    for segment in path.split('/') {
        let mut decoded = segment.as_bytes().to_vec();
        for _ in 0..2 {
            decoded = unpercent(&decoded);
            let hides = |byte: &u8| b"/\\".contains(byte) || byte.is_ascii_control();
            assert!(!decoded.iter().any(hides), "{shown}");
            assert!(decoded != b"." && decoded != b"..", "{shown}");
        }
    }
    assert!(!path.trim_end_matches('/').split('/').skip(1).any(str::is_empty), "{shown}");
}

fn unpercent(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let octet = digits
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match octet {
            Some(octet) if *first == b'%' => {
                bytes.push(octet);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    bytes
}

/// Whether `pattern` covers `url`, by what both look like.
fn covers(pattern: &str, url: &RequestUrl) -> bool {
    let url = url.without_query();
    let (wanted_origin, wanted_path) = pattern.split_at(path_begins(pattern));
    let (origin, path) = url.split_at(path_begins(&url));
    let origin_covered = match wanted_origin.split_once("*.") {
        Some((scheme, suffix)) => origin.strip_prefix(scheme).is_some_and(|host| {
            host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == suffix)
        }),
        None => wanted_origin == origin,
    };
    let segments = |path: &str| path[1..].split('/').map(str::to_owned).collect::<Vec<_>>();
    origin_covered && segments_covered(&segments(wanted_path), &segments(path))
}

fn path_begins(url: &str) -> usize {
    let host = url.find("://").unwrap() + 3;
    host + url[host..].find('/').unwrap()
}

fn segments_covered(wanted: &[String], path: &[String]) -> bool {
    match (wanted.split_first(), path.split_first()) {
        (Some((first, [])), _) if first == "**" => true,
        (Some((first, wanted)), Some((segment, path))) => {
            let same = if first == "*" { !segment.is_empty() } else { first == segment };
            same && segments_covered(wanted, path)
        }
        (None, None) => true,
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// A grant of the pattern for one method permits that, and nothing else.
fn granted(pattern: &UrlPattern, url: &RequestUrl, covered: bool) {
    let grants = json!({ "http": [{ "url": pattern.to_string(), "methods": ["GET"] }] });
    let grants: Grants = serde_json::from_value(grants).unwrap();
    assert_eq!(grants.http("GET", url.clone()).is_ok(), covered, "{pattern} {url}");
    for other in ["POST", "get", "GET ", "", "CONNECT", "G\nET"] {
        assert!(grants.http(other, url.clone()).is_err(), "{other} {url}");
    }
}

/// What is offered to an operator permits what was asked for and nothing else.
fn offered(url: &RequestUrl) {
    let denied = Grants::default().http("GET", url.clone()).unwrap_err();
    said::line(&denied.to_string());
    let Some(missing) = denied.missing() else { return };
    missing.lines().for_each(said::line);
    let read =
        document::read(missing, Format::Yaml).unwrap_or_else(|error| panic!("{missing}: {error}"));
    let grants: Grants =
        serde_json::from_value(read).unwrap_or_else(|error| panic!("{missing}: {error}"));
    assert!(grants.http("GET", url.clone()).is_ok(), "{missing}");
    let [grant] = grants.http_grants() else { panic!("{missing}") };
    assert_eq!(grant.url().to_string(), url.without_query(), "{missing}");
    assert!(!grant.url().to_string().contains('*'), "{missing}");
}
