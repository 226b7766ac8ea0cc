use super::*;
use serde_json::json;

fn environment(name: &str) -> Option<String> {
    match name {
        "A" => Some("a".into()),
        "EMPTY" => Some(String::new()),
        "EVIL" => Some("x\", \"y\": \"${env.A} ${secret.k} $${".into()),
        "LONG" => Some("x".repeat(FILLED_BYTES_MAX / 2)),
        _ => None,
    }
}

/// What a text becomes when every secret is `<key>`.
fn filled(text: &str) -> Result<String, TemplateError> {
    let mut settings = Map::from_iter([("t".to_owned(), json!(text))]);
    let pending = fill(&mut settings, |_| true, &environment).map_err(|(_, error)| error)?;
    for pending in &pending {
        let secrets =
            pending.keys().map(|key| (key.to_owned(), Secret::from(format!("<{key}>")))).collect();
        assert!(pending.fill(&mut settings, &secrets).is_ok(), "{text}");
    }
    Ok(settings["t"].as_str().unwrap().to_owned())
}

#[test]
fn templates_are_filled_in() {
    let check = |text: &str, expected: &str| assert_eq!(filled(text).unwrap(), expected, "{text}");
    check("", "");
    check("plain", "plain");
    check("${env.A}", "a");
    check("${ env.A }", "a");
    check("-${env.A}-${env.A}${env.EMPTY}-", "-a-a-");
    check("${secret.db/password}", "<db/password>");
    check("u:${secret.p}@${env.A}:${secret.q}", "u:<p>@a:<q>");
    check("$${env.A}", "${env.A}");
    check("$${", "${");
    check("$${secret.k} ${secret.k}", "${secret.k} <k>");
    check("$", "$");
    check("$$", "$$");
    check("$A $(A) {env.A}", "$A $(A) {env.A}");
    check("\u{e4}${env.A}\u{e4}$", "\u{e4}a\u{e4}$");
    // What a variable brings in is not read again, neither in this pass nor when secrets come.
    check("${env.EVIL}", "x\", \"y\": \"${env.A} ${secret.k} $${");
    check("${env.EVIL}${secret.k}", "x\", \"y\": \"${env.A} ${secret.k} $${<k>");
}

#[test]
fn a_secret_is_not_read_as_a_template() {
    let mut settings = Map::from_iter([("t".to_owned(), json!(["${secret.k}"]))]);
    let pending = fill(&mut settings, |_| true, &environment).ok().unwrap();
    assert_eq!(pending[0].place.to_string(), "t[0]");
    let secrets = BTreeMap::from([("k".to_owned(), Secret::from("${env.A}\", \"x\": 1"))]);
    assert!(pending[0].fill(&mut settings, &secrets).is_ok());
    assert_eq!(settings["t"], json!(["${env.A}\", \"x\": 1"]));
}

#[test]
fn what_is_no_template_is_refused_without_being_shown() {
    let check = |text: &str, expected: &TemplateError| {
        let error = filled(text).unwrap_err();
        assert_eq!(error, *expected, "{text}");
        assert!(!error.to_string().contains("canary"), "{error}");
    };
    check("${canary}", &TemplateError::Form);
    check("${}", &TemplateError::Form);
    check("${env}", &TemplateError::Form);
    check("${env.}", &TemplateError::Form);
    check("${env.A B}", &TemplateError::Form);
    check("${env['canary']}", &TemplateError::Form);
    check("${ENV.A}", &TemplateError::Form);
    check("${secret.canary$}", &TemplateError::Form);
    check("${secret./canary}", &TemplateError::Key);
    check("${secret.a/../canary}", &TemplateError::Key);
    check("${env.A | append: 'canary'}", &TemplateError::Filter);
    check("${% if canary %}", &TemplateError::Tag);
    check("canary${env.A", &TemplateError::Unclosed);
    check("canary${env.NONE}", &TemplateError::Unset { name: "NONE".into() });
    check("${env.LONG}${env.LONG}x", &TemplateError::TooLong);
}

#[test]
fn only_the_used_keys_are_filled_and_keys_never() {
    let mut settings = json!({ "a": { "${env.A}": ["${env.A}", 1, null] }, "b": "${env.NONE}" })
        .as_object()
        .unwrap()
        .clone();
    assert!(fill(&mut settings, |key| key == "a", &environment).is_ok_and(|p| p.is_empty()));
    assert_eq!(
        Value::Object(settings),
        json!({ "a": { "${env.A}": ["a", 1, null] }, "b": "${env.NONE}" })
    );
}

#[test]
fn what_stands_beside_templates_is_known() {
    assert_eq!(beside_templates("plain"), None);
    assert_eq!(beside_templates("$${env.A}"), Some("${env.A}".into()));
    assert_eq!(beside_templates("${env.NONE}"), Some(String::new()));
    assert_eq!(beside_templates("a${secret.k}b${env.A}"), Some("ab".into()));
}
