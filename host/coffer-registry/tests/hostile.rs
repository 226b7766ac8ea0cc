//! Registries that do what no good one does. What real ones do is in `tests/registries`.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "these tests look at files behind the library's back, and what they stand on is theirs"
)]

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coffer_host::Explain as _;
use coffer_registry::{
    Credentials, Digest, OciReference, Place, Registries, RegistryError, limits,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use tempfile::TempDir;

/// What was asked: the method, the path, and the headers by their names in lower case.
#[derive(Clone, Debug)]
struct Asked {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What is answered: the status, the headers, the body, and of that how much until the connection is cut.
#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    cut: usize,
}

fn answer(status: u16, headers: &[(&'static str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Answer { status, headers, body: body.into(), cut: usize::MAX }
}

/// A server on loopback, and what it was asked.
struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    fn start(answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (all, answers) = (Arc::clone(&asked), Arc::new(answers));
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let (all, answers) = (Arc::clone(&all), Arc::clone(&answers));
                thread::spawn(move || serve(&connection, &all, &*answers));
            }
        });
        Self { port, asked }
    }

    fn name(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// One request for each connection.
fn serve(connection: &TcpStream, all: &Mutex<Vec<Asked>>, answers: &dyn Fn(&Asked) -> Answer) {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    if reader.read_line(&mut line).is_err() || line.is_empty() {
        return;
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let asked = Asked { method, path, headers };
    let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    reader.take(length).read_to_end(&mut Vec::new()).unwrap();
    all.lock().unwrap().push(asked.clone());
    let Answer { status, headers, body, cut } = answers(&asked);
    let mut text =
        format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    let sent = body.len().min(cut);
    let mut connection = connection;
    // Who has heard enough hangs up.
    let _ = connection.write_all((text + "\r\n").as_bytes());
    let _ = connection.write_all(&body[..sent]);
}

/// A plugin in a registry, by what the registry is asked for.
struct Plugin {
    component: Vec<u8>,
    manifest: Vec<u8>,
}

impl Plugin {
    /// One whose blob is said to have so many bytes. Nobody looks into it before it is used.
    fn sized(component: &[u8], size: usize) -> Self {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.wasm.config.v0+json", b"{}", 2),
            "layers": [descriptor("application/wasm", component, size)],
        });
        Self { component: component.to_vec(), manifest: manifest.to_string().into_bytes() }
    }

    fn new(component: &[u8]) -> Self {
        Self::sized(component, component.len())
    }

    fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }

    /// What a good registry would answer.
    fn answers(&self, asked: &Asked) -> Answer {
        if asked.path.contains("/manifests/sha256-") || asked.path.contains("/referrers/") {
            answer(404, &[], "")
        } else if asked.path.contains("/manifests/") {
            answer(200, &[], self.manifest.clone())
        } else if asked.path.ends_with(&Digest::of(b"{}").to_string()) {
            answer(200, &[], "{}")
        } else if asked.path.ends_with(&Digest::of(&self.component).to_string()) {
            answer(200, &[], self.component.clone())
        } else {
            answer(404, &[], "")
        }
    }

    fn is_component(&self, asked: &Asked) -> bool {
        asked.path.contains("/blobs/")
            && asked.path.ends_with(&Digest::of(&self.component).to_string())
    }
}

fn descriptor(media_type: &str, bytes: &[u8], size: usize) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(bytes), "size": size })
}

/// Somebody with a directory for what is pulled, and perhaps Docker's configuration.
struct Operator {
    directory: TempDir,
}

impl Operator {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn docker(&self, config: &Value) {
        std::fs::write(self.directory.path().join("config.json"), config.to_string()).unwrap();
    }

    fn registries(&self) -> Registries {
        self.placed(Vec::new())
    }

