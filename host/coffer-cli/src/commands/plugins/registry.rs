//! plugins publish, pull, install, save, load, keys, sign, verify. Nothing of a plugin runs.

use crate::arguments::{Global, Registry};
use crate::given::{self, Place};
use crate::output;
use crate::progress::Progress;
use crate::session::{self, Session};
use anyhow::Context as _;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use coffer_host::Inspection;
use coffer_registry::{OciReference, Pulled, SigningKey, read_keys};
use serde_json::{Value, json};
use std::io::{BufReader, BufWriter, Write as _};
use std::path::Path;

/// Does what is asked about registries.
///
/// # Errors
///
/// If that cannot be done.
pub(super) async fn run(global: &Global, command: Registry) -> anyhow::Result<()> {
    if let Registry::Keys { name } = command {
        return keys(global, &name);
    }
    let progress = Progress::start();
    let registries = Session::open(global)?.registries()?.watched(progress.watch());
    let parse = |text: &str| OciReference::parse(text).map_err(anyhow::Error::from);
    let value = match command {
        Registry::Publish { file, reference } => {
            let published =
                registries.publish(given::read_component(&file)?, &parse(&reference)?).await?;
            of_reference(&published)
        }
        Registry::Pull { reference } => {
            let Pulled { reference, signed, .. } = registries.pull(&parse(&reference)?).await?;
            let mut value = of_reference(&reference);
            value["signed"] = json!(signed);
            value
        }
        Registry::Install { reference } => {
            let pulled = registries.pull(&parse(&reference)?).await?;
            progress.end();
            return install(global, &pulled);
        }
        Registry::Save { references, to } => {
            let references =
                references.iter().map(|text| parse(text)).collect::<anyhow::Result<Vec<_>>>()?;
            let saved = save(&registries, &references, &to).await?;
            progress.end();
            return list(global, &saved);
        }
        Registry::Load { file } => {
            let loaded = registries
                .load(BufReader::new(given::open(&file).with_context(|| cannot("read", &file))?))?;
            progress.end();
            return list(global, &loaded);
        }
        Registry::Sign { reference, key } => {
            let text = given::read_secret(&key)?;
            let key = SigningKey::parse(&key, &text, || password(&key))?;
            of_reference(&registries.sign(&parse(&reference)?, &key).await?)
        }
        Registry::Verify { reference, key } => {
            of_reference(&registries.verify(&parse(&reference)?, &read_keys(&key)?).await?)
        }
        Registry::Keys { .. } => unreachable!("this was done"),
    };
    progress.end();
    output::result(global.output, &value, || {
        value["reference"].as_str().unwrap_or_default().to_owned() + "\n"
    })
}

fn of_reference(reference: &OciReference) -> Value {
    json!({
        "reference": reference.to_string(),
        "digest": reference.digest().map(ToString::to_string),
    })
}

fn list(global: &Global, references: &[OciReference]) -> anyhow::Result<()> {
    let values = references.iter().map(of_reference).collect();
    output::result(global.output, &Value::Array(values), || {
        references.iter().map(|reference| format!("{reference}\n")).collect()
    })
}

/// Prints the entry of a plugin. What it is granted is for the operator to say, who is told where to look.
fn install(global: &Global, pulled: &Pulled) -> anyhow::Result<()> {
    let Pulled { reference, component, signed } = pulled;
    let plugin = reference.to_string();
    let inspection = Inspection::of(component)
        .map_err(|error| coffer_bundle::StoreError::Load { plugin: plugin.clone(), error })?;
    let name = inspection.manifest.name();
    let mut value = of_reference(reference);
    value["signed"] = json!(signed);
    value["entry"] = json!({ "name": name, "plugin": plugin });
    output::result(global.output, &value, || {
        // Text in double quotes is the same in JSON and YAML, on one line of any length.
        let mut text =
            format!("secrets:\n  - name: {}\n    plugin: {}\n", json!(name), json!(plugin));
        text += "    # It is granted nothing yet. What it asks for, and its settings:\n";
        for command in ["grants", "inspect"] {
            text += &format!("    #   coffer plugins {command} {plugin}\n");
        }
        text
    })
}

async fn save(
    registries: &coffer_registry::Registries,
    references: &[OciReference],
    to: &Path,
) -> anyhow::Result<Vec<OciReference>> {
    let what = || cannot("write", to);
    let mut file = BufWriter::new(create(to, 0o644).with_context(what)?);
    let saved = registries.save(references, &mut file).await?;
    let file = file.into_inner().map_err(std::io::IntoInnerError::into_error).with_context(what)?;
    file.sync_all().with_context(what)?;
    Ok(saved)
}

/// Makes a pair of keys. Neither of the files may be there: a key that is replaced cannot be had back.
fn keys(global: &Global, name: &Path) -> anyhow::Result<()> {
    let with = |extension: &str| {
        let mut path = name.as_os_str().to_owned();
        path.push(extension);
        std::path::PathBuf::from(path)
    };
    let (private, public) = (with(".key"), with(".pub"));
    let (key, text) = SigningKey::generate(&private, &password(&private)?)?;
    for (path, mode, bytes) in [(&private, 0o600, key.expose()), (&public, 0o644, text.as_bytes())]
    {
        let write = || {
            let mut file = create(path, mode)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().with_context(|| cannot("write", path))?;
    }
    let value = json!({ "private": private, "public": public });
    output::result(global.output, &value, || {
        format!("{}\n{}\n", private.display(), public.display())
    })
}

fn password(key: &Path) -> anyhow::Result<coffer_host::Secret> {
    match session::signing_password() {
        Some(password) => Ok(password),
        None => given::ask(&format!("password of {}", key.display())),
    }
}

fn create(path: &Path, mode: u32) -> std::io::Result<cap_std::fs::File> {
    let path = std::path::absolute(path)?;
    let parent = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or_default();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    Dir::open_ambient_dir(parent, ambient_authority())?.open_with(name, &options)
}

fn cannot(what: &str, path: &Path) -> Place {
    Place(format!("cannot {what} {}", path.display()))
}
