//! Functions that make what is too large or too regular to be written by hand: most of them the fields of
//! a core module with `count` of something, which takes long to compile if there is too much of it. The
//! prefix of a name is the suite that runs it.

use std::fmt::Write as _;

/// The fields of a module whose only function has this type and body.
fn function(ty: &str, body: &str) -> String {
    format!("(func {ty} {body})")
}

fn join(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, index| {
        text += &piece(index);
        text
    })
}

/// Bytes that can be changed one by one: `component` with bits flipped, in `count` places that are spread
/// over it, the same at every run.
pub fn load_flipped(component: &[u8], count: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    (0..count).map(move |_| {
        // xorshift64
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut changed = component.to_vec();
        let at = 8 + usize::try_from(random >> 16).unwrap_or(0) % (changed.len() - 8);
        changed[at] ^= 1 << (random % 8);
        changed
    })
}

/// The beginnings of `component`, each one byte longer than the one before.
pub fn load_truncated(component: &[u8]) -> impl Iterator<Item = &[u8]> {
    (0..component.len()).map(|length| &component[..length])
}

/// Branches one after the other.
pub fn load_branches(count: usize) -> String {
    let pairs = "(block (br_if 0 (local.get 0)))".repeat(count / 2);
    function("(param i32)", &(pairs + &"(block)".repeat(count % 2)))
}

/// Blocks in one another.
pub fn load_blocks_nested(count: usize) -> String {
    function("", &("block ".repeat(count) + &"end ".repeat(count)))
}

/// Loops in one another.
pub fn load_loops_nested(count: usize) -> String {
    function("(param i32)", &("loop local.get 0 br_if 0 ".repeat(count) + &"end ".repeat(count)))
}

/// Values that are on the stack at the same time.
pub fn load_operands(count: usize) -> String {
    let body = "local.get 0 ".repeat(count) + &"i32.add ".repeat(count - 1);
    function("(param i32) (result i32)", &body)
}

/// Locals of one function.
pub fn load_locals(count: usize) -> String {
    function("", &format!("(local {})", "i32 ".repeat(count)))
}

/// Parameters of a function that is called again and again.
pub fn load_parameters(count: usize) -> String {
    let (types, values) = ("i32 ".repeat(count), "i32.const 0 ".repeat(count));
    format!("(func $f (param {types})) (func {})", format!("{values} call $f ").repeat(100))
}

/// Results of a function.
pub fn load_results(count: usize) -> String {
    format!("(func (result {}) unreachable)", "i32 ".repeat(count))
}

/// Targets of one branch table.
pub fn load_targets(count: usize) -> String {
    let targets = "0 1 2 ".repeat(count / 3) + &"0 ".repeat(count % 3);
    function("(param i32)", &format!("block block (br_table {targets} 0 (local.get 0)) end end"))
}

/// Bytes of code in one function: the number of its locals, operators that do nothing, and its end.
pub fn load_code(count: usize) -> String {
    function("", &"nop ".repeat(count - 2))
}

/// Functions that do nothing.
pub fn load_functions(count: usize) -> String {
    "(func)".repeat(count)
}

/// Exports of a module.
pub fn load_exports(count: usize) -> String {
    "(func $f)".to_owned() + &join(count, |index| format!("(export \"e{index}\" (func $f))"))
}

/// Types of functions, each another.
pub fn load_types(count: usize) -> String {
    join(count, |index| {
        let bits = (0..16).map(|bit| if index >> bit & 1 == 1 { "i64 " } else { "i32 " });
        format!("(type (func (param {})))", bits.collect::<String>())
    })
}

/// Globals of a module.
pub fn load_globals(count: usize) -> String {
    "(global i32 (i32.const 0))".repeat(count)
}

/// Segments of data, far from one another.
pub fn load_data(count: usize) -> String {
    join(count, |index| format!("(data (i32.const {}) \"x\")", index % 900 + 16))
}

/// Segments of elements.
pub fn load_elements(count: usize) -> String {
    "(table 1 funcref) (func $f)".to_owned() + &"(elem (i32.const 0) $f)".repeat(count)
}

/// Functions in which each of `branches` sets another of `locals`: what the compiler takes longest for.
pub fn load_tangle(functions: usize, branches: usize, locals: usize) -> String {
    let ifs = join(branches, |index| {
        let local = 1 + index % locals;
        format!("(if (local.get 0) (then (local.set {local} (i32.const {index}))))")
    });
    let sum = join(locals, |index| format!("local.get {} i32.add ", index + 1));
    let body = format!("(local {}) {ifs} i32.const 0 {sum}", "i32 ".repeat(locals));
    function("(param i32) (result i32)", &body).repeat(functions)
}

/// A component with as many modules.
pub fn load_modules(count: usize) -> String {
    format!("(component {})", "(core module)".repeat(count))
}

/// A component with components beside one another.
pub fn load_components(count: usize) -> String {
    format!("(component {})", "(component)".repeat(count))
}

/// A component with components in one another.
pub fn load_components_nested(count: usize) -> String {
    "(component ".repeat(count) + &")".repeat(count)
}

/// Components of which each instantiates the one before `times` times, `levels` deep: a billion laughs.
pub fn load_laughs(levels: usize, times: usize) -> String {
    let instances = "(instance (instantiate $p))".repeat(times);
    let level = |index: usize| {
        format!("(component $c{} (alias outer 1 $c{index} (component $p)) {instances})", index + 1)
    };
    format!(
        "(component (component $c0) {} (instance (instantiate $c{levels})))",
        join(levels, level)
    )
}

/// The same with modules at the end.
pub fn load_laughs_of_modules(levels: usize, times: usize) -> String {
    load_laughs(levels, times).replacen(
        "(component $c0)",
        "(component $c0 (core module $m) (core instance (instantiate $m)))",
        1,
    )
}

/// A component that instantiates what it is given, so that nobody can tell what it unfolds into.
pub fn load_argument() -> String {
    "(component (component $c (import \"a\" (component $a)) (instance (instantiate $a))))"
        .to_owned()
}

/// A type that holds the one before, `count` deep.
pub fn load_types_deep(count: usize) -> String {
    let mut text = "(component (type $t0 (list u8))".to_owned();
    for index in 1..=count {
        let _ = write!(text, "(type $t{index} (list $t{}))", index - 1);
    }
    text + ")"
}

/// A type that holds the one before twice, `count` deep.
pub fn load_types_doubling(count: usize) -> String {
    let mut text = "(component (type $t0 (tuple u8 u8))".to_owned();
    for index in 1..=count {
        let _ = write!(text, "(type $t{index} (tuple $t{0} $t{0}))", index - 1);
    }
    text + ")"
}

/// A component with as many aliases.
pub fn load_aliases(count: usize) -> String {
    let aliases = "(alias outer 1 $t (type))".repeat(count);
    format!("(component (type $t (list u8)) (component {aliases}))")
}

/// A section that says it is `more` bytes longer than what follows.
pub fn load_lying_section(more: u8) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    bytes.extend([0, 2 + more, 1, b'x']);
    bytes
}

/// A length that takes more bytes than a number of 32 bits can have.
pub fn load_overlong_length() -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    bytes.extend([0, 0x82, 0x80, 0x80, 0x80, 0x80, 0x00, 1, b'x']);
    bytes
}
