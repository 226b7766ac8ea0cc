//! What is printed: results on standard output, errors on standard error. The only place that prints.

use crate::arguments::Format;
use crate::commands::BuildError;
use crate::given::{Place, Usage};
use crate::misread::Misread;
use anyhow::Context as _;
use coffer_bundle::config::ConfigError;
use coffer_bundle::doctor::Unwell;
use coffer_bundle::driver::DriverError;
use coffer_bundle::name::NameError;
use coffer_bundle::porter::PorterError;
use coffer_bundle::sets::SetError;
use coffer_bundle::{
    HomeError, LedgerError, LockError, PackageError, RunFailure, SpoolError, StoreError,
};
use coffer_host::grants::ReferenceError;
use coffer_host::{Blame, CallError, Explain, LoadError, OpenError, deceives};
use coffer_lab::{ProfileError, Unfit};
use coffer_registry::RegistryError;
use serde_json::{Value, json};
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Prints a result: `value` for machines, or `text` for people.
///
/// # Errors
///
/// That of the operating system.
pub(crate) fn result(
    format: Format,
    value: &Value,
    text: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    let printed = match format {
        Format::Json => json_text(value)? + "\n",
        // The former two are refused with the command line, but where the command prints them itself.
        Format::Html | Format::Sarif | Format::Text => text(),
        Format::Yaml => {
            let text = serde_saphyr::to_string(value).context("cannot write YAML")?;
            text.trim_end().to_owned() + "\n"
        }
    };
    bytes(printed.as_bytes())
}

/// Prints bytes as they are.
///
/// # Errors
///
/// That of the operating system.
pub(crate) fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        // Whoever reads has read enough, as `head` has.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Says something on standard error that is no error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A table: columns as wide as their widest cell, with a heading. What could move the cursor or turn the
/// direction of a line is escaped: cells are also what bundles and backends wrote.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| escaped(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(heading[column].chars().count())
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("   ").trim_end().to_owned() + "\n"
    };
    let mut text = line(heading.to_vec());
    for row in &rows {
        text += &line(row.iter().map(String::as_str).collect());
    }
    text
}

/// JSON in which no text of a stranger's acts on the terminal that it is shown on. What machines read is the same.
fn json_text(value: &Value) -> anyhow::Result<String> {
    let plain = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    let mut text = String::with_capacity(plain.len());
    for character in plain.chars() {
        // What is a control within a text is escaped already; line breaks are between texts.
        if character != '\n' && deceives(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                text += &format!("\\u{unit:04x}");
            }
        } else {
            text.push(character);
        }
    }
    Ok(text)
}

/// A text without what could move the cursor or turn the direction of a line.
pub(crate) fn escaped(cell: &str) -> String {
    let mut text = String::new();
    for character in cell.chars() {
        if deceives(character) {
            text.extend(character.escape_unicode());
        } else {
            text.push(character);
        }
    }
    text
}

/// A moment, as people and machines read it.
pub(crate) fn moment(ms: i64) -> String {
    let since = std::time::Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + since).to_string()
}

/// Tells where coffer itself failed.
pub(crate) fn panicked(place: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", of_panic(place));
}

fn of_panic(place: &str) -> String {
    format!(
        "error: coffer itself failed at {place}\nfault: host\nnext: report it with this place and the version; \
         `coffer runs recover` puts right what was begun"
    )
}

/// Prints an error, whose fault it is and what to do, and gives the exit code.
pub(crate) fn failure(error: &anyhow::Error, format: Format) -> ExitCode {
    let Told { message, blame, next } = told(error);
    let mut stderr = io::stderr().lock();
    let _ = match format {
        Format::Json => {
            let value = json!({ "error": message, "fault": blame.to_string(), "next": next });
            writeln!(stderr, "{value}")
        }
        Format::Html | Format::Sarif | Format::Text | Format::Yaml => {
            writeln!(stderr, "error: {message}\nfault: {blame}\nnext: {}", next.trim_end())
        }
    };
    ExitCode::from(exit_code(error, blame))
}

/// What is said of an error.
pub(crate) struct Told {
    pub(crate) message: String,
    pub(crate) blame: Blame,
    pub(crate) next: String,
}

/// What is to be said of an error.
pub(crate) fn told(error: &anyhow::Error) -> Told {
    let message = message(error);
    let (blame, next) = match (explained(error), error.downcast_ref::<Misread>()) {
        (Some(explained), _) => (explained.blame(), explained.next()),
        (None, Some(misread)) => (Blame::Requester, misread.next()),
        (None, None) if error.is::<Usage>() => {
            (Blame::Requester, "`coffer help` shows how it is used".to_owned())
        }
        (None, None) if error.is::<Place>() => {
            (Blame::Requester, "check the path, and that you may use what is there".to_owned())
        }
        (None, None) => {
            (Blame::Host, "run it with `--verbosity debug`, and report it if it stays".to_owned())
        }
    };
    Told { message, blame, next }
}

/// What is said, each thing once: an error often repeats the one that it came from.
fn message(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if message.is_empty() {
            message = cause;
        } else if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

fn exit_code(error: &anyhow::Error, blame: Blame) -> u8 {
    match error.downcast_ref::<RunFailure>() {
        Some(RunFailure::Driver(DriverError::Cancelled)) => return 130,
        Some(failure) if failure.ran() => return 1,
        Some(_) | None => {}
    }
    // As what is said of continuous integration has it: one case that failed is a failure.
    if error.downcast_ref::<Unfit>().is_some_and(|unfit| unfit.failed > 0) {
        return 1;
    }
    match blame {
        Blame::Requester => 2,
        Blame::Operator => 3,
        Blame::Plugin => 4,
        Blame::Backend => 5,
        Blame::Host => 6,
    }
}

/// The error that says whose fault it is, among all that libraries give.
fn explained(error: &anyhow::Error) -> Option<&dyn Explain> {
    macro_rules! first {
        ($($type:ty),+ $(,)?) => {
            $(if let Some(error) = error.downcast_ref::<$type>() { return Some(error); })+
        };
    }
    first!(
        BuildError,
        CallError,
        ConfigError,
        DriverError,
        HomeError,
        LedgerError,
        LoadError,
        LockError,
        NameError,
        OpenError,
        PackageError,
        PorterError,
        ReferenceError,
        RegistryError,
        RunFailure,
        SetError,
        SpoolError,
        ProfileError,
        StoreError,
        Unfit,
        Unwell,
    );
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_as_any_failure() {
        let told = of_panic("src/main.rs:7");
        for part in ["error: ", "src/main.rs:7\nfault: host\n", "\nnext: "] {
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn json_takes_no_terminal_over_and_says_the_same() {
        let value = json!({ "a\u{202e}": ["\u{9b}2J\u{7f}\n\u{1b}", "\u{e4}\u{1f511}"] });
        let text = json_text(&value).unwrap();
        assert!(!text.contains(['\u{202e}', '\u{9b}', '\u{7f}', '\u{1b}']), "{text}");
        assert!(text.contains("\\u202e") && text.contains('\u{e4}'), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_table_is_aligned_and_takes_no_terminal_over() {
        let row = |name: &str, value: &str| vec![name.to_owned(), value.to_owned()];
        let rows = [row("a", "x\u{1b}[2J\n"), row("long name", "\u{e4}\u{202e}b")];
        let expected = "NAME        VALUE\n\
                        a           x\\u{1b}[2J\\u{a}\n\
                        long name   \u{e4}\\u{202e}b\n";
        assert_eq!(table(&["NAME", "VALUE"], &rows), expected);
    }
}
