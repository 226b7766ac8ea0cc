//! What a plugin's author does: make a crate of each template, test it, build it, look at it and use it.

use crate::crates::{build, new, root, shell};
use crate::stage::Stage;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::{collections::BTreeMap, env, fs, thread};

/// Has the crate's own tests pass, and none of them left out.
#[track_caller]
fn tested(stage: &Stage, name: &str, count: usize) {
    let said = shell(stage, name, "cargo test").succeeded().stdout();
    assert!(
        said.contains(&format!("test result: ok. {count} passed; 0 failed; 0 ignored")),
        "{said}"
    );
}

#[track_caller]
fn inspected(stage: &Stage, name: &str) -> Value {
    let file = stage.home().join(format!("{name}.wasm"));
    stage.coffer(&["plugins", "inspect", file.to_str().unwrap(), "-o", "json"]).json()
}

/// The imports of what was built, without those that reach nothing.
fn reaching(inspected: &Value) -> Vec<&str> {
    let imports = inspected["imports"].as_array().unwrap().iter();
    let reaching =
        imports.filter(|import| !import["needs"].as_str().unwrap().starts_with("nothing"));
    reaching.map(|import| import["name"].as_str().unwrap()).collect()
}

#[test]
fn the_minimal_template_is_a_plugin() {
    let stage = Stage::new();
    new(&stage, "shelf", "minimal");
    tested(&stage, "shelf", 1);
    let built = build(&stage, "shelf");
    let looked = inspected(&stage, "shelf");
    assert_eq!(built["digest"], looked["digest"]);
    assert_eq!(looked["name"], "shelf");
    assert_eq!(looked["wit-version"], "0.1.0");
    assert_eq!(looked["can"], serde_json::json!(["resolve"]));
    assert_eq!(reaching(&looked), ["wasi:cli/environment@0.2.12"]);
    stage.config(
        "default-secrets: mine\nsecrets:\n- name: mine\n  plugin: ./shelf.wasm\n  config: { variables: [DB_PASSWORD] }\n  \
         grants: { environment: [DB_PASSWORD] }\n",
    );
    let get = |name: &str| {
        let call = stage.call(&["secrets", "get", name, "--reveal"]);
        call.variable("DB_PASSWORD", "hunter2").variable("OTHER", "hunter3").run()
    };
    assert_eq!(get("DB_PASSWORD").succeeded().stdout(), "hunter2");
    get("OTHER").refused(2, "requester", &["OTHER"]);
}

#[test]
fn the_fs_template_is_a_plugin() {
    let stage = Stage::new();
    new(&stage, "drawer", "fs");
    tested(&stage, "drawer", 2);
    build(&stage, "drawer");
    let looked = inspected(&stage, "drawer");
    assert_eq!(looked["can"], serde_json::json!(["resolve", "put", "delete", "list"]));
    stage.config(
        "default-secrets: mine\nsecrets:\n- name: mine\n  plugin: ./drawer.wasm\n  grants:\n    directories:\n    - \
         { host: ./drawer, guest: /secrets, access: read-write, create: true }\n",
    );
    stage.call(&["secrets", "put", "db/password"]).stdin("hunter2").run().succeeded();
    assert_eq!(stage.secret("db/password"), b"hunter2");
    assert_eq!(stage.keys(), ["db/password"]);
    assert_eq!(stage.names("home/drawer"), ["db%2fpassword"]);
    stage.coffer(&["secrets", "delete", "db/password"]).succeeded();
    assert!(stage.keys().is_empty());
}

#[test]
fn the_http_template_is_a_plugin() {
    let stage = Stage::new();
    new(&stage, "cellar", "http");
    tested(&stage, "cellar", 2);
    build(&stage, "cellar");
    let looked = inspected(&stage, "cellar");
    assert_eq!(looked["can"], serde_json::json!(["resolve", "put", "delete"]));
    assert_eq!(reaching(&looked), ["coffer:host/http@0.1.0"]);
    let address = service();
    stage.config(&format!(
        "default-secrets: mine\nsecrets:\n- name: mine\n  plugin: ./cellar.wasm\n  config: {{ address: \"{address}\", \
         token: t0ken }}\n  grants:\n    http:\n    - url: {address}/v1/*\n      methods: [DELETE, GET, PUT]\n      \
         headers: {{ Authorization: {{ setting: token, prefix: \"Bearer \" }} }}\n      private-addresses: true\n"
    ));
    stage.call(&["secrets", "put", "db/password"]).stdin("hunter2").run().succeeded();
    assert_eq!(stage.secret("db/password"), b"hunter2");
    stage.coffer(&["secrets", "delete", "db/password"]).succeeded();
    stage.coffer(&["secrets", "get", "db/password"]).refused(2, "requester", &["db/password"]);
}

