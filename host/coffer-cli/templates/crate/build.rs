//! Checks `plugin.toml` and embeds it in the component.

fn main() {
    coffer_plugin::build::plugin();
}
