//! Answers that repeat an injected value. A plugin must not learn its credential from a server that sends
//! it back, in whatever spelling servers have for texts: what cannot be searched is withheld as well.
//!
//! A server that means to give its own credential away can do so in ways that nobody finds. This is for
//! debugging endpoints, error pages and logs.

use super::Incoming;
use super::credential::Credential;
use crate::error::Incident;
use crate::mask::Mask;
use crate::secret::Secret;
use coffer_grants::RequestUrl;
use http::header;
use zeroize::Zeroizing;

/// How often one spelling may be in another, such as HTML in JSON in JSON.
const UNESCAPES_MAX: usize = 3;

/// Refuses an answer that has an injected value in it, or may have.
pub(super) fn check(
    credentials: &[Credential],
    url: &RequestUrl,
    incoming: &Incoming,
) -> Result<(), Incident> {
    if credentials.is_empty() {
        return Ok(());
    }
    let host = || url.host().to_owned();
    if let Some(how) = unsearchable(incoming) {
        return Err(Incident::Unsearchable { host: host(), how });
    }
    let texts = || {
        let values = incoming.headers.iter().map(|(_, value)| value.as_slice());
        values.chain([incoming.body.as_slice()])
    };
    // Nothing longer can be in them, and looking for it would cost many times their size.
    let longest = texts().map(<[u8]>::len).max().unwrap_or(0);
    for credential in credentials {
        let mask = Mask::within(&credential.hidden, longest);
        let in_names = || incoming.headers.iter().any(|(name, _)| named(&credential.hidden, name));
        if texts().any(|text| repeats(&mask, text)) || in_names() {
            return Err(Incident::Reflected {
                host: host(),
                header: credential.name.as_str().to_owned(),
            });
        }
    }
    Ok(())
}

/// Why nobody can tell what is in an answer.
fn unsearchable(incoming: &Incoming) -> Option<&'static str> {
    let coded = |name: header::HeaderName, plain: &str| {
        incoming.headers.iter().filter(|(other, _)| *other == name.as_str()).any(|(_, value)| {
            let codings = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            codings.into_iter().any(|coding| !coding.eq_ignore_ascii_case(plain.as_bytes()))
        })
    };
    let has = |name: header::HeaderName| {
        incoming.headers.iter().any(|(other, _)| *other == name.as_str())
    };
    if coded(header::CONTENT_ENCODING, "identity") || coded(header::TRANSFER_ENCODING, "chunked") {
        return Some("compressed");
    }
    // Part by part, a value is never whole in any answer.
    (incoming.status == 206 || has(header::CONTENT_RANGE)).then_some("a part of something")
}

/// Whether a value is in `text`: as it is, behind escapes of JSON, URLs and HTML however they are mixed, or
/// with white space or zeros (as UTF-16 has them) in between.
fn repeats(mask: &Mask, text: &[u8]) -> bool {
    if mask.finds(text) {
        return true;
    }
    let mut plain = Zeroizing::new(text.to_vec());
    for _ in 0..UNESCAPES_MAX {
        if !plain.iter().any(|byte| b"\\%&".contains(byte)) {
            break;
        }
        plain = unescaped(&plain);
        if mask.finds(&plain) {
            return true;
        }
    }
    let before = plain.len();
    plain.retain(|byte| *byte != 0 && !byte.is_ascii_whitespace());
    plain.len() != before && mask.finds(&plain)
}

/// Whether a value is in the name of a header, which is in lower case by now.
fn named(hidden: &[Secret], name: &str) -> bool {
    hidden.iter().map(Secret::expose).any(|secret| {
        name.as_bytes().windows(secret.len()).any(|part| part.eq_ignore_ascii_case(secret))
    })
}

/// Takes one layer of `\u0041`, `\x41`, `\/`, `%41`, `&#65;`, `&#x41;` and `&amp;` off. What is no escape
/// stays as it is.
fn unescaped(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let escape = match first {
            b'\\' => backslash(behind),
            b'%' => number(behind, 2, 16).map(|octet| (octet, 2)),
            b'&' => entity(behind),
            _ => None,
        };
        // No escape that matters stands for more than one octet: a header has no other.
        let (octet, taken) = match escape {
            Some((code, taken)) => (u8::try_from(code).unwrap_or(b'?'), taken),
            None => (*first, 0),
        };
        plain.push(octet);
        rest = &behind[taken..];
    }
    plain
}

