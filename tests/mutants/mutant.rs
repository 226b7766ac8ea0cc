//! Put into a copy of coffer-host, where every mutant asks here whether it is its turn. Which one is chosen is in
//! `COFFER_MUTANT`; each one that is asked leaves a mark in the file `COFFER_MUTANT_SEEN`, so that it is known which
//! tests reach it. A worker has no variables and is told by an argument; the file stays mapped when it may open none.
#![allow(dead_code, unsafe_code, clippy::disallowed_methods, reason = "this is no part of coffer")]

use std::ops::{Add, Div, Mul, Sub};
use std::sync::OnceLock;

struct Chosen {
    number: u32,
    /// Where the marks are. Zero if there are none.
    seen: usize,
}

const ARGUMENT: &str = "--coffer-mutant=";
const MARKS: usize = 65_536;

fn told() -> (String, String) {
    let given = std::env::args().find_map(|given| given.strip_prefix(ARGUMENT).map(str::to_owned));
    match given.as_deref().and_then(|given| given.split_once(',')) {
        Some((number, seen)) => (number.to_owned(), seen.to_owned()),
        None => {
            let variable = |name| std::env::var(name).unwrap_or_default();
            (variable("COFFER_MUTANT"), variable("COFFER_MUTANT_SEEN"))
        }
    }
}

/// The argument by which a worker is told.
pub(crate) fn passed() -> String {
    let (number, seen) = told();
    format!("{ARGUMENT}{number},{seen}")
}

fn start() -> Chosen {
    use std::os::fd::AsRawFd as _;
    let (number, seen) = told();
    let number = number.parse().unwrap_or(u32::MAX);
    let file = std::fs::File::options().read(true).write(true).open(seen);
    let Ok(file) = file else { return Chosen { number, seen: 0 } };
    let (access, way) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    // It has as many bytes as there can be marks.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), MARKS, access, way, file.as_raw_fd(), 0) };
    Chosen { number, seen: if at == libc::MAP_FAILED { 0 } else { at as usize } }
}

pub(crate) fn is(number: u32) -> bool {
    static CHOSEN: OnceLock<Chosen> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(start);
    if chosen.seen != 0 {
        unsafe { (chosen.seen as *mut u8).add(number as usize).write_volatile(1) };
    }
    chosen.number == number
}

/// A comparison, which is moved by one, or turned round.
macro_rules! ordered {
    ($name:ident: $itself:tt, $moved:tt, $turned:tt) => {
        pub(crate) fn $name<A: PartialOrd<B> + ?Sized, B: ?Sized>(n: u32, a: &A, b: &B) -> bool {
            if is(n) { a $moved b } else if is(n + 1) { a $turned b } else { a $itself b }
        }
    };
}

ordered!(lt: <, <=, >=);
ordered!(le: <=, <, >);
ordered!(gt: >, >=, <=);
ordered!(ge: >=, >, <);

pub(crate) fn eq<A: PartialEq<B> + ?Sized, B: ?Sized>(n: u32, a: &A, b: &B) -> bool {
    (a == b) ^ is(n)
}

pub(crate) fn ne<A: PartialEq<B> + ?Sized, B: ?Sized>(n: u32, a: &A, b: &B) -> bool {
    (a != b) ^ is(n)
}

macro_rules! counted {
    ($name:ident: $Itself:ident $itself:tt, $Other:ident $other:tt) => {
        pub(crate) fn $name<A, B>(n: u32, a: A, b: B) -> <A as $Itself<B>>::Output
        where
            A: $Itself<B> + $Other<B, Output = <A as $Itself<B>>::Output>,
        {
            if is(n) { a $other b } else { a $itself b }
        }
    };
}

counted!(add: Add +, Sub -);
counted!(sub: Sub -, Add +);
counted!(mul: Mul *, Div /);
counted!(div: Div /, Mul *);
