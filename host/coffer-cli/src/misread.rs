//! A command line that cannot be read. clap's own messages quote what was typed; here a word is shown only
//! where it is the name of a flag, since any other may be a value that stands in the wrong place.

use crate::arguments::{Arguments, Command, Format, Plugins};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser as _, ValueEnum as _};

/// What is wrong with the command line.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Misread {
    message: String,
    /// The command that was meant, as far as it was understood.
    command: String,
}

impl Misread {
    pub(crate) fn next(&self) -> String {
        format!("`{} --help` shows how it is used", self.command)
    }

    fn of(error: &clap::Error) -> Self {
        Self { message: message(error), command: command(error) }
    }
}

/// Reads the command line of this process. Help and the version are printed here, and end it.
///
/// # Errors
///
/// What is wrong, and the format to tell it in.
pub(crate) fn read() -> Result<Arguments, (Misread, Format)> {
    let arguments = Arguments::try_parse().map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::DisplayVersion => error.exit(),
        _ => (Misread::of(&error), format()),
    })?;
    // Before anything is done that could then not be told.
    if !prints(&arguments.command, arguments.global.output) {
        let message = "this command prints text, json or yaml, and no other format".into();
        return Err((Misread { message, command: "coffer".into() }, Format::Text));
    }
    Ok(arguments)
}

/// Whether the command has results in this format.
fn prints(command: &Command, format: Format) -> bool {
    match format {
        Format::Html | Format::Sarif => {
            matches!(command, Command::Plugins(Plugins::Inspect { .. }))
        }
        Format::Json | Format::Text | Format::Yaml => true,
    }
}

/// The format that is asked for, whatever is wrong with the rest.
fn format() -> Format {
    let mut arguments = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let mut format = Format::Text;
    while let Some(word) = arguments.next() {
        let value = match word.as_str() {
            "-o" | "--output" => arguments.next(),
            word => ["--output=", "-o=", "-o"]
                .iter()
                .find_map(|flag| word.strip_prefix(flag))
                .map(str::to_owned),
        };
        if let Some(Ok(asked)) = value.map(|value| Format::from_str(&value, false)) {
            format = asked;
        }
    }
    format
}

fn message(error: &clap::Error) -> String {
    // Names of arguments as they are defined, but for an unknown one, which is what was typed.
    let named = |kind| error.get(kind).map(names).unwrap_or_default();
    let suggested = |kind| match named(kind) {
        names if names.is_empty() => String::new(),
        names => format!("; did you mean {names}?"),
    };
    let argument = named(ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::ArgumentConflict => match named(ContextKind::PriorArg) {
            prior if prior.is_empty() || prior == argument => {
                format!("{argument} cannot be used like this")
            }
            prior => format!("{argument} cannot be used together with {prior}"),
        },
        ErrorKind::InvalidSubcommand => {
            format!("there is no such command{}", suggested(ContextKind::SuggestedSubcommand))
        }
        ErrorKind::InvalidUtf8 => "an argument is no text in UTF-8".into(),
        ErrorKind::InvalidValue => match named(ContextKind::ValidValue) {
            valid if valid.is_empty() => format!("{argument} needs a value"),
            valid => format!("the value of {argument} must be one of {valid}"),
        },
        ErrorKind::MissingRequiredArgument => format!("{argument} is missing"),
        ErrorKind::UnknownArgument => match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(typed)) if typed.starts_with('-') => {
                let flag = typed.split('=').next().unwrap_or_default();
                let flag: String = flag.chars().take(64).flat_map(char::escape_debug).collect();
                format!("unexpected argument `{flag}`{}", suggested(ContextKind::SuggestedArg))
            }
            _ => "there is an unexpected argument; it is not shown, since it may be a value".into(),
        },
        kind if argument.is_empty() => kind.to_string(),
        kind => format!("{kind}: {argument}"),
    }
}

fn names(value: &ContextValue) -> String {
    let quoted = |name: &str| format!("`{}`", name.trim());
    match value {
        ContextValue::String(name) => quoted(name),
        ContextValue::Strings(names) => {
            names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
        }
        _ => String::new(),
    }
}

/// `coffer` and the commands after it, from clap's line on usage.
fn command(error: &clap::Error) -> String {
    let usage = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string(),
        _ => String::new(),
    };
    let words = usage.split_whitespace().skip_while(|word| *word != "coffer");
    let words: Vec<&str> = words
        .take_while(|word| word.starts_with(|first: char| first.is_ascii_lowercase()))
        .collect();
    if words.is_empty() { "coffer".into() } else { words.join(" ") }
}
