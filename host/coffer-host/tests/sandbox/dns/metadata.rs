//! The addresses at which clouds tell a machine its credentials. They are put up in a network namespace of
//! the test's own, never on the machine's interfaces, where somebody may answer.

use super::{Scripted, granted_on};
use crate::server::{Server, ok, reply};
use crate::stage::{Stage, ask, contains, refused};
use coffer_host::{Blame, Store};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

/// Set in the namespace.
const INSIDE: &str = "COFFER_TEST_IN_A_NAMESPACE";

/// Brings the addresses up and becomes the program that it is given.
const SETUP: &str = "ip link set lo up \
    && ip addr add 169.254.169.254/32 dev lo \
    && ip addr add 1.1.1.1/32 dev lo \
    && ip addr add 100.100.100.200/32 dev lo \
    && ip -6 addr add fd00:ec2::254/128 dev lo nodad \
    && exec \"$0\" \"$@\"";

#[test]
fn metadata_is_out_of_reach() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let again = crate::again::again(module_path!(), "metadata_is_out_of_reach");
    let mut command = Command::new("unshare");
    command.arg("--net");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["sh", "-c", SETUP]).arg(again.get_program()).args(again.get_args());
    command.env(INSIDE, "1");
    // There is no other proof that it holds, so a machine that cannot make one fails here.
    let output = command.output().unwrap_or_else(|error| {
        panic!(
            "this test needs `unshare` and `ip`, and a kernel that lets it make a network: {error}"
        )
    });
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "this test needs `unshare` and `ip`, and a kernel that lets it make a network; in it: {said}"
    );
}

fn inside() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for host in ["169.254.169.254", "[fd00:ec2::254]", "100.100.100.200"] {
            check(host).await;
        }
    });
}

/// The host asks for the machine's identity where the operator names that, and the plugin of that store cannot.
async fn identity(metadata: &Server) {
    let backend = Server::at("1.1.1.1:80", |request| {
        assert_eq!(request.header("authorization"), ["Bearer canary-token"]);
        ok("in")
    });
    let azure = json!({ "login": "managed-identity", "resource": "https://vault.azure.net" });
    let google = json!({ "login": "google-metadata" });
    for (number, (login, header, path)) in [
        (
            azure,
            ("metadata", "true"),
            "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https",
        ),
        (
            google,
            ("metadata-flavor", "Google"),
            "/computeMetadata/v1/instance/service-accounts/default/token",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let before = metadata.received().len();
        let mut grant = json!({ "url": "http://1.1.1.1/**", "methods": ["GET"] });
        grant["headers"] = json!({ "Authorization": { "setting": "token", "prefix": "Bearer " } });
        let own = json!({ "url": "http://169.254.169.254/**", "methods": ["GET"] });
        let store = |grants: Value| {
            Stage::of("http_get")
                .settings(&json!({ "token": login }))
                .grants(json!({ "http": grants }))
                .open()
        };
        let at = store(json!([grant]));
        assert_eq!(ask(&at, "http://1.1.1.1/a").await.unwrap(), "200 in");
        let asked = metadata.received().split_off(before);
        assert_eq!(asked[0].header(header.0), [header.1]);
        assert_eq!((asked.len(), backend.received().len()), (1, number + 1));
        contains(asked[0].path(), path);
        let address = format!("http://169.254.169.254{}", path.split('?').next().unwrap());
        for (grants, why) in [
            (json!([grant]), "no grant allows GET"),
            (json!([grant, own]), "which is not on the public internet"),
        ] {
            let result = ask(&store(grants), address.as_str()).await;
            contains(&refused(result, "other", Blame::Operator), why);
        }
        assert_eq!(metadata.received().len(), before + 1);
    }
}

/// The credentials at `host` can be reached, and a plugin reaches them with the operator's word only.
async fn check(host: &str) {
    let metadata = Server::at(&format!("{host}:80"), |request| {
        if ["/metadata/identity/", "/computeMetadata/"]
            .iter()
            .any(|it| request.path().starts_with(it))
        {
            return ok(r#"{"access_token":"canary-token","expires_in":"3599"}"#);
        }
        ok("the machine's credentials")
    });
    let url = format!("http://{host}/latest/meta-data/");
    assert!(plainly(host).ends_with("the machine's credentials"), "{host} is there");
    let grant = |url: &str, private: bool| json!({ "url": url, "methods": ["GET"], "private-addresses": private });
    let store = |guest: &str, grants: &[Value]| -> Store {
        Stage::of(guest).grants(json!({ "http": grants })).open()
    };
    let allowed = store("http_get", &[grant(&url, true)]);
    assert_eq!(ask(&allowed, url.as_str()).await.unwrap(), "200 the machine's credentials");
    assert_eq!(metadata.received().len(), 2, "{host}");

    let stopped = |result, why: &str| {
        contains(&refused(result, "other", Blame::Operator), why);
        assert_eq!(metadata.received().len(), 2, "{host}");
    };
    let within = "which is not on the public internet";
    // By its address, through either interface.
    stopped(ask(&store("http_get", &[grant(&url, false)]), url.as_str()).await, within);
    let seen = ask(&store("http_wasi", &[grant(&url, false)]), url.as_str()).await.unwrap();
    assert_eq!((seen.as_str(), metadata.received().len()), ("denied", 2));
    // By a name, alone and behind one that is public, and dressed as IPv6.
    let plain = host.trim_matches(['[', ']']);
    let dressed = format!("::ffff:{plain}");
    let mut answers = vec![vec![plain], vec!["1.1.1.1", plain]];
    if !plain.contains(':') {
        answers.push(vec![&dressed]);
    }
    for answer in answers {
        let dns = Scripted::default();
        dns.then(&answer);
        let named = granted_on("http_get", dns, 80, false);
        stopped(ask(&named, "http://backend.example/latest/meta-data/").await, within);
    }
    // By a redirect of a server that may be reached.
    let to = url.clone();
    let server = Server::start(move |_| reply("302 Found", &format!("location: {to}\r\n"), ""));
    let from = server.url("/v1/a");
    let ungranted = store("http_follow", &[grant(&from, true)]);
    stopped(ask(&ungranted, from.as_str()).await, "no grant allows GET");
    let both = store("http_follow", &[grant(&from, true), grant(&url, false)]);
    stopped(ask(&both, from.as_str()).await, within);
    // In the spellings that a resolver would take for it.
    if !plain.contains(':') {
        for alias in [
            "2852039166",
            "0xa9fea9fe",
            "169.254.43518",
            "0251.0376.0251.0376",
            "[::ffff:169.254.169.254]",
        ] {
            let url = format!("http://{alias}/latest/meta-data/");
            let text = refused(ask(&allowed, url).await, "other", Blame::Plugin);
            contains(&text, "the URL is refused");
        }
        assert_eq!(metadata.received().len(), 2);
    }
    if plain == "169.254.169.254" {
        identity(&metadata).await;
    }
}

/// What is there for whoever asks without coffer.
fn plainly(host: &str) -> String {
    let mut stream = TcpStream::connect(format!("{host}:80")).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
