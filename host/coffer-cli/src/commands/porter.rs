//! porter install: puts the bridge where Porter looks for plugins. Porter is not asked, and its own
//! configuration is not touched.

use crate::arguments::{Global, PorterInstall};
use crate::given::Place;
use crate::output;
use crate::session;
use anyhow::Context as _;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, OpenOptions, OpenOptionsExt as _};
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};

/// The binary of the bridge. It is beside this one, wherever that is.
const BRIDGE: &str = "coffer-porter";

/// What Porter calls the plugin: the name of its folder, and of the file in it.
const PLUGIN: &str = "coffer";

/// Puts the bridge into Porter's directory, and prints the lines for Porter's configuration.
///
/// # Errors
///
/// If it is not there to be copied, or cannot be.
pub(super) fn install(global: &Global, install: &PorterInstall) -> anyhow::Result<()> {
    let home = session::porter_home(install.porter_home.as_ref())?;
    let folder = home.join("plugins").join(PLUGIN);
    let program = session::program().context("the place of this program is not known")?;
    let from = program.parent().unwrap_or(Path::new("/"));
    let bridge = Dir::open_ambient_dir(from, ambient_authority())
        .and_then(|directory| directory.open(BRIDGE))
        .with_context(|| {
            Place(format!("there is no {BRIDGE} beside {}; install both", program.display()))
        })?;
    let placed = place(bridge, &folder)
        .with_context(|| Place(format!("cannot put the plugin into {}", folder.display())))?;
    let value = json!({ "plugin": placed, "configuration": configuration() });
    output::result(global.output, &value, || {
        format!(
            "{} is in place. Porter uses it once its configuration ({}) has\n\n{}\nwhere the last part of \
             `plugin` names the store: one of coffer's own configuration, or a bundled plugin. See \
             docs/porter.md.\n",
            placed.display(),
            home.join("config.yaml").display(),
            configuration()
        )
    })
}

/// Lines for Porter's configuration.
fn configuration() -> &'static str {
    "default-secrets: \"coffer\"\nsecrets:\n  - name: \"coffer\"\n    plugin: \"coffer.filesystem\"\n"
}

/// Puts the bridge into a folder, whole or not at all: Porter may be starting the old one just now.
fn place(mut bridge: cap_std::fs::File, folder: &Path) -> io::Result<PathBuf> {
    let folder = std::path::absolute(folder)?;
    let below = folder.strip_prefix("/").map_err(io::Error::other)?;
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    let root = Dir::open_ambient_dir("/", ambient_authority())?;
    root.create_dir_with(below, &builder)?;
    let directory = root.open_dir(below)?;
    let new = format!("{PLUGIN}.new");
    let _ = directory.remove_file(&new);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o700);
    let mut file = directory.open_with(&new, &options)?;
    io::copy(&mut bridge, &mut file)?;
    file.sync_all()?;
    drop(file);
    directory.rename(&new, &directory, PLUGIN)?;
    Ok(folder.join(PLUGIN))
}