/// The code of what is behind a backslash, and how many bytes it takes.
fn backslash(behind: &[u8]) -> Option<(u32, usize)> {
    match behind {
        [b'u', digits @ ..] => number(digits, 4, 16).map(|code| (code, 5)),
        [b'x', digits @ ..] => number(digits, 2, 16).map(|code| (code, 3)),
        [b'n' | b'r' | b't', ..] => Some((u32::from(b' '), 1)),
        [other, ..] => Some((u32::from(*other), 1)),
        [] => None,
    }
}

/// The code of what is behind an ampersand, and how many bytes it takes.
fn entity(behind: &[u8]) -> Option<(u32, usize)> {
    let end = behind.iter().take(ENTITY_BYTES_MAX).position(|byte| *byte == b';')?;
    let code = match &behind[..end] {
        [b'#', b'x' | b'X', digits @ ..] => number(digits, digits.len(), 16),
        [b'#', digits @ ..] => number(digits, digits.len(), 10),
        name => {
            let known = ENTITIES.iter().find(|(entity, _)| entity.as_bytes() == name);
            known.map(|(_, character)| u32::from(*character))
        }
    };
    code.map(|code| (code, end + 1))
}

fn number(digits: &[u8], length: usize, radix: u32) -> Option<u32> {
    let digits = std::str::from_utf8(digits.get(..length)?).ok()?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(digits, radix).ok())?
}

/// Bytes of an entity, `&` not included.
const ENTITY_BYTES_MAX: usize = 10;

