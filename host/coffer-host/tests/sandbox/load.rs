//! Loading what is no plugin: each is refused with what is wrong with it, before anything of it runs.

use crate::stage::{Stage, ask, contains, explained, host, lacks};
use coffer_host::limits::{self, COMPONENT_BYTES_MAX, INTERFACE_NAME_BYTES_MAX, INTERFACES_MAX};
use coffer_host::{Blame, LoadError};
use guest_artifacts::generated;
use guest_artifacts::written::{self, MANIFEST, plugin, renamed, with_section};

guest_artifacts::foreach_load!(ran);

#[track_caller]
fn unloadable(component: &[u8], blame: Blame, expected: &str) -> LoadError {
    let error = host().load(component).expect_err("this is no plugin");
    contains(&explained(&error, blame), expected);
    error
}

fn written(text: &str) -> Vec<u8> {
    let component = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    with_section(&component, "coffer:manifest", MANIFEST.as_bytes())
}

#[tokio::test]
async fn a_component_that_is_written_by_hand_is_a_plugin() {
    let store = Stage::with(plugin(r#"(memory (export "memory") 1)"#)).open();
    assert_eq!(ask(&store, "").await.unwrap(), "");
}

#[test]
fn what_is_no_component_is_refused() {
    unloadable(b"", Blame::Operator, "not WebAssembly");
    unloadable(b"#!/bin/sh\necho hello\n", Blame::Operator, "not WebAssembly");
    unloadable(b"\x7fELF", Blame::Operator, "not WebAssembly");
    let module = wat::parse_str("(module)").unwrap();
    assert!(matches!(unloadable(&module, Blame::Plugin, "core module"), LoadError::CoreModule));
    unloadable(b"\0asm\x0d\0\x7f\0", Blame::Plugin, "malformed");
}

#[test]
fn what_has_something_after_its_end_is_refused() {
    let component = guest_artifacts::guest("state_memory");
    let mut longer = component;
    longer.extend_from_slice(b"trailing");
    unloadable(&longer, Blame::Plugin, "malformed");
}

fn error_blame(error: &LoadError) -> Blame {
    if matches!(error, LoadError::NotWasm) { Blame::Operator } else { Blame::Plugin }
}

#[test]
fn what_is_too_large_is_refused() {
    let component = guest_artifacts::guest("state_memory");
    // The section's own head is 2 bytes of name and 6 of lengths.
    let filler = |bytes: usize| with_section(&component, "x", &vec![0; bytes]);
    let head = filler(COMPONENT_BYTES_MAX / 2).len() - component.len() - COMPONENT_BYTES_MAX / 2;
    let room = COMPONENT_BYTES_MAX - component.len() - head;
    assert_eq!(filler(room).len(), COMPONENT_BYTES_MAX);
    host().load(&filler(room)).unwrap();
    let error = unloadable(&filler(room + 1), Blame::Plugin, "at most 33554432 are allowed");
    assert!(matches!(error, LoadError::TooLarge { bytes } if bytes == COMPONENT_BYTES_MAX + 1));
}

#[test]
fn a_component_of_another_world_is_refused() {
    let nothing = written("(component)");
    assert!(matches!(
        unloadable(&nothing, Blame::Plugin, "it exports nothing"),
        LoadError::NoResolver { .. }
    ));
    let export = |name: &str| {
        written(&format!("(component (instance $e) (export \"{name}\" (instance $e)))"))
    };
    unloadable(&export("wasi:cli/run@0.2.12"), Blame::Plugin, "it exports wasi:cli/run@0.2.12");
    for name in [
        "coffer:secrets/resolver@0.2.0",
        "coffer:secrets/resolver@1.0.0",
        "coffer:secrets/resolver",
        "coffer:secrets/writer@0.1.0",
        "evil:secrets/resolver@0.1.0",
    ] {
        unloadable(&export(name), Blame::Plugin, "does not export `coffer:secrets/resolver@0.1`");
    }
    // Of many names the first few, escaped.
    let exports = |count: u32| {
        let export = |n| format!("(export \"a:b/c{n}@0.1.0\" (instance $e))");
        written(&format!(
            "(component (instance $e) {})",
            (0..count).map(export).collect::<String>()
        ))
    };
    let names: Vec<String> = (0..8).map(|n| format!("a:b/c{n}@0.1.0")).collect();
    unloadable(&exports(8), Blame::Plugin, &format!("it exports {}", names.join(", ")));
    lacks(&unloadable(&exports(8), Blame::Plugin, "it exports").to_string(), "…");
    unloadable(&exports(9), Blame::Plugin, &format!("it exports {}, …", names.join(", ")));
    // A function of the right name is no interface.
    let function = r#"(component
        (core module $m (func (export "f"))) (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f"))) (export "resolver" (func $f)))"#;
    unloadable(&written(function), Blame::Plugin, "it exports nothing");
    // The right name with nothing in it, and a writer with nothing in it.
    let empty = export("coffer:secrets/resolver@0.1.0");
    assert!(matches!(
        unloadable(&empty, Blame::Plugin, "does not keep to the interfaces"),
        LoadError::Contract(_)
    ));
    // More exports than anybody reads.
    let exports: String = (0..=INTERFACES_MAX)
        .map(|n| format!("(export \"a:b/c{n}@0.1.0\" (instance $e))"))
        .collect();
    let many = written(&format!("(component (instance $e) {exports})"));
    assert!(matches!(
        unloadable(&many, Blame::Plugin, "more than 256 imports or exports"),
        LoadError::TooManyInterfaces
    ));
}

#[test]
fn an_import_that_nobody_offers_is_refused() {
    let guest = guest_artifacts::guest("import_random");
    for (from, to) in [
        ("wasi:random/random@0.2.12", "evil:random/random@0.2.12"),
        ("wasi:random/random@0.2.12", "wasi:random/randon@0.2.12"),
        ("wasi:random/random@0.2.12", "wasi:random/random@0.3.12"),
        ("wasi:random/random@0.2.12", "wasi:random/random@1.2.12"),
    ] {
        let error = unloadable(&renamed(&guest, from, to), Blame::Plugin, to);
        assert!(matches!(error, LoadError::UnknownImport { .. }));
    }
    let import = |import: &str| {
        written(&format!(
            "(component {import} (instance $e) (export \"coffer:secrets/resolver@0.1.0\" (instance $e)))"
        ))
    };
    for name in ["host-function", "wasi:cli/run@0.2.0", "coffer:host/everything@0.1.0"] {
        let error = unloadable(
            &import(&format!("(import \"{name}\" (instance))")),
            Blame::Plugin,
            &format!("imports `{name}`, which coffer does not offer"),
        );
        assert!(matches!(error, LoadError::UnknownImport { .. }));
    }
    unloadable(&import(r#"(import "f" (func))"#), Blame::Plugin, "imports `f`");
    unloadable(&import(r#"(import "m" (core module))"#), Blame::Plugin, "imports `m`");
    // A known interface with a function that it does not have, and with one of another type.
    for interface in [
        r#"(import "wasi:random/random@0.2.12" (instance (export "steal" (func))))"#,
        r#"(import "coffer:host/commands@0.1.0" (instance (export "run" (func (param "argv" string)))))"#,
        r#"(import "wasi:cli/exit@0.2.12" (instance (export "exit" (core module))))"#,
    ] {
        let error =
            unloadable(&import(interface), Blame::Plugin, "does not keep to the interfaces");
        assert!(matches!(error, LoadError::Contract(_)));
    }
}

macro_rules! switched_off {
    ($($name:ident $expected:literal)*) => { $(
        #[test]
        fn $name() {
            let error = host().load(&written::named(stringify!($name))).unwrap_err();
            contains(&explained(&error, Blame::Plugin), $expected);
            assert!(matches!(error, LoadError::Compile(_) | LoadError::Malformed(..)), "{error}");
        }
    )* };
}

switched_off! {
    load_exceptions "exceptions"
    load_gc "gc"
    load_invalid "values remaining on stack"
    load_memory64 "memory64"
    load_page_size "page"
    load_relaxed_simd "relaxed SIMD"
    load_shared "shared"
    load_stack_switching "stack switching"
    load_threads "threads"
    load_wide "wide arithmetic"
}

/// A plugin with these fields besides what it needs.
fn with_fields(fields: &str) -> Vec<u8> {
    plugin(&format!(r#"(memory (export "memory") 1) {fields}"#))
}

/// A component of this text that has a resolver with nothing in it, so that it is looked at further.
fn resolving(text: &str) -> Vec<u8> {
    let resolver = r#"(instance $e) (export "coffer:secrets/resolver@0.1.0" (instance $e)))"#;
    written(&format!("{} {resolver}", &text[..text.len() - 1]))
}

/// What of `what` there is too much is refused before it is compiled.
#[track_caller]
fn too_complex(component: &[u8], what: &str) {
    let error = unloadable(component, Blame::Plugin, what);
    assert!(matches!(error, LoadError::TooComplex { .. }), "{error}");
}

/// Where the bounds are to the number is tested beside them; here it is that they hold for what is loaded,
/// and that what is nearly at them can be compiled.
macro_rules! bounded {
    ($($name:ident $max:ident $what:literal)*) => { $(
        #[test]
        fn $name() {
            let make = |count| with_fields(&generated::$name(count));
            too_complex(&make(limits::$max + 1), $what);
            // What a plugin has anyway counts too.
            host().load(&make(limits::$max - limits::$max.min(640) / 10)).unwrap();
        }
    )* };
}

bounded! {
    load_blocks_nested BLOCKS_NESTED_MAX "blocks in one another"
    load_branches BRANCHES_MAX "branches in one function"
    load_code FUNCTION_BYTES_MAX "bytes of code in one function"
    load_data SEGMENTS_MAX "segments of data and elements"
    load_elements SEGMENTS_MAX "segments of data and elements"
    load_exports ITEMS_MAX "imports, exports, aliases, globals and segments"
    load_functions FUNCTIONS_MAX "functions"
    load_globals ITEMS_MAX "imports, exports, aliases, globals and segments"
    load_locals LOCALS_MAX "locals of one function"
    load_loops_nested LOOPS_NESTED_MAX "loops in one another"
    load_operands OPERANDS_MAX "operands at the same time in one function"
    load_parameters PARAMETERS_MAX "parameters of one function"
    load_results RESULTS_MAX "results of one function"
    load_targets BRANCH_TARGETS_MAX "branch targets in one function"
    load_types TYPES_MAX "types"
}

#[test]
fn load_tangle() {
    // 4,001 squared times 252 is 4e9, of which eight are within 2^35, and nine are not.
    too_complex(&with_fields(&generated::load_tangle(9, 4000, 250)), "entanglement");
    host().load(&with_fields(&generated::load_tangle(1, 1000, 250))).unwrap();
}

#[test]
fn load_modules() {
    too_complex(&resolving(&generated::load_modules(limits::MODULES_MAX + 1)), "modules");
}

#[test]
fn load_components() {
    too_complex(&resolving(&generated::load_components(limits::COMPONENTS_MAX)), "components");
}

#[test]
fn load_components_nested() {
    too_complex(&resolving(&generated::load_components_nested(90)), "components");
}

#[test]
fn load_laughs() {
    too_complex(&resolving(&generated::load_laughs(4, 4)), "instances of components");
    // So many that nobody could wait for it.
    too_complex(&resolving(&generated::load_laughs(40, 100)), "instances of components");
}

#[test]
fn load_laughs_of_modules() {
    too_complex(&resolving(&generated::load_laughs_of_modules(3, 5)), "instances of modules");
}

#[test]
fn load_argument() {
    too_complex(&resolving(&generated::load_argument()), "passed as arguments");
}

#[test]
fn load_aliases() {
    too_complex(&resolving(&generated::load_aliases(limits::ITEMS_MAX + 1)), "aliases");
}

/// The engine has bounds of its own for types.
#[test]
fn load_types_deep() {
    let deep = resolving(&generated::load_types_deep(1000));
    unloadable(&deep, Blame::Plugin, "nesting");
}

#[test]
fn load_types_doubling() {
    let wide = resolving(&generated::load_types_doubling(40));
    unloadable(&wide, Blame::Plugin, "type size");
}

#[test]
fn load_lying_section() {
    for more in [1, 2, 100] {
        unloadable(&generated::load_lying_section(more), Blame::Plugin, "malformed");
    }
    unloadable(&generated::load_lying_section(0), Blame::Plugin, "no manifest");
}

#[test]
fn load_overlong_length() {
    unloadable(&generated::load_overlong_length(), Blame::Plugin, "malformed");
}

#[test]
fn load_truncated() {
    let component = plugin(r#"(memory (export "memory") 1)"#);
    for cut in generated::load_truncated(&component) {
        let error = host().load(cut).expect_err("it is cut short");
        explained(&error, error_blame(&error));
    }
}

/// Bits of a real plugin flipped: refused, or a plugin that runs within its limits; never a panic.
#[tokio::test]
async fn load_flipped() {
    let guest = guest_artifacts::guest("state_trap");
    let limits = limits::Limits {
        call: std::time::Duration::from_millis(100),
        memory: 4 << 20,
        ..limits::Limits::default()
    };
    // A host of its own: what it loads is forgotten with it.
    let host = coffer_host::Host::builder().instances(64).build().unwrap();
    let (mut refused, mut ran) = (0, 0);
    for changed in generated::load_flipped(&guest, 2_000) {
        match host.load(&changed) {
            Ok(plugin) => {
                let config = coffer_host::StoreConfig { limits, ..Default::default() };
                let store = host.store("flipped", &plugin, config).unwrap();
                if let Err(error) = ask(&store, "x").await {
                    assert!(!matches!(error.cause(), coffer_host::Cause::Host(_)), "{error}");
                }
                ran += 1;
            }
            Err(error) => {
                explained(&error, error_blame(&error));
                refused += 1;
            }
        }
    }
    assert!(refused > 200 && ran > 200, "{refused} refused, {ran} ran");
}

/// Names that would deceive who reads them, wherever a component can have one.
#[test]
fn a_name_that_deceives_is_escaped() {
    for name in ["\u{1b}[2J", "a\u{202e}b", "a\u{200b}b", "a\u{7}"] {
        let quoted: String = name.chars().map(|c| format!("\\u{{{:x}}}", u32::from(c))).collect();
        let component = written(&format!("(component (import \"{quoted}\" (func)))"));
        let error = host().load(&component).unwrap_err();
        explained(&error, Blame::Plugin);
        let component = with_fields(&format!("(func (export \"{quoted}\"))"));
        host().load(&component).unwrap();
        // Sections that say who made it, and names for debuggers, are not read.
        let real = guest_artifacts::guest("state_memory");
        for section in ["name", "producers", "component-name", name] {
            host().load(&with_section(&real, section, name.as_bytes())).unwrap();
        }
    }
    // Not even text.
    let real = renamed(&guest_artifacts::guest("import_random"), "wasi:random", "wasi:rand\u{e9}");
    let mut broken = real;
    let at = broken.windows(2).position(|pair| pair == "\u{e9}".as_bytes()).unwrap();
    broken[at] = 0xff;
    explained(&host().load(&broken).unwrap_err(), Blame::Plugin);
}

#[test]
fn the_name_of_an_interface_is_bounded() {
    let import = |bytes: usize| {
        let name = format!("a:b/{}@0.1.0", "c".repeat(bytes - "a:b/@0.1.0".len()));
        let component = written(&format!("(component (import \"{name}\" (instance)))"));
        host().load(&component).unwrap_err()
    };
    let inside = import(INTERFACE_NAME_BYTES_MAX);
    assert!(matches!(inside, LoadError::NoResolver { .. }), "{inside}");
    let outside = import(INTERFACE_NAME_BYTES_MAX + 1);
    assert!(matches!(outside, LoadError::UnknownImport { .. }), "{outside}");
}
