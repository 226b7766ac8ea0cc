//! Embeds `plugin.toml`, which all guests share.

fn main() {
    coffer_plugin::build::plugin();
}
