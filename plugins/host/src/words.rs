//! The two small languages in a reference's key: the words of a command, and the variables of a path.

/// Splits a command into its arguments as a shell would: at white space, with `'…'`, `"…"` and `\` to
/// quote. There is no expansion of any kind.
///
/// # Errors
///
/// A sentence about what is wrong.
pub(crate) fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    // Nothing between words; an empty string inside the quotation marks of an empty argument.
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (Some('\''), other) => word.get_or_insert_default().push(other),
            (None | Some(_), '\\') => {
                let escaped = characters.next().ok_or("the command ends in a backslash")?;
                word.get_or_insert_default().push(escaped);
            }
            (Some(_), other) => word.get_or_insert_default().push(other),
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, space) if space.is_whitespace() => words.extend(word.take()),
            (None, other) => word.get_or_insert_default().push(other),
        }
    }
    if quote.is_some() {
        return Err("a quotation mark is not closed".into());
    }
    words.extend(word);
    if words.is_empty() {
        return Err("the command is empty".into());
    }
    Ok(words)
}

/// Replaces a leading `~` by `$HOME`, and `$NAME` and `${NAME}` by what `variable` says.
///
/// # Errors
///
/// A sentence that names the variable which is missing, or says what is malformed.
pub(crate) fn expand(
    path: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let lookup = |name: &str| {
        variable(name).ok_or_else(|| format!("the variable {name} is not set or not granted"))
    };
    let mut expanded = String::new();
    let mut rest = path;
    if rest == "~" || rest.starts_with("~/") {
        expanded.push_str(&lookup("HOME")?);
        rest = &rest[1..];
    }
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let (name, tail) = match after.strip_prefix('{') {
            Some(braced) => braced.split_once('}').ok_or("`${` is not closed")?,
            None => {
                let end = after
                    .find(|character: char| !character.is_ascii_alphanumeric() && character != '_')
                    .unwrap_or(after.len());
                after.split_at(end)
            }
        };
        if name.is_empty() {
            return Err("`$` is not followed by a name".into());
        }
        expanded.push_str(&lookup(name)?);
        rest = tail;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_split_into_words() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(split(text).unwrap(), expected, "{text}");
        };
        check("pass show db", &["pass", "show", "db"]);
        check("  pass \t show\n", &["pass", "show"]);
        check("a 'b c' d", &["a", "b c", "d"]);
        check("a \"b 'c'\" d", &["a", "b 'c'", "d"]);
        check("a'b'c", &["abc"]);
        check("a '' b", &["a", "", "b"]);
        check(r"a\ b", &["a b"]);
        check(r#""a\"b""#, &["a\"b"]);
        check(r"'a\b'", &[r"a\b"]);
        check("a;b $(c) `d` *", &["a;b", "$(c)", "`d`", "*"]);
        for malformed in ["", "   ", "'a", "\"a", "a\\"] {
            assert!(split(malformed).is_err(), "{malformed}");
        }
    }

    #[test]
    fn paths_expand() {
        let variable = |name: &str| match name {
            "HOME" => Some("/home/me".to_owned()),
            "X_1" => Some("x$HOME".to_owned()),
            _ => None,
        };
        let check = |path: &str, expected: Result<&str, &str>| {
            let expanded = expand(path, variable);
            assert_eq!(expanded.as_deref().map_err(String::as_str), expected, "{path}");
        };
        check("/plain", Ok("/plain"));
        check("~", Ok("/home/me"));
        check("~/a", Ok("/home/me/a"));
        check("~other/a", Ok("~other/a"));
        check("/a~", Ok("/a~"));
        check("$HOME/a", Ok("/home/me/a"));
        check("/${HOME}x", Ok("//home/mex"));
        check("/$X_1/y", Ok("/x$HOME/y"));
        check("/$Y/y", Err("the variable Y is not set or not granted"));
        check("/${Y", Err("`${` is not closed"));
        check("/$/y", Err("`$` is not followed by a name"));
        check("/$", Err("`$` is not followed by a name"));
    }
}
