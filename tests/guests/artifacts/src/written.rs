//! Components that no compiler makes, as text, and what can be done to the bytes of one that a compiler
//! made. All of it panics on text that is no component, since a test wrote it.

use crate::WRITTEN;

/// A plugin whose code is `core`: a core module's fields, among them a memory exported as `memory`. Unless
/// it exports a `resolve` or a `realloc` of its own, it answers with empty values and takes what it is given
/// at one address. A `post-return` is called if there is one.
pub fn plugin(core: &str) -> Vec<u8> {
    with_imports(core, "", "")
}

/// The same with imports: `imports` are fields of a component, and `arguments` what the core module is
/// instantiated with.
pub fn with_imports(core: &str, imports: &str, arguments: &str) -> Vec<u8> {
    let exports = |name: &str| core.contains(&format!("(export \"{name}\")"));
    let resolve = r#"(func (export "resolve") (param i32 i32) (result i32)
        (i32.store (i32.const 0) (i32.const 64))
        (i32.store (i32.const 4) (local.get 1))
        (i32.const 0))"#;
    let realloc =
        r#"(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))"#;
    let resolve = if exports("resolve") { "" } else { resolve };
    let realloc = if exports("realloc") { "" } else { realloc };
    let post_return =
        if exports("post-return") { r#"(post-return (func $i "post-return"))"# } else { "" };
    let text = format!(
        r#"(component
          {imports}
          (core module $m
            {core}
            {realloc}
            {resolve})
          (core instance $i (instantiate $m {arguments}))
          {TYPES}
          (func $resolve (param "references" (list $reference)) (result (list (result $secret (error $error))))
            (canon lift (core func $i "resolve") (memory $i "memory") (realloc (func $i "realloc"))
              {post_return}))
          (component $named
            {TYPES}
            (import "import-type-reference" (type $r (eq $reference)))
            (import "import-type-secret" (type $s (eq $secret)))
            (import "import-type-error" (type $e (eq $error)))
            (import "import-func-resolve" (func $f
              (param "references" (list $r)) (result (list (result $s (error $e))))))
            (export $re "reference" (type $r))
            (export $se "secret" (type $s))
            (export $ee "error" (type $e))
            (export "resolve" (func $f) (func
              (param "references" (list $re)) (result (list (result $se (error $ee)))))))
          (instance $resolver (instantiate $named
            (with "import-func-resolve" (func $resolve))
            (with "import-type-reference" (type $reference))
            (with "import-type-secret" (type $secret))
            (with "import-type-error" (type $error))))
          (export "coffer:secrets/resolver@0.1.0" (instance $resolver)))"#
    );
    let component = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
    with_section(&component, "coffer:manifest", MANIFEST.as_bytes())
}

/// The plugin that is written by hand under this name.
pub fn named(name: &str) -> Vec<u8> {
    plugin(&text(name))
}

/// The text of what was written by hand under this name: the fields of a core module.
#[expect(clippy::disallowed_methods, reason = "tests know where their components are")]
pub fn text(name: &str) -> String {
    let path = format!("{WRITTEN}/{name}.wat");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A manifest that is right.
pub const MANIFEST: &str =
    r#"{"name":"written","version":"1.0.0","description":"Written by hand"}"#;

/// `component` with one more custom section at its end.
pub fn with_section(component: &[u8], name: &str, data: &[u8]) -> Vec<u8> {
    let mut content = length(name.len());
    content.extend_from_slice(name.as_bytes());
    content.extend_from_slice(data);
    let mut bytes = component.to_vec();
    bytes.push(0);
    bytes.extend(length(content.len()));
    bytes.extend(content);
    bytes
}

/// `component` with every occurrence of `from` replaced by `to`, which is as long.
pub fn renamed(component: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = component.to_vec();
    let mut found = false;
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
            found = true;
        }
    }
    assert!(found, "{from} is not in the component");
    bytes
}

/// LEB128.
fn length(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

const TYPES: &str = r#"
    (type $reference (record (field "source" string) (field "key" string)))
    (type $secret (record (field "value" (list u8)) (field "version" (option string))
      (field "expires-at" (option u64))))
    (type $error (variant (case "not-found") (case "unauthenticated") (case "access-denied")
      (case "invalid-reference" string) (case "conflict") (case "too-large" u64)
      (case "unavailable" (option u64)) (case "unsupported" string) (case "other" string)))"#;