/// The service that the template is for, until the test ends. Who has not its token is refused.
fn service() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut secrets = BTreeMap::new();
        for connection in listener.incoming() {
            answer(&mut secrets, connection.unwrap());
        }
    });
    address
}

fn answer(secrets: &mut BTreeMap<String, Vec<u8>>, connection: TcpStream) {
    let mut reader = BufReader::new(connection);
    let (mut head, mut length, mut known) = (String::new(), 0, false);
    reader.read_line(&mut head).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let (name, value) = line.trim_end().split_once(": ").unwrap_or_default();
        match name.to_lowercase().as_str() {
            "" => break,
            "authorization" => known = value == "Bearer t0ken",
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap().to_owned());
    let (status, body) = match (method, secrets.get(&path)) {
        _ if !known => (401, Vec::new()),
        ("GET", Some(value)) => (200, value.clone()),
        ("PUT", _) => {
            secrets.insert(path, body);
            (204, Vec::new())
        }
        ("DELETE", Some(_)) => {
            secrets.remove(&path);
            (204, Vec::new())
        }
        _ => (404, Vec::new()),
    };
    let length =
        if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let head = format!("HTTP/1.1 {status} x\r\n{length}connection: close\r\n\r\n");
    let connection = reader.get_mut();
    connection.write_all(head.as_bytes()).unwrap();
    connection.write_all(&body).unwrap();
}

#[test]
fn a_name_that_cannot_be_one_is_refused() {
    let stage = Stage::cold();
    let check = |name: &str, why: &str| {
        stage.coffer(&["plugins", "new", "--", name]).refused(2, "requester", &[why]);
        assert_eq!(stage.hidden("work"), ["bundle"], "{name}");
    };
    for name in
        ["", "A", "1a", "a_b", "a b", "../a", "a/b", "-a", "a-", "a--b", "\u{e4}", "a.b", "/tmp/a"]
    {
        check(name, "it takes small letters");
    }
    for name in ["fn", "test", "std", "coffer-plugin", "async"] {
        check(name, "cargo takes it for something else");
    }
    for name in ["vault", "filesystem", "host"] {
        check(name, "a plugin that comes with coffer has it");
    }
    check(&"a".repeat(65), "more than 64");
    stage.coffer(&["plugins", "new", &"a".repeat(64)]).succeeded();
    // Nothing of coffer's own is needed, and nothing is made of it.
    assert_eq!(stage.hidden("home"), [""; 0]);
}

#[test]
fn what_is_there_is_left_as_it_is() {
    let stage = Stage::cold();
    stage.file("shelf/notes", "mine");
    stage.coffer(&["plugins", "new", "shelf"]).refused(2, "requester", &["something called shelf"]);
    assert_eq!(stage.hidden("work/shelf"), ["notes"]);
    std::os::unix::fs::symlink("/nowhere", stage.path("work/linked")).unwrap();
    stage.coffer(&["plugins", "new", "linked"]).refused(
        2,
        "requester",
        &["something called linked"],
    );
    let sdk = ["plugins", "new", "other", "--sdk", "shelf"];
    stage.coffer(&sdk).refused(2, "requester", &["has no crate `coffer-plugin`"]);
    assert_eq!(stage.names("work"), ["bundle", "linked", "shelf"]);
}

