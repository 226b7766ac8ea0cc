//! The name of the secret that Porter's plugin puts a key into (`cleanSecretName` of getporter/azure-plugins 1.2.5).
//!
//! Several keys can have one name, so it is only read.

use md5::{Digest as _, Md5};

/// Characters that Key Vault takes.
const NAME_MAX: usize = 127;

/// Characters of a longer name that are kept; a `-` and the 32 digits of the key's digest come behind them.
const KEPT: usize = 94;

/// The name. Key Vault takes it unless the key is empty.
pub(crate) fn name(key: &str) -> String {
    let allowed = |character: char| character.is_ascii_alphanumeric() || character == '-';
    let mut name: String =
        key.chars().map(|character| if allowed(character) { character } else { '-' }).collect();
    if name.len() > NAME_MAX {
        name.truncate(KEPT);
        name.push('-');
        name.extend(Md5::digest(key).iter().map(|byte| format!("{byte:02X}")));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Porter's own function answered, and so what vaults have.
    #[test]
    fn names_are_those_of_porter() {
        let check = |key: &str, expected: &str| assert_eq!(name(key), expected, "{key:?}");
        check("01JD-db.password", "01JD-db-password");
        check("MY_SECRET", "MY-SECRET");
        check("a__b", "a--b");
        check("\u{e4}/b", "--b");
        check(&"x".repeat(127), &"x".repeat(127));
        let long = format!("{}-627629C06959DFCF887109A7C8816915", "x-".repeat(47));
        check(&"x_".repeat(64), &long);
        let long = format!("01JD-{}-439EF0F284998960ED24B8CCFC9A92C8", "-".repeat(89));
        check(&format!("01JD-{}", "\u{e4}".repeat(123)), &long);
    }
}
