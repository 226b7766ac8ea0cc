//! What a plugin's file says of itself. Nothing of it runs.

use crate::bench::{Bench, is_secret};
use crate::case::{Case, Finding, Outcome, case, fail};
use coffer_host::Need;
use coffer_host::limits::COMPONENT_BYTES_MAX;

pub(crate) const CASES: [Case; 5] = [
    case!(
        "file/plugin",
        "The file is a plugin with one manifest that is valid, and can be compiled",
        "Build it with the SDK, or as docs/plugins.md says, and look at `coffer plugins inspect`",
        plugin
    ),
    case!(
        "file/imports",
        "It imports nothing that it does not ask for",
        "Say in `asks` what it is for, or leave out the code that needs it",
        imports
    ),
    case!(
        "file/asks",
        "It asks for nothing that it does not import",
        "Take it out of `asks`: whoever installs the plugin has to grant it",
        asks
    ),
    case!(
        "file/credentials",
        "Settings that are to be kept are called credentials, which stay in the host",
        "Say `credential = true`, and let a grant add it as a header; then the plugin never sees it",
        credentials
    ),
    case!(
        "file/size",
        "It is no larger than it may be",
        "Build for size, strip it, and leave out what is not needed; or raise `size` in the profile",
        size
    ),
];

/// That it is one was seen when it was loaded; see `judge`.
async fn plugin(_: &Bench) -> Outcome {
    Ok(String::new())
}

async fn imports(bench: &Bench) -> Outcome {
    let mut dragged = Vec::new();
    for import in &bench.inspection().imports {
        let asked = match import.need {
            Need::Commands => bench.asks("commands"),
            Need::Directories => bench.asks("directories"),
            Need::Environment => bench.asks("environment") || bench.asks("referenced"),
            Need::Http => bench.asks("http"),
            Need::Inert | Need::Nothing => true,
        };
        if asked {
            continue;
        }
        let name = &import.name;
        // A plugin that is not written in Rust has WASI's interfaces whether it uses them or not.
        if !name.starts_with("wasi:") {
            fail!("it imports `{name}` and does not ask for what that needs");
        }
        dragged.push(format!("`{name}`"));
    }
    match dragged.as_slice() {
        [] => Ok(String::new()),
        dragged => Err(Finding::Warning(format!(
            "it imports {} and does not ask for what they need; most toolchains do that by themselves",
            dragged.join(", ")
        ))),
    }
}

async fn asks(bench: &Bench) -> Outcome {
    let asked = bench.asked();
    let imports = |needs: &[Need]| {
        bench.inspection().imports.iter().any(|import| needs.contains(&import.need))
    };
    for (what, needs) in [
        ("commands", [Need::Commands].as_slice()),
        ("directories", &[Need::Directories]),
        ("environment", &[Need::Environment]),
        ("http", &[Need::Http]),
        // The host puts a file or a variable that a reference names before it.
        ("referenced", &[Need::Commands, Need::Directories, Need::Environment]),
    ] {
        if asked.contains_key(what) && !imports(needs) {
            fail!("it asks for `{what}` and imports nothing that could use it");
        }
    }
    let writes =
        asked.get("directories").and_then(serde_json::Value::as_array).is_some_and(|directories| {
            directories.iter().any(|directory| directory["access"] == "read-write")
        });
    if writes && !bench.can().writer {
        return Err(Finding::Warning(
            "it asks to write in a directory and exports no `writer`".into(),
        ));
    }
    Ok(String::new())
}

async fn credentials(bench: &Bench) -> Outcome {
    for (name, setting, _) in bench.inspection().manifest.settings() {
        let text = setting.kind == coffer_host::grants::SettingKind::String;
        if text && !setting.credential && is_secret(name) && setting.choices.is_none() {
            return Err(Finding::Warning(format!(
                "the setting `{name}` sounds like a credential, is not called one, and is shown to the plugin"
            )));
        }
    }
    Ok(String::new())
}

async fn size(bench: &Bench) -> Outcome {
    let (size, most) = (bench.inspection().size, bench.profile.size);
    let most = most.map_or(COMPONENT_BYTES_MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    if size > most {
        fail!("it has {size} bytes, and may have {most}");
    }
    Ok(format!("{size} bytes"))
}
