//! The lab with the plugin `vault` on a real server, and on what it records of that. The cassette in the tree was
//! recorded in the same way (docs/lab.md).

use backends::openbao::Server;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coffer_host::Isolation;
use coffer_lab::{Asked, Judged, Profile, Verdict};

async fn judge(profile: &str, cassette: Option<Vec<u8>>, credential: Option<&str>) -> Judged {
    let place = tempfile::tempdir().unwrap();
    let component = guest_artifacts::plugin("vault");
    let judged = coffer_lab::judge(Asked {
        file: "vault.wasm",
        component: &component,
        profile: Profile::parse(profile).unwrap(),
        record: cassette.is_none(),
        cassette,
        cases: Vec::new(),
        credential: credential.map(str::to_owned),
        seed: None,
        isolation: Isolation::None,
        program: None,
        workplace: Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap(),
        path: place.path().to_owned(),
    });
    let judged = judged.await.unwrap();
    let trouble: Vec<_> = judged
        .report
        .rulings()
        .iter()
        .filter(|ruling| matches!(ruling.verdict, Verdict::Fail | Verdict::Warning))
        .collect();
    assert!(judged.report.verdict() == "pass" && trouble.is_empty(), "{trouble:?}");
    judged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plugin_vault_passes_on_a_server_and_on_what_is_recorded_of_it() {
    let server = Server::start();
    let profile = include_str!("../../plugins/vault/lab.yaml")
        .replace("http://127.0.0.1:8200", &server.address());
    assert!(profile.contains(&server.address()));
    let profile = format!("{profile}calls: 200\n");
    let cassette = judge(&profile, None, Some(server.root_token())).await.cassette.unwrap();
    let text = String::from_utf8(cassette.clone()).unwrap();
    assert!(!text.contains(server.root_token()) && !text.contains(&server.address()));
    drop(server);
    judge(&profile, Some(cassette), None).await;
}
