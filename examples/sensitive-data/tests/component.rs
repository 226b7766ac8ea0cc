//! The component in the sandbox that bundles run in: what it prints, what it leaves, how it ends.

use coffer_host::{EntryPoint, Files, Finished, Host, Run};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zeroize::Zeroizing;

const NAME: &str = "/cnab/app/foo/name.txt";
const NAME_OUTPUT: &str = "/cnab/app/outputs/name";

#[derive(Clone, Default)]
struct Stream(Arc<Mutex<Vec<u8>>>);

impl Stream {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no writer panics").clone()).expect("it is text")
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Outcome {
    finished: Finished,
    stdout: String,
    stderr: String,
}

impl Outcome {
    fn output(&mut self) -> Option<String> {
        let bytes = self.finished.files.take(NAME_OUTPUT)?;
        Some(String::from_utf8(bytes.to_vec()).expect("it is text"))
    }
}

async fn run(action: &str, name: Option<&str>, variables: &[(&str, &str)]) -> Outcome {
    let mut files = Files::new();
    files.make_directories("/cnab/app/outputs").expect("there is room");
    if let Some(name) = name {
        files.put(NAME, name.into()).expect("there is room");
    }
    let cnab = [
        ("CNAB_ACTION", action),
        ("CNAB_BUNDLE_NAME", "sensitive-data"),
        ("CNAB_BUNDLE_VERSION", "0.1.0"),
        ("CNAB_INSTALLATION_NAME", "sensitive-data"),
        ("CNAB_INSTALLATION_NAMESPACE", ""),
        ("CNAB_REVISION", "1"),
    ];
    let environment = cnab.iter().chain(variables);
    let (stdout, stderr) = (Stream::default(), Stream::default());
    let finished = entry_point()
        .run(Run {
            arguments: vec!["/cnab/app/run".into()],
            environment: environment
                .map(|&(name, value)| (name.to_owned(), Zeroizing::new(value.to_owned())))
                .collect(),
            files,
            stdout: Box::new(stdout.clone()),
            stderr: Box::new(stderr.clone()),
            deadline: Duration::from_secs(60),
            memory_bytes_max: 64 << 20,
        })
        .await
        .expect("it ends by itself");
    Outcome { finished, stdout: stdout.text(), stderr: stderr.text() }
}

fn entry_point() -> EntryPoint {
    let host = Host::builder().build().expect("the machine can run components");
    host.entry_point(&guest_artifacts::guest("sensitive_data")).expect("it is a WASI command")
}

#[tokio::test]
async fn install_prints_the_four_lines_and_leaves_the_name() {
    let mut outcome = run("install", Some("example-bundle"), &[("PASSWORD", "top-secret")]).await;
    assert_eq!(
        outcome.stdout,
        "executing install action from sensitive-data (installation: /sensitive-data)\n\
         Install Hello World\n\
         Hello, installing example-bundle with password: top-secret\n\
         execution completed successfully!\n"
    );
    assert_eq!(outcome.stderr, "");
    assert_eq!(outcome.finished.exit_code, 0);
    assert_eq!(outcome.output().as_deref(), Some("example-bundle"));
}

#[tokio::test]
async fn later_actions_do_without_the_password() {
    for (action, step, greeting) in [
        ("upgrade", "World 2.0", "Hello, upgrading example-bundle"),
        ("uninstall", "Uninstall Hello World", "Goodbye, example-bundle"),
    ] {
        let mut outcome = run(action, Some("example-bundle"), &[]).await;
        assert_eq!(
            outcome.stdout,
            format!(
                "executing {action} action from sensitive-data (installation: /sensitive-data)\n\
                 {step}\n{greeting}\nexecution completed successfully!\n"
            )
        );
        assert_eq!(outcome.stderr, "");
        assert_eq!(outcome.finished.exit_code, 0);
        assert_eq!(outcome.output().as_deref(), Some("example-bundle"));
    }
}

#[tokio::test]
async fn what_is_missing_is_said_on_standard_error() {
    for (action, name, variables, expected) in [
        ("install", Some("x"), vec![], "the variable PASSWORD is not set\n"),
        ("upgrade", None, vec![], "/cnab/app/foo/name.txt: "),
        ("dance", Some("x"), vec![("PASSWORD", "y")], "the bundle has no action \"dance\""),
    ] {
        let mut outcome = run(action, name, &variables).await;
        assert!(outcome.stderr.starts_with(expected), "{}", outcome.stderr);
        assert_eq!(outcome.stdout, "");
        assert_eq!(outcome.finished.exit_code, 1);
        assert_eq!(outcome.output(), None);
    }
}

/// A name and a password that are longer than what a file and a stream take at once.
#[tokio::test]
async fn long_values_come_through_whole() {
    let (name, password) = ("n".repeat(200_000), "p".repeat(10_000));
    let mut outcome = run("install", Some(&name), &[("PASSWORD", &password)]).await;
    let line = format!("Hello, installing {name} with password: {password}\n");
    assert!(outcome.stdout.contains(&line), "{}", outcome.stdout.len());
    assert_eq!(outcome.output(), Some(name));
}
