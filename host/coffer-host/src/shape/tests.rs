//! Each bound, to the number.

use super::*;
use guest_artifacts::generated::*;

/// Checks a component of this text.
#[track_caller]
fn check(text: &str, expected: Option<&str>) {
    let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    let found = super::check(&bytes).err().map(|error| error.to_string());
    let fits = match (&found, expected) {
        (None, None) => true,
        (Some(found), Some(expected)) => {
            found.contains(&format!("more than {expected}, too many to compile"))
        }
        _ => false,
    };
    assert!(fits, "{found:?}, not {expected:?}");
}

/// `make` gives the fields of a module with as many of something as it is told, of which there may be `max`.
#[track_caller]
fn module(make: impl Fn(usize) -> String, max: usize, what: &str) {
    let text = |count| format!("(component (core module {}))", make(count));
    check(&text(max), None);
    check(&text(max + 1), Some(&format!("{max} {what}")));
}

#[test]
fn what_a_module_has_is_counted() {
    let memory = |make: fn(usize) -> String| move |count| "(memory 1)".to_owned() + &make(count);
    let items = "imports, exports, aliases, globals and segments";
    module(load_exports, limits::ITEMS_MAX, items);
    module(load_globals, limits::ITEMS_MAX, items);
    module(|count| "(import \"\" \"\" (func))".repeat(count), limits::ITEMS_MAX, items);
    let segments = "segments of data and elements";
    module(memory(load_data), limits::SEGMENTS_MAX, segments);
    module(load_elements, limits::SEGMENTS_MAX, segments);
    module(load_functions, limits::FUNCTIONS_MAX, "functions");
    module(load_types, limits::TYPES_MAX, "types");
}

#[test]
fn what_a_function_has_is_counted() {
    module(load_locals, limits::LOCALS_MAX, "locals of one function");
    let parameter = |count| format!("(func (param i64) (local {}))", "i32 ".repeat(count - 1));
    module(parameter, limits::LOCALS_MAX, "locals of one function");
    module(load_parameters, limits::PARAMETERS_MAX, "parameters of one function");
    module(load_results, limits::RESULTS_MAX, "results of one function");
    module(load_operands, limits::OPERANDS_MAX, "operands at the same time in one function");
    module(load_loops_nested, limits::LOOPS_NESTED_MAX, "loops in one another");
    module(load_targets, limits::BRANCH_TARGETS_MAX, "branch targets in one function");
    // The function itself is a block, too.
    let nested = |count| load_blocks_nested(count - 1);
    module(nested, limits::BLOCKS_NESTED_MAX, "blocks in one another");
    for branch in [
        "(block)",
        "(if (i32.const 1) (then))",
        "(br_if 0 (i32.const 1))",
        "(call_indirect (type $t) (i32.const 0))",
        "(drop (table.get 0 (i32.const 0)))",
        "(table.set 0 (i32.const 0) (ref.null func))",
    ] {
        let make =
            |count| format!("(type $t (func)) (table 1 funcref) (func {})", branch.repeat(count));
        module(make, limits::BRANCHES_MAX, "branches in one function");
    }
    module(load_code, limits::FUNCTION_BYTES_MAX, "bytes of code in one function");
}

/// Operands are counted right after what never comes to its end, and where branches meet again.
#[test]
fn operands_are_counted_by_what_is_open() {
    for piece in [
        "(block (result i32) (br 0 (i32.const 1)) ) drop ",
        "(block unreachable) ",
        "(if (result i32) (i32.const 1) (then (i32.const 1)) (else (i32.const 2))) drop ",
        "(loop (result i32) (i32.const 1)) drop ",
        "(drop (call $f (i32.const 1)))",
    ] {
        let calls = "(func $f (param i32) (result i32) (local.get 0))";
        check(&format!("(component (core module {calls} (func {})))", piece.repeat(2_000)), None);
    }
}

/// What a block leaves behind counts, and what its other branch begins with, which the end of the first one does not tell.
#[test]
fn operands_that_blocks_leave_are_counted() {
    let what = "operands at the same time in one function";
    let ones = |count: usize| "(i32.const 1) ".repeat(count);
    let blocks = |count: usize| {
        let blocks = "(block (result i32) (i32.const 1)) ".repeat(count);
        format!("(func {blocks} {})", "drop ".repeat(count))
    };
    module(blocks, limits::OPERANDS_MAX, what);
    // One waits below the block, and one is handed to it.
    let other = |count: usize| {
        let more = count - 2;
        format!(
            "(func (i32.const 7) (i32.const 8) (i32.const 1)
             (if (param i32) (result i32) (then unreachable) (else {} {})) drop drop)",
            ones(more),
            "drop ".repeat(more)
        )
    };
    module(other, limits::OPERANDS_MAX, what);
    // And what is behind such a block begins with what waits and what it left.
    let behind = |count: usize| {
        let more = count - 2;
        format!(
            "(func (i32.const 7) (block (result i32) unreachable) {} {} drop drop)",
            ones(more),
            "drop ".repeat(more)
        )
    };
    module(behind, limits::OPERANDS_MAX, what);
}

/// Parameters are those of the function itself, also behind one that is imported and one that has none.
#[test]
fn parameters_count_as_locals_of_their_function() {
    // 1,024 squared times 32 is 2^25, and a function of nothing is 1.
    let one = format!("(func (param {}) {})", "i32 ".repeat(31), "(block)".repeat(1023));
    let text = |count| {
        let before = r#"(import "" "" (func)) (func)"#;
        format!("(component (core module {before} {}))", one.repeat(count))
    };
    check(&text((1 << 10) - 1), None);
    let what = "entanglement (branches squared, times locals, of all functions)";
    check(&text(1 << 10), Some(&format!("{} {what}", limits::TANGLE_MAX)));
}

