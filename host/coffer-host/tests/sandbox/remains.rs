//! What is left of a secret in the memory of the process, and of a call on its stack. The process reads its own
//! memory as the kernel shows it, so that no code of the program is asked.

use crate::stage::{Stage, ask};
use coffer_host::{Host, Secret};
use guest_artifacts::written;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// A value that is in this program in no form that a search would find: each letter is worked out.
fn canary(seed: u8) -> String {
    (0..32_u8).map(|index| char::from(b'a' + (index.wrapping_mul(7) ^ seed) % 26)).collect()
}

/// How often the bytes, each turned by `TURN`, are in memory that can be written, turned back. Neither
/// what is searched for nor what is read is in memory as it is.
fn found(turned: &[u8]) -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let memory = File::open("/proc/self/mem").unwrap();
    let finder = aho_corasick::AhoCorasick::new([turned]).unwrap();
    let mut found = 0;
    let mut chunk = vec![0_u8; 1 << 20];
    for line in maps.lines() {
        let mut fields = line.split(' ');
        let range = fields.next().unwrap();
        if !fields.next().unwrap().starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let address = |text| u64::from_str_radix(text, 16).unwrap();
        let (mut at, to) = (address(from), address(to));
        while at < to {
            let wanted = usize::try_from(to - at).unwrap().min(chunk.len());
            // What another test unmapped meanwhile cannot be read, and has nothing in it.
            let Ok(read) = memory.read_at(&mut chunk[..wanted], at) else { break };
            for byte in &mut chunk[..read] {
                *byte ^= TURN;
            }
            found += finder.find_iter(&chunk[..read]).count();
            // It is read as well, when it is its turn.
            chunk.fill(0);
            if read < wanted || at + read as u64 == to {
                break;
            }
            // A value may lie across two chunks.
            at += (read - turned.len()) as u64;
        }
    }
    found
}

const TURN: u8 = 0xa5;

/// The canary of this seed, again and again: the memory that is given back has the allocator's own numbers
/// where it begins, which would hide a short one. Overwritten when it is dropped.
fn kept(seed: u8, bytes: usize) -> Secret {
    let mut text = canary(seed).into_bytes();
    let mut value = Vec::with_capacity(bytes);
    value.extend(text.iter().cycle().take(bytes));
    text.fill(0);
    std::hint::black_box(&text);
    Secret::new(value)
}

#[test]
fn a_secret_is_overwritten_when_it_is_dropped() {
    const BYTES: usize = 65_536;
    let (secret, expected) = (kept(1, BYTES), kept(1, 32));
    let at = secret.expose().as_ptr() as u64;
    let memory = File::open("/proc/self/mem").unwrap();
    // Made before, so that it does not take the memory that is given back.
    let mut bytes = vec![0; BYTES];
    let mut look = || {
        // Memory that was given back to the kernel cannot be read.
        let read = memory.read_at(&mut bytes, at).unwrap_or(0);
        bytes[..read].windows(32).filter(|window| *window == expected.expose()).count()
    };
    assert_eq!(look(), BYTES / 32);
    drop(secret);
    assert_eq!(look(), 0);
}

/// Guest code runs on a stack of the pool, where the compiler puts what has no room in registers.
#[tokio::test]
async fn nothing_of_a_call_stays_on_its_stack() {
    let host = Host::builder().instances(1).build().unwrap();
    // Eight bytes that are worked out, and held over calls on every level.
    let core = r#"(memory (export "memory") 1)
        (func $deeper (param $depth i64) (param $value i64) (result i64)
          (if (result i64) (i64.eqz (local.get $depth))
            (then (i64.const 0))
            (else (i64.add
              (call $deeper (i64.sub (local.get $depth) (i64.const 1)) (local.get $value))
              (i64.and (local.get $value) (local.get $depth))))))
        (func $start
          (i64.store (i32.const 8)
            (call $deeper (i64.const 500)
              (i64.xor (i64.const 0x5af01234987655aa) (i64.const 0x0102030405060708)))))
        (start $start)"#;
    let value = 0x5af0_1234_9876_55aa_u64 ^ 0x0102_0304_0506_0708;
    let looked_for: Vec<u8> =
        std::hint::black_box(value).to_le_bytes().iter().map(|byte| byte ^ TURN).collect();
    let store = Stage::with(written::plugin(core)).on(host).open();
    assert_eq!(ask(&store, "").await.unwrap(), "");
    // It is in this function too, but not on five hundred levels.
    let found = found(&looked_for);
    assert!(found < 50, "it is in memory {found} times");
}
