//! The name of the Secret that Porter's plugin puts a key into (`SanitizeKey` of getporter/kubernetes-plugins 1.0.4).
//!
//! Several keys can have one name, so it is only read.

/// The name, whether Kubernetes takes it or not.
pub(crate) fn name(key: &str) -> String {
    // As Go does it: each character becomes one, and none depends on its place.
    let small = |character: char| character.to_lowercase().next().unwrap_or(character);
    let characters: Vec<char> = key.chars().map(small).collect();
    let mut name = String::new();
    let mut in_others = false;
    for (at, &character) in characters.iter().enumerate() {
        let is_plain = character.is_ascii_lowercase() || character.is_ascii_digit();
        let is_end = at == 0 || at + 1 == characters.len();
        let is_kept = is_plain || matches!(character, '-' | '.');
        match character {
            _ if is_end && !is_plain => name.push_str("000"),
            _ if is_kept => name.push(character),
            _ if !in_others => name.push('-'),
            _ => {}
        }
        in_others = !is_kept && !is_end;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Porter's own function answered, and so what clusters have.
    #[test]
    fn names_are_those_of_porter() {
        let check = |key: &str, expected: &str| assert_eq!(name(key), expected, "{key:?}");
        check("01JD-parameter-password", "01jd-parameter-password");
        check("01JD-DB_Password", "01jd-db-password");
        check("db.v1", "db.v1");
        check("_x_", "000x000");
        check("_", "000");
        check("__", "000000");
        check("a-_", "a-000");
        check("a__ /b", "a-b");
        check("a_-_.b", "a---.b");
        check("A..b", "a..b");
        check("\u{e4}x", "000x");
        check("x\u{e4}\n", "x-000");
        check("\u{130}x\u{212a}", "ixk");
        check("", "");
    }
}
