//! What there is to know of a plugin before anything is granted to it, in plain words: what it asks for, and
//! where that and what it imports do not fit together. It is read from what [`Inspection`] has; the plugin's own
//! words are escaped, and nothing here grants or refuses anything.

use crate::component::{Inspection, Need};
use crate::text;
use serde_json::{Map, Value};

/// Something to know of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Risk {
    /// Which kind of thing, as a word for machines.
    pub rule: &'static str,
    /// Whether it takes a second look, and is not just what such plugins do.
    pub grave: bool,
    /// A sentence about it.
    pub text: String,
}

/// Every [`Risk::rule`], and what it is about.
pub const RULES: [(&str, &str); 12] = [
    ("adds-credentials", "The host adds a credential to requests"),
    ("changes-files", "It asks to change files of the machine"),
    ("clear-requests", "It asks to send requests that are not encrypted"),
    ("not-asked", "It imports what is of no use without a grant, and asks for none"),
    ("not-imported", "It asks for what it cannot use"),
    ("private-addresses", "It asks to reach private addresses"),
    ("reads-any-variable", "It asks for every variable that a reference names"),
    ("reads-files", "It asks to read files of the machine"),
    ("reads-variables", "It asks for environment variables"),
    ("runs-programs", "It asks to run programs of the machine"),
    ("sends-requests", "It asks to send requests"),
    ("wide-host", "It asks to send requests to hosts that are not named"),
];

impl Inspection {
    /// What there is to know of the plugin, the grave first.
    #[must_use]
    pub fn risks(&self) -> Vec<Risk> {
        let asks = self.manifest.asks();
        let mut risks = Risks(Vec::new());
        for argv in entries(asks, "commands") {
            risks.grave("runs-programs", format!("it asks to run {}", words(argv, " ")));
        }
        for directory in entries(asks, "directories") {
            risks.directory(directory);
        }
        for variable in entries(asks, "environment") {
            let named = format!("it asks for the environment variable {}", word(variable));
            risks.usual("reads-variables", named);
        }
        if !entries(asks, "referenced").is_empty() {
            let any = "it asks for whatever environment variable a reference names, for the time of its call";
            risks.grave("reads-any-variable", any.into());
        }
        for http in entries(asks, "http") {
            risks.http(http);
        }
        risks.of_imports(self, asks);
        risks.0.sort_by_key(|risk| !risk.grave);
        risks.0
    }
}

struct Risks(Vec<Risk>);

impl Risks {
    fn grave(&mut self, rule: &'static str, text: String) {
        self.add(Risk { rule, grave: true, text });
    }

    fn usual(&mut self, rule: &'static str, text: String) {
        self.add(Risk { rule, grave: false, text });
    }

    /// What several grants have in common is said once.
    fn add(&mut self, risk: Risk) {
        if !self.0.contains(&risk) {
            self.0.push(risk);
        }
    }

    fn directory(&mut self, directory: &Value) {
        let place = word(&directory["host"]);
        if directory["access"] == "read-only" {
            self.usual("reads-files", format!("it asks to read the files below {place}"));
        } else {
            let change = format!("it asks to read, change and delete the files below {place}");
            self.grave("changes-files", change);
        }
    }

    fn http(&mut self, http: &Value) {
        let url = without_conditions(http["url"].as_str().unwrap_or_default());
        let (shown, methods) = (text::escape(url), words(&http["methods"], ", "));
        let sends = format!("it asks to send {methods} requests to {shown}");
        let host = url.split_once("{{").and_then(|(before, rest)| {
            // With three slashes before it, it is a part of the path, and the host is named.
            (before.matches('/').count() < 3).then(|| rest.split("}}").next())?
        });
        let by = host
            .map(|setting| format!(", whose host is the setting {}", text::escape(setting.trim())));
        self.usual("sends-requests", sends + &by.unwrap_or_default());
        if url.starts_with("http://") {
            self.grave("clear-requests", format!("requests to {shown} are not encrypted"));
        }
        if url.contains("://*") {
            let wide = format!(
                "{shown} covers every host of a domain, which may not all be the same people's"
            );
            self.grave("wide-host", wide);
        }
        match &http["private-addresses"] {
            Value::Null | Value::Bool(false) => {}
            Value::String(_) => self.usual(
                "private-addresses",
                "its requests may go to this machine and to private networks if its settings say so".into(),
            ),
            _ => {
                let private = format!("requests to {shown} may go to this machine and to private networks");
                self.grave("private-addresses", private);
            }
        }
        let headers = http["headers"].as_object().into_iter().flatten();
        for (name, source) in headers {
            self.credential(&format!("the header {}", text::escape(name)), source, &shown);
        }
        for (name, source) in http["aws-sigv4"].as_object().into_iter().flatten() {
            if source.is_object() {
                self.credential(
                    &format!("a signature with the {}", text::escape(name)),
                    source,
                    &shown,
                );
            }
        }
    }

