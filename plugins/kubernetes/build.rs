//! Embeds `plugin.toml`.

fn main() {
    coffer_plugin::build::plugin();
}
