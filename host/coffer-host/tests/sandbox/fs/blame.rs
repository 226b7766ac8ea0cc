//! Whose fault it is when something with a file went wrong: the operator's if the host saw why, and never
//! because a plugin says so.

use super::tree;
use crate::stage::{Stage, ask, contains, lacks, refused};
use coffer_host::{Blame, Store};
use serde_json::{Value, json};
use std::path::Path;

/// A store whose plugin's manifest asks for a directory to write in as `/asked`, if it is told which.
fn store(asked: Option<&Path>, granted: &Value) -> Store {
    let settings = asked.map_or(json!({}), |asked| json!({ "directory": asked }));
    Stage::of("fs_then_fails").settings(&settings).grants(json!({ "directories": granted })).open()
}

#[tokio::test]
pub(super) async fn fs_then_fails() {
    let tree = tree();
    let asked = tree.path().join("granted");
    let nothing = store(Some(&asked), &json!([]));

    // The plugin asks for a directory, looks for it, does not have it and says that something is wrong.
    let text = refused(ask(&nothing, "look - other").await, "other", Blame::Operator);
    contains(&text, "no grant allows the directory /asked, which the plugin asks for");
    contains(&text, "; the plugin says: my own words");
    let yaml = format!(
        "    grants:\n      directories:\n        - host: {}\n          guest: /asked\n          access: read-write\n",
        asked.display()
    );
    contains(&text.replace('"', ""), &yaml);
    refused(ask(&nothing, "look - denied").await, "access-denied", Blame::Operator);

    // Nothing of it matters if the call succeeds.
    assert_eq!(ask(&nothing, "look - fine").await.unwrap(), "fine");
    // What the plugin does by itself stays its own; that something was missing is told as well.
    let text = refused(ask(&nothing, "look - crash").await, "trap", Blame::Plugin);
    contains(&text, "the plugin crashed");
    contains(&text, "; before that, no grant allows the directory /asked");
    // An answer that has a meaning of its own keeps it.
    let text = refused(ask(&nothing, "look - missing").await, "not-found", Blame::Requester);
    lacks(&text, "/asked");
    // It did not look.
    let text = refused(ask(&nothing, "nothing - other").await, "other", Blame::Plugin);
    lacks(&text, "/asked");
    // It did not ask, where the operator could have read it.
    let text = refused(ask(&store(None, &json!([])), "look - other").await, "other", Blame::Plugin);
    lacks(&text, "grant");
}

#[tokio::test]
async fn writing_where_only_reading_is_granted() {
    let tree = tree();
    let granted = tree.path().join("granted");
    let grant = |access: &str| json!([{ "host": granted, "guest": "/asked", "access": access }]);
    let read_only = store(Some(&granted), &grant("read-only"));
    for act in ["write new", "make new", "write file"] {
        let text = refused(ask(&read_only, format!("{act} other")).await, "other", Blame::Operator);
        contains(
            &text,
            "no grant allows writing in the directory /asked, which the plugin asks for",
        );
        contains(&text, "access: read-write   # in the place of read-only");
        contains(&text, "the plugin says: my own words");
    }
    refused(ask(&read_only, "write new crash").await, "trap", Blame::Plugin);
    refused(ask(&read_only, "write new missing").await, "not-found", Blame::Requester);
    assert_eq!(ask(&read_only, "write new fine").await.unwrap(), "fine");
    // Reading is granted, so it is no reason.
    refused(ask(&read_only, "read file other").await, "other", Blame::Plugin);
    // The manifest does not ask for writing, so a plugin that tries it has only itself to blame.
    let unasked = store(None, &grant("read-only"));
    let text = refused(ask(&unasked, "write new other").await, "other", Blame::Plugin);
    lacks(&text, "grant");
    // Nor is it anybody else's where writing is granted, and works.
    let read_write = store(Some(&granted), &grant("read-write"));
    refused(ask(&read_write, "write new other").await, "other", Blame::Plugin);
}

/// A path that leads out is what a plugin can try at any time, and what no grant could allow.
#[tokio::test]
async fn a_way_out_is_no_excuse() {
    let tree = tree();
    let granted = tree.path().join("granted");
    let grant = json!([{ "host": granted, "guest": "/asked", "access": "read-write" }]);
    let store = store(Some(&granted), &grant);
    for path in ["../outside", "up", "round", "absolute", "root/etc/passwd", "/etc/passwd", "loop"]
    {
        for act in ["read", "write", "make"] {
            let result = ask(&store, format!("{act} {path} other")).await;
            let text = refused(result, "other", Blame::Plugin);
            lacks(&text, "operating system");
            lacks(&text, "grant");
        }
    }
}
