//! A registry that is closed: with TLS, for one user.

use crate::stage::{Stage, walk};
use crate::{at, config, machine, use_store};
use backends::registry::{Closed, Server};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::fs;

const USER: &str = "acme";
const PASSWORD: &str = "c4n4ry-of-the-registry";
/// `acme:c4n4ry-of-the-registry` in Base64, as `docker login` writes it.
const AUTH: &str = "YWNtZTpjNG40cnktb2YtdGhlLXJlZ2lzdHJ5";

fn closed() -> (Server, Stage) {
    let names = vec!["127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let (certificate, key) =
        (pem("CERTIFICATE", cert.der()), pem("PRIVATE KEY", signing_key.serialized_der()));
    let server =
        Server::start_closed(Closed { user: USER, password: PASSWORD, tls: (&certificate, &key) });
    let stage = machine();
    fs::write(stage.home().join("ca.pem"), certificate).unwrap();
    stage.config(&registries(&server));
    (server, stage)
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn registries(server: &Server) -> String {
    format!("registries:\n  - registry: {}\n    ca: ca.pem\n", server.name())
}

fn docker(stage: &Stage, config: &str) {
    let folder = stage.path("user/.docker");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.json"), config).unwrap();
}

#[test]
fn a_registry_is_given_dockers_credentials() {
    let (server, stage) = closed();
    let reference = at(&server, "acme/filesystem:1.0");
    let publish = ["plugins", "publish", "filesystem.wasm", &reference, "--verbosity", "debug"];
    let host = server.name();
    let check = |config: &str, refused: Option<(i32, &str, &str)>| {
        docker(&stage, config);
        let answer = stage.coffer(&publish);
        for stream in [answer.stdout(), answer.stderr()] {
            assert!(!stream.contains(PASSWORD) && !stream.contains(AUTH), "{stream}");
        }
        match refused {
            None => drop(answer.succeeded()),
            Some((code, fault, word)) => drop(answer.refused(code, fault, &[word])),
        }
    };
    check("{}", Some((3, "operator", "asks for credentials, and Docker's configuration has none")));
    check(
        &format!(r#"{{"auths":{{"elsewhere.example":{{"auth":"{AUTH}"}}}}}}"#),
        Some((3, "operator", "has none for it")),
    );
    check(
        &format!(r#"{{"auths":{{"{host}":{{"auth":"YTpi"}}}}}}"#),
        Some((3, "operator", "does not take the credentials")),
    );
    check(
        &format!(r#"{{"auths":{{"{host}":"{AUTH}"}}}}"#),
        Some((3, "operator", "has not the form")),
    );
    check(&format!(r#"{{"auths":{{"{host}":{{"auth":"{AUTH}"}}}}}}"#), None);

    // A helper, for this registry or for all; what it prints when it fails is shown nowhere.
    let printed = format!(r#"{{"ServerURL":"{host}","Username":"{USER}","Secret":"{PASSWORD}"}}"#);
    let script = |end: &str| {
        format!(
            "[ \"$1\" = get ] || exit 9\nread -r server\n[ \"$server\" = '{host}' ] || exit 8\n{end}\n"
        )
    };
    stage.program("docker-credential-good", &script(&format!("echo '{printed}'")));
    stage.program(
        "docker-credential-bad",
        &script(&format!("echo '{printed}'; echo '{printed}' >&2; exit 1")),
    );
    stage.program(
        "docker-credential-none",
        &script("echo 'credentials not found in native keychain'; exit 1"),
    );
    check(&format!(r#"{{"credHelpers":{{"{host}":"good"}},"credsStore":"bad"}}"#), None);
    check(r#"{"credsStore":"good"}"#, None);
    check(r#"{"credsStore":"bad"}"#, Some((3, "operator", "`docker-credential-bad` ended with")));
    check(
        r#"{"credsStore":"absent"}"#,
        Some((3, "operator", "`docker-credential-absent` cannot be run")),
    );
    check(r#"{"credsStore":"none"}"#, Some((3, "operator", "has none for it")));
    check(&format!(r#"{{"credsStore":"none","auths":{{"{host}":{{"auth":"{AUTH}"}}}}}}"#), None);

    // A store pulls with them, and they are nowhere but where they were.
    let pinned = stage.coffer(&publish[..4]).succeeded().stdout();
    stage.config(&config(pinned.trim_end(), &registries(&server)));
    use_store(&stage);
    for path in walk(&stage.path("")).into_iter().filter(|path| path.starts_with(stage.home())) {
        let bytes = fs::read(&path).unwrap_or_default();
        for secret in [PASSWORD, AUTH] {
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}

#[test]
fn a_registry_is_the_one_that_is_trusted() {
    let (server, stage) = closed();
    docker(&stage, &format!(r#"{{"auths":{{"{}":{{"auth":"{AUTH}"}}}}}}"#, server.name()));
    let reference = at(&server, "acme/filesystem:1.0");
    stage.config(&format!(
        "registries: [{{ registry: \"{}\", plain-http: false }}]\n",
        server.name()
    ));
    let publish = ["plugins", "publish", "filesystem.wasm", &reference];
    stage.coffer(&publish).refused(5, "backend", &["its certificate is signed by nobody"]);
    // On this machine, without `ca`, there would be no TLS; the server says what it thinks of that.
    stage.config("");
    stage.coffer(&publish).refused(5, "backend", &["it answered 400"]);
    stage.config(&registries(&server));
    stage.coffer(&publish).succeeded();
}