    fn placed(&self, places: Vec<Place>) -> Registries {
        let path = self.directory.path();
        let directory = Dir::open_ambient_dir(path, ambient_authority()).unwrap();
        Registries::new(&directory, path, Credentials::of(Some(path.to_owned())), places).unwrap()
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn pinned(server: &Server, plugin: &Plugin) -> OciReference {
    OciReference::parse(&format!("oci://{}/acme/a@{}", server.name(), plugin.digest())).unwrap()
}

const PASSWORD: &str = "c4n4ry";

/// `user:c4n4ry` in Base64.
const AUTH: &str = "dXNlcjpjNG40cnk=";

fn said(error: &RegistryError) -> String {
    let said = format!("{error} {} {error:?}", error.next());
    assert!(!said.contains(PASSWORD) && !said.contains(AUTH), "{said}");
    said
}

/// Pulls something that has a digest, and gives what was said against it.
async fn refused(operator: &Operator, reference: &OciReference) -> String {
    let pulled = operator.registries().component(reference).await;
    said(&pulled.unwrap_err())
}

#[tokio::test]
async fn a_blob_elsewhere_is_pulled_without_credentials() {
    let plugin = Arc::new(Plugin::new(b"component"));
    let served = Arc::clone(&plugin);
    let elsewhere = Server::start(move |_| answer(200, &[], served.component.clone()));
    let to = format!("http://{}/storage?signed=1", elsewhere.name());
    let served = Arc::clone(&plugin);
    let registry = Server::start(move |asked| match asked.header("authorization") {
        None => answer(401, &[("www-authenticate", "Basic realm=\"r\"")], ""),
        Some(_) if served.is_component(asked) => answer(307, &[("location", &to)], ""),
        Some(_) => served.answers(asked),
    });
    let operator = Operator::new();
    operator.docker(&json!({ "auths": { registry.name(): { "auth": AUTH } } }));
    let component = operator.registries().component(&pinned(&registry, &plugin)).await.unwrap();
    assert_eq!(component, plugin.component);
    let elsewhere = elsewhere.asked();
    assert_eq!(elsewhere[0].path, "/storage?signed=1");
    assert!(elsewhere.iter().all(|asked| asked.header("authorization").is_none()), "{elsewhere:?}");
    // The registry is told who asks only when it has asked for that.
    assert_eq!(registry.asked()[0].header("authorization"), None);
    assert_eq!(registry.asked()[1].header("authorization"), Some(&*format!("Basic {AUTH}")));
}

#[tokio::test]
async fn a_token_is_asked_for_what_is_done_and_goes_to_the_registry_alone() {
    let plugin = Arc::new(Plugin::new(b"component"));
    let tokens = Server::start(|_| answer(200, &[], r#"{"token":"t0ken"}"#));
    let realm = format!(
        "Bearer realm=\"http://{}/token?a=b\",service=\"s\",scope=\"repository:others/secret:*\"",
        tokens.name()
    );
    let served = Arc::clone(&plugin);
    let registry = Server::start(move |asked| match asked.header("authorization") {
        Some("Bearer t0ken") => served.answers(asked),
        _ => answer(401, &[("www-authenticate", &realm)], ""),
    });
    let operator = Operator::new();
    let reference = pinned(&registry, &plugin);
    operator.registries().component(&reference).await.unwrap();
    let asked = &tokens.asked()[0];
    assert_eq!(asked.path, "/token?a=b&service=s&scope=repository%3Aacme%2Fa%3Apull");
    assert_eq!(asked.header("authorization"), None);
    // With a password, and with a token that is exchanged.
    for (entry, method, authorization) in [
        (json!({ "auth": AUTH }), "GET", Some(format!("Basic {AUTH}"))),
        (json!({ "identitytoken": PASSWORD }), "POST", None),
    ] {
        let operator = Operator::new();
        operator.docker(&json!({ "auths": { registry.name(): entry } }));
        operator.registries().component(&reference).await.unwrap();
        let asked = tokens.asked().pop().unwrap();
        assert_eq!(
            (asked.method.as_str(), asked.header("authorization")),
            (method, authorization.as_deref())
        );
        assert!(!asked.path.contains(PASSWORD));
    }
    assert!(registry.asked().iter().all(|asked| !format!("{asked:?}").contains(AUTH)));
}

#[tokio::test]
async fn credentials_that_are_refused_are_not_shown() {
    let registry = Server::start(|_| {
        answer(401, &[("www-authenticate", "Basic realm=\"r\"")], format!("{AUTH} {PASSWORD}"))
    });
    let operator = Operator::new();
    operator.docker(&json!({ "auths": { registry.name(): { "auth": AUTH } } }));
    let said = refused(&operator, &pinned(&registry, &Plugin::new(b""))).await;
    assert!(said.contains("does not take the credentials"), "{said}");
}

#[tokio::test]
async fn nothing_goes_without_tls_to_where_it_was_not_meant_to() {
    let plugin = Plugin::new(b"component");
    let reference = |registry: &Server| pinned(registry, &plugin);
    for (status, name, value, word) in [
        (307, "location", "http://192.0.2.1/a", "leads to a host without TLS"),
        (307, "location", "ftp://127.0.0.1/a", "is no URL of HTTP"),
        (307, "location", "http://user@127.0.0.1/a", "is no URL of HTTP"),
        (307, "location", "//127.0.0.1/a", "is no URL of HTTP"),
        (307, "other", "", "does not say where"),
        (307, "location", "/v2/on", "leads on and on"),
        (
            401,
            "www-authenticate",
            "Bearer realm=\"http://192.0.2.1/\"",
            "wants credentials to go to a host without TLS",
        ),
        (401, "www-authenticate", "Bearer realm=\"token\"", "is no URL of HTTP"),
    ] {
        let registry = Server::start(move |_| answer(status, &[(name, value)], ""));
        let operator = Operator::new();
        operator.docker(&json!({ "auths": { registry.name(): { "auth": AUTH } } }));
        let said = refused(&operator, &reference(&registry)).await;
        assert!(said.contains(word), "{value}: {said}");
        assert!(registry.asked().len() <= limits::REDIRECTS_MAX + 1);
    }
    // A registry that is not this machine is spoken to with TLS, unless the operator says otherwise: here nobody
    // answers that.
    let server = Server::start(|_| answer(200, &[], ""));
    let place = Place::new(Path::new(""), &server.name(), None, Some(false), None).unwrap();
    let error =
        Operator::new().placed(vec![place]).component(&reference(&server)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn what_is_uploaded_goes_to_the_registry_alone() {
    let elsewhere = Server::start(|_| answer(201, &[], ""));
    let to = format!("http://{}/upload", elsewhere.name());
    let registry = Server::start(move |asked| match asked.method.as_str() {
        "POST" => answer(202, &[("location", &to)], ""),
        _ => answer(404, &[], ""),
    });
    let reference = OciReference::parse(&format!("{}/acme/a:t", registry.name())).unwrap();
    let component = guest_artifacts::plugin("filesystem");
    let error = Operator::new().registries().publish(component, &reference).await.unwrap_err();
    assert!(said(&error).contains("wants what is uploaded to go to another host"));
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn what_does_not_have_its_digest_is_refused_and_not_kept() {
    let (good, bad) = (Arc::new(Plugin::new(b"good")), Plugin::new(b"bad!"));
    let manifest = bad.manifest.clone();
    let other = Server::start(move |_| answer(200, &[], manifest.clone()));
    let operator = Operator::new();
    let said = refused(&operator, &pinned(&other, &good)).await;
    let expected = format!("should have the digest {} and has {}", good.digest(), bad.digest());
    assert!(said.contains("the manifest of") && said.contains(&expected), "{said}");

    let served = Arc::clone(&good);
    let other = Server::start(move |asked| {
        if served.is_component(asked) { answer(200, &[], "bad!") } else { served.answers(asked) }
    });
    let said = refused(&operator, &pinned(&other, &good)).await;
    assert!(said.contains("a blob of") && said.contains("was tampered with"), "{said}");
    let kept = operator.names("blobs");
    assert!(!kept.iter().any(|name| name == Digest::of(b"bad!").hex()), "{kept:?}");
    assert!(!kept.iter().any(|name| name == Digest::of(b"good").hex()), "{kept:?}");
    assert_eq!(operator.names("partial"), [""; 0]);
}

#[tokio::test]
async fn nothing_is_larger_than_its_bound() {
    // A manifest, as it comes and as it is announced.
    let large = Server::start(|_| answer(200, &[], vec![b' '; limits::MANIFEST_BYTES_MAX + 1]));
    let plugin = Arc::new(Plugin::new(b"component"));
    let said = refused(&Operator::new(), &pinned(&large, &plugin)).await;
    assert!(said.contains("the manifest of") || said.contains("is too large"), "{said}");
    // A blob that is said to be larger than a component may be is not asked for.
    let huge = Arc::new(Plugin::sized(b"component", coffer_host::limits::COMPONENT_BYTES_MAX + 1));
    let served = Arc::clone(&huge);
    let registry = Server::start(move |asked| served.answers(asked));
    let said = refused(&Operator::new(), &pinned(&registry, &huge)).await;
    assert!(said.contains("is too large"), "{said}");
    assert!(!registry.asked().iter().any(|asked| huge.is_component(asked)));
    // One that turns out to be larger than was said is not read to its end.
    let small = Arc::new(Plugin::sized(b"component", 5));
    let served = Arc::clone(&small);
    let registry = Server::start(move |asked| served.answers(asked));
    let operator = Operator::new();
    let said = refused(&operator, &pinned(&registry, &small)).await;
    assert!(said.contains("is too large: coffer takes 5 bytes"), "{said}");
}

/// Serves a component that is cut after so many bytes, and from `Range` on if it knows that.
fn cutting(plugin: &Arc<Plugin>, cut: usize, ranges: bool) -> Server {
    let served = Arc::clone(plugin);
    Server::start(move |asked| {
        if !served.is_component(asked) {
            return served.answers(asked);
        }
        let start = asked.header("range").map_or(0, |range| {
            range.trim_start_matches("bytes=").trim_end_matches('-').parse::<usize>().unwrap()
        });
        let length = served.component.len();
        let range = format!("bytes {start}-{}/{length}", length - 1);
        let good = match start {
            1.. if ranges => answer(206, &[("content-range", &range)], &served.component[start..]),
            _ => answer(200, &[], served.component.clone()),
        };
        Answer { cut, ..good }
    })
}

fn ranges(server: &Server, plugin: &Plugin) -> Vec<Option<String>> {
    let asked = server.asked().into_iter().filter(|asked| plugin.is_component(asked));
    asked.map(|asked| asked.header("range").map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_blob_goes_on_where_it_was_cut() {
    let component: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let plugin = Arc::new(Plugin::new(&component));
    let server = cutting(&plugin, 300, true);
    let operator = Operator::new();
    let seen: Arc<Mutex<Vec<(u64, u64)>>> = Arc::default();
    let watched = Arc::clone(&seen);
    let registries =
        operator.registries().watched(move |done, all| watched.lock().unwrap().push((done, all)));
    assert_eq!(registries.component(&pinned(&server, &plugin)).await.unwrap(), component);
    let asked: Vec<_> = ranges(&server, &plugin);
    let from = |start: usize| Some(format!("bytes={start}-"));
    assert_eq!(asked, [None, from(300), from(600), from(900)]);
    assert_eq!(seen.lock().unwrap().last(), Some(&(1000, 1000)));

    // Another process goes on, too; and where a registry knows no ranges, it begins anew.
    let operator = Operator::new();
    let server = cutting(&plugin, 100, true);
    let said = refused(&operator, &pinned(&server, &plugin)).await;
    assert!(said.contains("the connection was lost"), "{said}");
    assert_eq!(ranges(&server, &plugin).len(), limits::TRIES_MAX);
    let server = cutting(&plugin, usize::MAX, true);
    let got = operator.registries().component(&pinned(&server, &plugin)).await.unwrap();
    assert_eq!((got, ranges(&server, &plugin)), (component.clone(), vec![from(400)]));
    let operator = Operator::new();
    let server = cutting(&plugin, 100, true);
    refused(&operator, &pinned(&server, &plugin)).await;
    let server = cutting(&plugin, usize::MAX, false);
    let got = operator.registries().component(&pinned(&server, &plugin)).await.unwrap();
    assert_eq!((got, ranges(&server, &plugin)), (component, vec![from(400)]));
}

#[tokio::test]
async fn a_beginning_that_is_something_else_is_not_gone_on_with() {
    let plugin = Arc::new(Plugin::new(b"component"));
    let operator = Operator::new();
    drop(operator.registries());
    let partial = operator.directory.path().join("partial").join(Digest::of(b"component").hex());
    std::fs::write(&partial, "COMP").unwrap();
    let server = cutting(&plugin, usize::MAX, true);
    let said = refused(&operator, &pinned(&server, &plugin)).await;
    assert!(said.contains("was tampered with"), "{said}");
    // The next time begins anew.
    let got = operator.registries().component(&pinned(&server, &plugin)).await.unwrap();
    assert_eq!(got, plugin.component);
}

#[tokio::test]
async fn a_server_on_the_internet_leads_to_no_private_address() {
    // Nobody on the internet can be asked here, so this is the means by which it is kept.
    let server = Server::start(|_| answer(200, &[], ""));
    let request = http::Request::get(format!("http://{}/", server.name()));
    let request = request.body(http_body_util::Full::new(bytes::Bytes::new())).unwrap();
    use coffer_host::carrier::{Carrier, CarrierError};
    use coffer_host::grants::Reach;
    let within = limits::FIRST_BYTE_MAX;
    let confined = Carrier::new(Reach::Public, None).unwrap().send(request.clone(), within).await;
    assert_eq!(confined.unwrap_err(), CarrierError::Denied);
    assert!(server.asked().is_empty());
    let answer = Carrier::new(Reach::Private, None).unwrap().send(request, within).await.unwrap();
    assert!(!answer.public);
}