#[test]
fn a_crate_says_which_sdk_it_has() {
    let stage = Stage::cold();
    stage.coffer(&["plugins", "new", "shelf"]).succeeded();
    let read = |path: &str| fs::read_to_string(stage.path("work").join(path)).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        read("shelf/Cargo.toml")
            .contains(&format!("coffer-plugin = {{ version = \"{version}\" }}"))
    );
    assert!(
        read("shelf/README.md").contains(&format!("is version {version} of the package registry"))
    );
    new(&stage, "drawer", "fs");
    let sdk = root().join("plugins/coffer-plugin").display().to_string();
    assert!(read("drawer/Cargo.toml").contains(&format!("coffer-plugin = {{ path = \"{sdk}\" }}")));
    assert!(read("drawer/README.md").contains(&format!("is the checkout in `{sdk}`")));
    for (file, text) in
        [".gitignore", "Cargo.toml", "README.md", "build.rs", "plugin.toml", "src/lib.rs"]
            .map(|file| (file, read(&format!("drawer/{file}"))))
    {
        for token in ["PLUGIN_", "SDK_", "TEMPLATE_"] {
            assert!(!text.contains(token), "{file} has {token}");
        }
    }
    let workflow = read("drawer/.github/workflows/plugin.yml");
    let workflow: Value = serde_saphyr::from_str(&workflow).unwrap();
    let steps = workflow["jobs"]["plugin"]["steps"].as_array().unwrap();
    let run: Vec<&str> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    assert_eq!(
        run,
        [
            "rustup target add wasm32-unknown-unknown",
            "cargo test",
            "coffer version",
            "coffer plugins build",
            "coffer plugins test target/wasm32-unknown-unknown/release/drawer.wasm",
        ]
    );
}

#[test]
fn what_is_missing_to_build_is_named() {
    let stage = Stage::cold();
    stage.coffer(&["plugins", "new", "shelf"]).succeeded();
    let build = || stage.call(&["plugins", "build", "shelf"]);
    build().run().refused(3, "operator", &["the program cargo is not there", "rustup.rs"]);
    stage.program("cargo", "exit 0");
    build().run().refused(3, "operator", &["the program rustc is not there"]);
    // A compiler without the library of the target, and one without the linker.
    let rustc = |library: &str| {
        let script = format!(
            "case \"$*\" in *libdir*) echo {library} ;; *sysroot*) echo \"$here/nowhere\" ;; *) echo 'host: h' ;; esac"
        );
        stage.program("rustc", &script);
    };
    rustc("$here/nowhere");
    build().run().refused(3, "operator", &["no library for wasm32", "rustup target add wasm32"]);
    rustc("$here");
    build().run().refused(3, "operator", &["the linker wasm-component-ld", "cargo install"]);
    stage.program("wasm-component-ld", "exit 0");
    build().run().refused(2, "requester", &["the crate is no `cdylib`"]);
    stage.program("cargo", "[ \"$1\" = --version ]");
    build().run().refused(2, "requester", &["cargo could not build the crate"]);
    stage.coffer(&["plugins", "build", "bundle"]).refused(2, "requester", &["no Cargo.toml"]);
    // The compiler's library is where its flags say.
    stage.program(
        "rustc",
        "case \"$*\" in *'--sysroot there'*libdir*) echo $here ;; *libdir*) echo /nowhere ;; esac",
    );
    build().run().refused(3, "operator", &["no library for wasm32"]);
    let flags = ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", "--sysroot there");
    build().variable(flags.0, flags.1).run().refused(2, "requester", &["cargo could not build"]);
}

#[test]
fn a_manifest_that_is_wrong_fails_the_build() {
    let stage = Stage::cold();
    new(&stage, "shelf", "minimal");
    let manifest = stage.path("work/shelf/plugin.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, format!("{text}files = \"x\"\n")).unwrap();
    // The SDK takes any grant; which there are is for the host to say, and it says so here.
    let words = ["there is no grant `files`", "coffer_plugin::build"];
    shell(&stage, "shelf", "\"$coffer\" plugins build").refused(4, "plugin", &words);
    fs::write(&manifest, "name = \"shelf\"\n").unwrap();
    let failed = shell(&stage, "shelf", "\"$coffer\" plugins build").refused(
        2,
        "requester",
        &["cargo could not"],
    );
    assert!(failed.stderr().contains("`description` must be given"), "{}", failed.stderr());
}