    /// A credential that the host adds. One that it is told where to find by the plugin's author, and not by the
    /// operator, is grave.
    fn credential(&mut self, what: &str, source: &Value, url: &str) {
        for (key, kind) in [("env", "its environment variable"), ("file", "the file")] {
            if let Some(place) = source.get(key) {
                let place = word(place);
                self.grave(
                    "adds-credentials",
                    format!("the host adds {what} from {kind} {place} to requests to {url}"),
                );
            }
        }
        if let Some(setting) = source.get("setting") {
            let setting = word(setting);
            let adds = format!(
                "the host adds {what} from the setting {setting}, which the plugin does not see"
            );
            self.usual("adds-credentials", adds);
        }
    }

    fn of_imports(&mut self, inspection: &Inspection, asks: &Map<String, Value>) {
        let kinds = [
            (Need::Commands, "commands", &["commands"][..]),
            (Need::Directories, "directories", &["directories"]),
            (Need::Environment, "environment variables", &["environment", "referenced"]),
            (Need::Http, "HTTP requests", &["http"]),
        ];
        for (need, what, keys) in kinds {
            let asked = keys.iter().any(|key| !entries(asks, key).is_empty());
            let imported = inspection.imports.iter().find(|import| import.need == need);
            match (asked, imported) {
                (false, Some(import)) => {
                    let name = text::escape(&import.name);
                    let text = format!(
                        "it imports {name}, of use with a grant of {what}, and asks for none"
                    );
                    // Toolchains of some languages import all of WASI.
                    let drags = name.starts_with("wasi:");
                    self.add(Risk { rule: "not-asked", grave: !drags, text });
                }
                (true, None) => {
                    let text =
                        format!("it asks for {what} and imports nothing that they are of use with");
                    self.grave("not-imported", text);
                }
                (true, Some(_)) | (false, None) => {}
            }
        }
    }
}

/// The entries of a kind of grant: those of a list, or a template that stands for one.
fn entries<'a>(asks: &'a Map<String, Value>, kind: &str) -> Vec<&'a Value> {
    match asks.get(kind) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(entries)) => entries.iter().collect(),
        Some(whole) => vec![whole],
    }
}

/// A template without the conditions that it begins with.
fn without_conditions(mut template: &str) -> &str {
    for condition in ["{{when ", "{{unless "] {
        while let Some((_, rest)) =
            template.strip_prefix(condition).and_then(|rest| rest.split_once("}}"))
        {
            template = rest;
        }
    }
    template
}

/// A value of the manifest, for people.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text::escape(text),
        other => text::escape(&other.to_string()),
    }
}

