//! The bundles that the tests run: the example, and small ones that a shell script plays.

use crate::stage::Stage;
use coffer_bundle::Package;
use coffer_bundle::driver::Driver;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// The example, put together as `just plugins` does.
pub(crate) fn example(stage: &Stage) -> Package {
    let directory = stage.programs().join("sensitive-data");
    std::fs::create_dir_all(&directory).unwrap();
    let bundle = include_str!("../../../../examples/sensitive-data/bundle.json");
    std::fs::write(directory.join("bundle.json"), bundle).unwrap();
    std::fs::write(directory.join("installer.wasm"), guest_artifacts::guest("sensitive_data"))
        .unwrap();
    Package::read(&directory).unwrap()
}

/// A bundle `app` of which `script` is the entry point. It has what `sections` says, and for each of its
/// `definitions` that is no parameter or output already, one of each name.
pub(crate) fn scripted(stage: &Stage, sections: &Value, script: &str) -> Package {
    let directory = stage.programs().join("app");
    std::fs::create_dir_all(&directory).unwrap();
    let mut bundle = json!({
        "schemaVersion": "1.2.0",
        "name": "app",
        "version": "0.1.0",
        "invocationImages": [{ "imageType": "docker", "image": "example/app:v1" }],
    });
    for (section, content) in sections.as_object().unwrap() {
        bundle[section] = content.clone();
    }
    std::fs::write(directory.join("bundle.json"), bundle.to_string()).unwrap();
    driver(stage.programs(), script);
    Package::read(&directory).unwrap()
}

/// The driver that [`scripted`] bundles are run with.
pub(crate) fn shell() -> Option<Driver> {
    Some(Driver::Command("app".into()))
}

/// A parameter that is a variable.
pub(crate) fn variable(definition: &str, name: &str) -> Value {
    json!({ "definition": definition, "destination": { "env": name } })
}

/// An output.
pub(crate) fn output(definition: &str, name: &str) -> Value {
    json!({ "definition": definition, "path": format!("/cnab/app/outputs/{name}") })
}

/// A definition of text; sensitive or not.
pub(crate) fn sensitive() -> Value {
    json!({ "type": "string", "writeOnly": true })
}

pub(crate) fn plain() -> Value {
    json!({ "type": "string" })
}

/// Writes the program of the driver. Another process writes it: a file that was open for writing when some
/// other test's program was forked could not be run.
fn driver(programs: &Path, script: &str) {
    let mut writer = Command::new("sh")
        .args(["-c", "cat >\"$1.new\" && chmod 700 \"$1.new\" && mv \"$1.new\" \"$1\"", "sh"])
        .arg(programs.join("cnab-app"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let script = format!(
        "#!/bin/sh\nset -eu\n\
         if [ \"${{1:-}}\" = --handles ]; then echo docker; exit 0; fi\n\
         cat >/dev/null\n\
         cd \"$CNAB_OUTPUT_DIR/cnab/app/outputs\"\n{script}\n"
    );
    writer.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success());
}