/// The names in HTML of what tokens are made of beside letters and digits.
const ENTITIES: [(&str, u8); 13] = [
    ("amp", b'&'),
    ("apos", b'\''),
    ("colon", b':'),
    ("equals", b'='),
    ("gt", b'>'),
    ("hyphen", b'-'),
    ("lowbar", b'_'),
    ("lt", b'<'),
    ("period", b'.'),
    ("plus", b'+'),
    ("quot", b'"'),
    ("sol", b'/'),
    ("percnt", b'%'),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A token with everything in it that somebody escapes.
    const TOKEN: &str = "hvs.Ab+/9-_~:&='\"x==";

    fn incoming(headers: &[(&str, &str)], body: &[u8]) -> Incoming {
        let headers = headers.iter();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
        Incoming { status: 200, headers: headers.map(owned).collect(), body: body.to_vec() }
    }

    fn found(body: impl AsRef<[u8]>) -> bool {
        let credentials = [Credential::for_test("x-token", "Bearer ", TOKEN)];
        let url = RequestUrl::parse("https://a.example/").unwrap();
        check(&credentials, &url, &incoming(&[], body.as_ref())).is_err()
    }

    #[test]
    fn a_value_is_found_in_the_spellings_of_servers() {
        let each = |spell: &dyn Fn(u8) -> String| TOKEN.bytes().map(spell).collect::<String>();
        let special = |spell: &dyn Fn(u8) -> String| {
            each(&|byte| {
                if byte.is_ascii_alphanumeric() { char::from(byte).into() } else { spell(byte) }
            })
        };
        let utf16 =
            |order: fn(u16) -> [u8; 2]| TOKEN.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        for (case, body) in [
            ("as it is", TOKEN.to_owned()),
            ("hexadecimal", each(&|byte| format!("{byte:02X}"))),
            ("a dump", each(&|byte| format!("{byte:02x} "))),
            ("letter by letter", each(&|byte| format!("{} ", char::from(byte)))),
            ("a wrapped line", TOKEN.replace("9-", "9\r\n -")),
            ("URL, specials", special(&|byte| format!("%{byte:02x}"))),
            ("URL, everything", each(&|byte| format!("%{byte:02X}"))),
            ("JSON, everything", each(&|byte| format!("\\u{byte:04X}"))),
            ("JSON, specials", special(&|byte| format!("\\u{byte:04x}"))),
            ("JavaScript", special(&|byte| format!("\\x{byte:02x}"))),
            ("a shell's", special(&|byte| format!("\\{}", char::from(byte)))),
            ("HTML, decimal", special(&|byte| format!("&#{byte};"))),
            ("HTML, hexadecimal", each(&|byte| format!("&#x{byte:X};"))),
            (
                "HTML, names",
                TOKEN.replace('&', "&amp;").replace('"', "&quot;").replace('=', "&equals;"),
            ),
            ("HTML in JSON", special(&|byte| format!("\\u0026#{byte};"))),
            ("JSON in JSON", special(&|byte| format!("\\\\u{byte:04x}"))),
            ("URL in HTML", special(&|byte| format!("&percnt;{byte:02x}"))),
        ] {
            assert!(found(format!("<p>{body}</p>")), "{case}: {body}");
        }
        assert!(found(utf16(u16::to_le_bytes)), "UTF-16");
        assert!(found(utf16(u16::to_be_bytes)), "UTF-16, big end first");
        // Nearly is not.
        for body in [
            "",
            "hvs.Ab+/9-_~:&='\"x=",
            "100% of \\ & &#; &#x; &#99999999; \\u12 %",
            "\\",
            "&",
            "%",
        ] {
            assert!(!found(body), "{body}");
        }
    }

    #[test]
    fn what_is_in_a_value_is_found_as_well() {
        let check = |prefix: &str, value: &str, body: &str, expected: bool| {
            let credentials = [Credential::for_test("authorization", prefix, value)];
            let url = RequestUrl::parse("https://a.example/").unwrap();
            let result = check(&credentials, &url, &incoming(&[], body.as_bytes()));
            assert_eq!(result.is_err(), expected, "{prefix}{value} in {body}");
        };
        check("", "Bearer canary-1", "the token canary-1", true);
        check("", "Bearer canary-1", "www-authenticate: Bearer", false);
        check("Bearer ", "canary-1", "Bearer realm", false);
        // `user:canary-1`
        check("Basic ", "dXNlcjpjYW5hcnktMQ==", "user:canary-1", true);
        check("Basic ", "dXNlcjpjYW5hcnktMQ==", r#"{"user":"user","password":"canary-1"}"#, true);
        check("", "basic dXNlcjpjYW5hcnktMQ==", "canary-1", true);
        // Without its padding, as some clients send it.
        check("Basic ", "dXNlcjpjYW5hcnktMQ", "canary-1", true);
        // `canary-1`, which is no user and no password.
        check("Basic ", "Y2FuYXJ5LTE=", "canary-1", true);
        check("Basic ", "dXNlcjpjYW5hcnktMQ==", "user", false);
        // A password of three letters is in every other answer, one of four is looked for.
        check("Basic ", "dXNlcjphYmM=", "abc", false);
        check("Basic ", "dXNlcjphYmNk", "abcd", true);
        // With bits at its end that mean nothing; and what is no user and password is not taken apart.
        check("Basic ", "dXNlcjphYmNkZR==", "abcde", true);
        check("Bearer ", "dXNlcjphYmNk", "abcd", false);
        check("Basic ", "!", "!", true);
    }

    #[test]
    fn what_cannot_be_searched_is_withheld() {
        let credentials = [Credential::for_test("x-token", "", TOKEN)];
        let url = RequestUrl::parse("https://a.example/").unwrap();
        let check = |status: u16, headers: &[(&str, &str)], expected: Option<&str>| {
            let incoming = Incoming { status, ..incoming(headers, b"nothing") };
            let how = match check(&credentials, &url, &incoming) {
                Ok(()) => None,
                Err(Incident::Unsearchable { how, .. }) => Some(how),
                Err(other) => panic!("{headers:?}: {other}"),
            };
            assert_eq!(how, expected, "{status} {headers:?}");
            // Where nothing is injected, nothing is withheld.
            assert_eq!(check(&[], &url, &incoming), Ok(()));
        };
        check(200, &[], None);
        check(200, &[("content-encoding", "identity")], None);
        check(200, &[("transfer-encoding", "Chunked")], None);
        check(200, &[("content-encoding", "gzip")], Some("compressed"));
        check(200, &[("content-encoding", "identity, br")], Some("compressed"));
        check(
            200,
            &[("content-encoding", "identity"), ("content-encoding", "x")],
            Some("compressed"),
        );
        check(200, &[("transfer-encoding", "gzip, chunked")], Some("compressed"));
        check(206, &[], Some("a part of something"));
        check(200, &[("content-range", "bytes 0-1/2")], Some("a part of something"));
    }

    #[test]
    fn headers_are_searched_with_their_names() {
        let credentials = [Credential::for_test("x-token", "", "CanaryToken")];
        let url = RequestUrl::parse("https://a.example/").unwrap();
        for headers in
            [("x-canarytoken", "1"), ("x-was", "CanaryToken"), ("x-was", "%43anaryToken")]
        {
            let result = check(&credentials, &url, &incoming(&[headers], b""));
            assert!(matches!(result, Err(Incident::Reflected { .. })), "{headers:?}");
        }
        assert_eq!(check(&credentials, &url, &incoming(&[("x-canary", "Token")], b"")), Ok(()));
    }
}