fn words(value: &Value, between: &str) -> String {
    match value {
        Value::Array(items) => items.iter().map(word).collect::<Vec<_>>().join(between),
        other => word(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::{Capabilities, Import};
    use coffer_grants::Manifest;
    use serde_json::json;

    fn risks(asks: &Value, imports: &[(&str, Need)]) -> Vec<(&'static str, bool, String)> {
        let json = json!({
            "name": "p", "version": "1", "description": "d", "asks": asks,
            "settings": { "type": "object", "properties": {
                "address": { "type": "string" }, "names": { "type": "array" },
            } },
        })
        .to_string();
        let import = |(name, need): &(&str, Need)| Import { name: (*name).into(), need: *need };
        let inspection = Inspection {
            manifest: Manifest::parse(json.as_bytes()).unwrap(),
            manifest_digest: String::new(),
            manifest_json: json,
            contract: "0.1.0".into(),
            capabilities: Capabilities::default(),
            imports: imports.iter().map(import).collect(),
            exports: Vec::new(),
            toolchain: Vec::new(),
            size: 0,
            digest: String::new(),
        };
        let risks = inspection.risks();
        for risk in &risks {
            assert!(RULES.iter().any(|(rule, _)| *rule == risk.rule), "{} is no rule", risk.rule);
        }
        risks.into_iter().map(|risk| (risk.rule, risk.grave, risk.text)).collect()
    }

    #[track_caller]
    fn check(asks: &Value, imports: &[(&str, Need)], expected: &[(&str, bool, &str)]) {
        let found = risks(asks, imports);
        let fits = found.len() == expected.len()
            && found.iter().zip(expected).all(|(found, expected)| {
                found.0 == expected.0 && found.1 == expected.1 && found.2.contains(expected.2)
            });
        assert!(fits, "{asks}: {found:#?}");
    }

    const HTTP: (&str, Need) = ("coffer:host/http@0.1.0", Need::Http);

    #[test]
    fn what_is_asked_for_is_said_in_words() {
        check(&json!({}), &[], &[]);
        check(&json!({}), &[("wasi:random/random@0.2.0", Need::Nothing)], &[]);
        check(
            &json!({ "commands": [["pass", "show", "*"]] }),
            &[("coffer:host/commands@0.1.0", Need::Commands)],
            &[("runs-programs", true, "it asks to run pass show *")],
        );
        let files = [("wasi:filesystem/types@0.2.0", Need::Directories)];
        let directory =
            |access: &str| json!({ "directories": [{ "host": "s", "access": access }] });
        check(&directory("read-only"), &files, &[("reads-files", false, "read the files below s")]);
        check(
            &directory("read-write"),
            &files,
            &[("changes-files", true, "delete the files below s")],
        );
        // Whatever is filled in there, it may be more than reading.
        check(&directory("{{address}}"), &files, &[("changes-files", true, "below s")]);
        let environment = [("wasi:cli/environment@0.2.0", Need::Environment)];
        check(
            &json!({ "environment": "{{names}}" }),
            &environment,
            &[("reads-variables", false, "variable {{names}}")],
        );
        check(
            &json!({ "environment": ["HOME"], "referenced": ["env"] }),
            &environment,
            &[("reads-any-variable", true, "reference names"), ("reads-variables", false, "HOME")],
        );
    }

    #[test]
    fn requests_are_told_with_where_they_go_and_what_is_added() {
        let http = |url: &str| json!({ "http": [{ "url": url, "methods": ["GET", "PUT"] }] });
        check(
            &http("https://a.example/**"),
            &[HTTP],
            &[("sends-requests", false, "send GET, PUT requests to https://a.example/**")],
        );
        check(
            &http("{{address}}/v1/*"),
            &[HTTP],
            &[("sends-requests", false, "whose host is the setting address")],
        );
        check(
            &http("http://*.a.example/{{address}}"),
            &[HTTP],
            &[
                ("clear-requests", true, "not encrypted"),
                ("wide-host", true, "every host"),
                ("sends-requests", false, "to http://*.a.example/{{address}}"),
            ],
        );
        let with = |key: &str, value: Value| {
            let mut asks = http("https://a.example/");
            asks["http"][0][key] = value;
            asks
        };
        let sends = ("sends-requests", false, "https://a.example/");
        check(
            &with("private-addresses", json!(true)),
            &[HTTP],
            &[("private-addresses", true, "private networks"), sends],
        );
        check(&with("private-addresses", json!(false)), &[HTTP], &[sends]);
        let by_setting = ("private-addresses", false, "if its settings say so");
        check(&with("private-addresses", json!("{{address}}")), &[HTTP], &[sends, by_setting]);
        let mut twice = with("headers", json!({ "x-key": { "setting": "token" } }));
        let mut again = twice["http"][0].clone();
        again["url"] = json!("{{when address x}}{{unless names}}{{address}}/v2");
        twice["http"].as_array_mut().unwrap().push(again);
        check(
            &twice,
            &[HTTP],
            &[
                sends,
                ("adds-credentials", false, "x-key"),
                ("sends-requests", false, "to {{address}}/v2, whose host is the setting address"),
            ],
        );
        check(
            &with("headers", json!({ "x-key": { "env": "AWS_SECRET_ACCESS_KEY" } })),
            &[HTTP],
            &[
                ("adds-credentials", true, "header x-key from its environment variable AWS_SECRET"),
                sends,
            ],
        );
        check(
            &with("headers", json!({ "x-key": { "setting": "token" } })),
            &[HTTP],
            &[sends, ("adds-credentials", false, "the plugin does not see")],
        );
        let signed = json!({ "region": "r", "service": "s", "access-key-id": { "file": "/k" } });
        check(
            &with("aws-sigv4", signed),
            &[HTTP],
            &[
                ("adds-credentials", true, "a signature with the access-key-id from the file /k"),
                sends,
            ],
        );
    }

    #[test]
    fn what_does_not_fit_together_is_said() {
        check(&json!({}), &[HTTP], &[("not-asked", true, "coffer:host/http@0.1.0")]);
        check(&json!({ "http": [] }), &[HTTP], &[("not-asked", true, "asks for none")]);
        check(
            &json!({}),
            &[
                ("wasi:cli/environment@0.2.0", Need::Environment),
                ("wasi:sockets/tcp@0.2.0", Need::Inert),
            ],
            &[("not-asked", false, "wasi:cli/environment")],
        );
        check(
            &json!({ "commands": [["date"]] }),
            &[],
            &[("runs-programs", true, "date"), ("not-imported", true, "asks for commands")],
        );
    }

    #[test]
    fn a_strangers_words_are_escaped() {
        let told = risks(&json!({ "environment": ["A\u{202e}B\u{1b}[2J"] }), &[]);
        assert!(told.iter().any(|risk| risk.2.contains("A\\u{202e}B\\u{1b}[2J")), "{told:?}");
        assert!(told.iter().all(|risk| !risk.2.contains(['\u{202e}', '\u{1b}'])), "{told:?}");
    }
}
