//! Plugins that are written by hand, around the fields of a core module.

/// A plugin whose core module has the fields `core`: `memory`, `realloc` and `resolve` are exported.
pub(crate) fn plugin(core: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
          (core module $m {core})
          (core instance $i (instantiate $m))
          {TYPES}
          (func $resolve (param "references" (list $reference)) (result (list (result $secret (error $error))))
            (canon lift (core func $i "resolve") (memory $i "memory") (realloc (func $i "realloc"))))
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
    let mut bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
    // A custom section; its name and content are short enough for one byte of length each.
    let content = [&[b"coffer:manifest".len() as u8], &b"coffer:manifest"[..], MANIFEST].concat();
    bytes.extend([0, u8::try_from(content.len()).unwrap()]);
    bytes.extend(content);
    bytes
}

const MANIFEST: &[u8] = br#"{"name":"w","version":"1","description":"Written by hand"}"#;

/// Answers each reference with an empty value.
pub(crate) const ANSWERS_NOTHING: &str = r#"
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "resolve") (param i32 i32) (result i32)
      (i32.store (i32.const 0) (i32.const 64))
      (i32.store (i32.const 4) (local.get 1))
      (i32.const 0))"#;

const TYPES: &str = r#"
    (type $reference (record (field "source" string) (field "key" string)))
    (type $secret (record (field "value" (list u8)) (field "version" (option string))
      (field "expires-at" (option u64))))
    (type $error (variant (case "not-found") (case "unauthenticated") (case "access-denied")
      (case "invalid-reference" string) (case "conflict") (case "too-large" u64)
      (case "unavailable" (option u64)) (case "unsupported" string) (case "other" string)))"#;
