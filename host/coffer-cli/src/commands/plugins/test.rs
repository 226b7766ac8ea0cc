//! plugins test: the lab.

use super::component;
use crate::arguments::{Global, Isolation as AskedIsolation, Report as AskedReport, Test};
use crate::given::{self, Place, Usage};
use crate::output;
use crate::session;
use anyhow::Context as _;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder};
use coffer_bundle::Stores;
use coffer_host::Isolation;
use coffer_lab::{Asked, Format, Profile};
use std::path::{Path, PathBuf};

/// Judges a plugin.
///
/// # Errors
///
/// If it could not be judged, or did not pass.
pub(super) async fn run(global: &Global, stores: &Stores, asked: &Test) -> anyhow::Result<()> {
    let bytes = component(stores, &asked.plugin).await?;
    let is_bundled = stores.bundled().iter().any(|bundled| bundled.name == asked.plugin);
    let isolation = match asked.isolation {
        None => stores.usual_isolation(&asked.plugin, is_bundled),
        Some(AskedIsolation::None) => Isolation::None,
        Some(AskedIsolation::Process) => Isolation::Process,
    };
    let profile = match &asked.profile {
        None => Profile::default(),
        Some(path) => {
            let text = String::from_utf8(given::read_file(path)?)
                .map_err(|_| Usage(format!("{} is no text in UTF-8", path.display())))?;
            Profile::parse(&text)?
        }
    };
    let beside = asked.profile.as_deref().and_then(Path::parent);
    let cassette_path =
        profile.cassette.as_ref().map(|name| beside.unwrap_or(Path::new("")).join(name));
    if asked.record && cassette_path.is_none() {
        anyhow::bail!(Usage("--record needs a profile that names a `cassette`".into()));
    }
    let cassette = match &cassette_path {
        Some(path) if !asked.record => Some(given::read_file(path)?),
        Some(_) | None => None,
    };
    let credential = credential(&profile, asked.record || cassette.is_none())?;
    let place = Workplace::make()?;
    let judged = coffer_lab::judge(Asked {
        file: &asked.plugin,
        component: &bytes,
        profile,
        cassette,
        cases: asked.cases.clone(),
        record: asked.record,
        credential,
        seed: asked.seed,
        isolation,
        program: global.program.clone(),
        workplace: place.directory.try_clone().context("cannot use the lab's directory")?,
        path: place.path(),
    })
    .await?;
    if let (Some(path), Some(cassette)) = (&cassette_path, &judged.cassette) {
        write(path, cassette)?;
    }
    let format = match (asked.format, global.output) {
        (AskedReport::Text, crate::arguments::Format::Json) | (AskedReport::Json, _) => {
            Format::Json
        }
        (AskedReport::Html, _) => Format::Html,
        (AskedReport::Junit, _) => Format::Junit,
        (AskedReport::Sarif, _) => Format::Sarif,
        (AskedReport::Text, _) => Format::Text,
    };
    let written = judged.report.write(format);
    match &asked.report {
        None => output::bytes(written.as_bytes())?,
        Some(path) => write(path, written.as_bytes())?,
    }
    judged.report.unfit().map_or(Ok(()), |unfit| Err(unfit.into()))
}

/// The credential of the profile's backend, where that is asked.
fn credential(profile: &Profile, is_asked: bool) -> anyhow::Result<Option<String>> {
    let mut named = profile.credentials.iter();
    let (Some((setting, source)), true) = (named.next(), is_asked) else { return Ok(None) };
    if named.next().is_some() {
        anyhow::bail!(Usage(
            "the lab passes on one credential, and the profile has several".into()
        ));
    }
    let value = session::variable(&source.env).ok_or_else(|| {
        Usage(format!(
            "the variable {} is not set, which has the credential `{setting}`",
            source.env
        ))
    })?;
    Ok(Some(value))
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let what = || Place(format!("cannot write {}", path.display()));
    let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let name = path.file_name().with_context(what)?;
    let directory = Dir::open_ambient_dir(parent, ambient_authority()).with_context(what)?;
    directory.write(name, bytes).with_context(what)
}

/// The lab's own directory, which goes with it.
struct Workplace {
    parent: Dir,
    name: String,
    directory: Dir,
}

impl Workplace {
    fn make() -> anyhow::Result<Self> {
        let what = || Place("cannot make a directory for the lab".into());
        let parent =
            Dir::open_ambient_dir(session::temporary(), ambient_authority()).with_context(what)?;
        let mut builder = DirBuilder::new();
        cap_std::fs::DirBuilderExt::mode(&mut builder, 0o700);
        // One that is there already is somebody else's, or was left by a process of this number.
        for attempt in 0..100 {
            let name = format!("coffer-lab-{}-{attempt}", std::process::id());
            if parent.create_dir_with(&name, &builder).is_ok() {
                let directory = parent.open_dir(&name).with_context(what)?;
                return Ok(Self { parent, name, directory });
            }
        }
        Err(anyhow::Error::new(what()))
    }

    fn path(&self) -> PathBuf {
        session::temporary().join(&self.name)
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // If it cannot be removed, it is where temporary files are, and has no value but the lab's.
        let _ = self.parent.remove_dir_all(&self.name);
    }
}
