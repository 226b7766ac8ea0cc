//! SCRAM-SHA-256 (RFC 7677): proves that coffer knows the password, and that the server does.

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use coffer_host::Secret;
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// What a server may ask for at least, by the RFC, and at most: a second or so of work.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=1_000_000;

/// An exchange that has begun.
pub(super) struct Exchange {
    nonce: String,
    first_bare: String,
}

impl Exchange {
    /// Begins, with a nonce of random letters.
    pub(super) fn new(user: &str, nonce: String) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let first_bare = format!("n={user},r={nonce}");
        Self { nonce, first_bare }
    }

    /// The first message to the server.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.first_bare)
    }

    /// The last message to the server, and what it then has to answer; `None` if what it said is not
    /// allowed.
    pub(super) fn last(&self, password: &Secret, said: &str) -> Option<(String, Expected)> {
        let mut words = said.split(',');
        let nonce = words.next()?.strip_prefix("r=")?;
        let salt = BASE64.decode(words.next()?.strip_prefix("s=")?).ok()?;
        let iterations: u32 = words.next()?.strip_prefix("i=")?.parse().ok()?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return None;
        }
        if !ITERATIONS.contains(&iterations) {
            return None;
        }
        let mut salted = Zeroizing::new([0; digest::SHA256_OUTPUT_LEN]);
        let iterations = NonZeroU32::new(iterations)?;
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, iterations, &salt, password.expose(), &mut *salted);
        let without_proof = format!("c=biws,r={nonce}");
        let message = format!("{},{said},{without_proof}", self.first_bare);
        let client_key = sign(&*salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let signature = sign(stored_key.as_ref(), message.as_bytes());
        let proof: Vec<u8> =
            client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        let server_key = sign(&*salted, b"Server Key");
        let expected = sign(server_key.as_ref(), message.as_bytes());
        let last = format!("{without_proof},p={}", BASE64.encode(proof));
        Some((last, Expected(expected.as_ref().to_vec())))
    }
}

/// What a server says that knows the password.
pub(super) struct Expected(Vec<u8>);

impl Expected {
    /// Whether it said it.
    pub(super) fn is(&self, said: &str) -> bool {
        let proof = said.strip_prefix("v=").and_then(|proof| BASE64.decode(proof).ok());
        proof.is_some_and(|proof| constant_time::verify_slices_are_equal(&proof, &self.0).is_ok())
    }
}

fn sign(key: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677.
    #[test]
    fn as_the_rfc_has_it() {
        let exchange = Exchange::new("user", "rOprNGfwEbeRWgbNEkqO".into());
        assert_eq!(exchange.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let said = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let password = Secret::from("pencil");
        let (last, expected) = exchange.last(&password, &said).unwrap();
        let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(last, format!("c=biws,r={nonce},p={proof}"));
        assert!(expected.is("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert!(!expected.is("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="));
        // A server that echoes, that does not add to the nonce, or that wants little work.
        for said in [
            said.replace("r=rOpr", "r=xOpr"),
            said.replace("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", ""),
            said.replace("4096", "4095"),
            said.replace("4096", "1000001"),
            "e=other-error".into(),
        ] {
            assert!(exchange.last(&password, &said).is_none(), "{said}");
        }
    }
}