#[test]
fn entanglement_is_counted_over_all_functions() {
    // Of 1,023 branches and 31 locals: 1,024 squared times 32 is 2^25, and 2^10 functions are at the bound.
    let one = load_tangle(1, 1023, 30);
    let text = |count| format!("(component (core module {}))", one.repeat(count));
    check(&text(1 << 10), None);
    let what = "entanglement (branches squared, times locals, of all functions)";
    check(&text((1 << 10) + 1), Some(&format!("{} {what}", limits::TANGLE_MAX)));
}

#[test]
fn code_is_counted_over_all_functions() {
    let one =
        wat::parse_str(format!("(module {})", load_code(limits::FUNCTION_BYTES_MAX))).unwrap();
    let most = limits::CODE_BYTES_MAX / limits::FUNCTION_BYTES_MAX;
    let small = wat::parse_str("(module (func))").unwrap();
    // A component of these modules: a header, and a section for each with its length in three bytes.
    let component = |modules: &[&[u8]]| {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        for module in modules {
            let length = module.len();
            let low = |shift: usize| u8::try_from(length >> shift & 0x7f).unwrap();
            bytes.extend([1, low(0) | 0x80, low(7) | 0x80, low(14)]);
            bytes.extend_from_slice(module);
        }
        bytes
    };
    let mut modules = vec![&one[..]; most];
    super::check(&component(&modules)).unwrap();
    modules.push(&small);
    let error = super::check(&component(&modules)).unwrap_err().to_string();
    assert!(
        error.contains(&format!("{} bytes of code, too many", limits::CODE_BYTES_MAX)),
        "{error}"
    );
}

#[test]
fn parts_are_counted_wherever_they_are() {
    check(&load_modules(limits::MODULES_MAX), None);
    let what = format!("{} modules", limits::MODULES_MAX);
    check(&load_modules(limits::MODULES_MAX + 1), Some(&what));
    let what = format!("{} components", limits::COMPONENTS_MAX);
    check(&load_components(limits::COMPONENTS_MAX - 1), None);
    check(&load_components(limits::COMPONENTS_MAX), Some(&what));
    check(&load_components_nested(limits::COMPONENTS_MAX), None);
    check(&load_components_nested(limits::COMPONENTS_MAX + 1), Some(&what));
    let aliases = format!("{} imports, exports, aliases, globals and segments", limits::ITEMS_MAX);
    check(&load_aliases(limits::ITEMS_MAX), None);
    check(&load_aliases(limits::ITEMS_MAX + 1), Some(&aliases));
    // Everything that is one; the imported function is the first.
    let items = |around: [&str; 2], one: fn(usize) -> String, count: usize| {
        let [before, after] = around;
        let made: String = (0..count).map(one).collect();
        format!(
            r#"(component (type $t (func)) (import "f" (func $f (type $t))) {before}{made}{after})"#
        )
    };
    let most = limits::ITEMS_MAX - 1;
    let import = |n| format!(r#"(import "f{n}" (func (type $t)))"#);
    let export = |n| format!(r#"(export "f{n}" (func $f))"#);
    let argument = |n| format!(r#"(with "f{n}" (func $f))"#);
    let lower = |_| "(core func (canon lower (func $f)))".to_owned();
    let instance = |_| r"(instance)".to_owned();
    let core_instance = |_| r"(core instance)".to_owned();
    let passed = ["(component $c) (instance (instantiate $c ", "))"];
    for (around, one, most) in [
        (["", ""], import as fn(usize) -> String, most),
        (["", ""], export, most),
        (["", ""], lower, most),
        (["", ""], instance, most),
        (["", ""], core_instance, most),
        // The instance is one as well.
        (passed, argument, most - 1),
    ] {
        check(&items(around, one, most), None);
        check(&items(around, one, most + 1), Some(&aliases));
    }
}

#[test]
fn instances_are_counted_as_they_unfold() {
    let components = format!("{} instances of components", limits::COMPONENT_INSTANCES_MAX);
    // 1 + 3 + 9 + 27 + 81 = 121, and 364 with the next level.
    check(&load_laughs(4, 3), None);
    check(&load_laughs(5, 3), Some(&components));
    // 1 + 255 and 1 + 256.
    check(&load_laughs(1, limits::COMPONENT_INSTANCES_MAX - 1), None);
    check(&load_laughs(1, limits::COMPONENT_INSTANCES_MAX), Some(&components));
    let modules = format!("{} instances of modules", limits::CORE_INSTANCES_MAX);
    // 8 times 8 are at the bound.
    check(&load_laughs_of_modules(2, 8), None);
    check(&load_laughs_of_modules(1, 65), Some(&modules));
    check(&load_laughs_of_modules(3, 5), Some(&modules));
    check(&load_argument(), Some("0 instances of components that are passed as arguments"));
    // One that is imported has a number as well.
    let after_imported = |count: usize| {
        let instances = "(instance (instantiate $e))".repeat(count);
        format!(r#"(component (import "c" (component)) (component $e) {instances})"#)
    };
    check(&after_imported(limits::COMPONENT_INSTANCES_MAX), None);
    check(&after_imported(limits::COMPONENT_INSTANCES_MAX + 1), Some(&components));
    // An export is another name for the same.
    let exported =
        r#"(component (component $c) (export $d "d" (component $c)) (instance (instantiate $d)))"#;
    check(exported, None);
}
