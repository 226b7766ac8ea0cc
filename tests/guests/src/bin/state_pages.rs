//! Grows its memory by 4 MiB, reports in how many of the new bytes there is a mark, and leaves one in each.

use coffer_plugin::{Error, Secret};
use guests::{memory_pages, report};
use std::hint::black_box;

const MARK: u8 = 0xa5;

fn resolve(_: &str) -> Result<Secret, Error> {
    let before = memory_pages();
    let mut bytes = vec![0_u8; 0];
    bytes.reserve_exact(4 << 20);
    // What was reserved and never written, as it is.
    let found = black_box(spare(&mut bytes)).iter().filter(|byte| **byte == MARK).count();
    spare(&mut bytes).fill(MARK);
    black_box(&bytes);
    report(format!("{found} of pages from {before}"))
}

#[expect(unsafe_code, reason = "it looks at memory that nothing was written to")]
fn spare(bytes: &mut Vec<u8>) -> &mut [u8] {
    let spare = bytes.spare_capacity_mut();
    // SAFETY: every byte is a valid u8, and linear memory is always initialised.
    unsafe { std::slice::from_raw_parts_mut(spare.as_mut_ptr().cast(), spare.len()) }
}

guests::guest!(resolve);
