//! Bytes that were right once, and what the fuzzer makes of them.

use crate::input::Input;

/// `bytes` with as many changes as there are in `input`: a place and what is done there.
pub(crate) fn edited(bytes: &[u8], mut input: Input<'_>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    while !input.is_empty() {
        let kind = input.byte();
        let at = (usize::from(input.byte()) << 16 | input.number()) % (bytes.len() + 1);
        match kind % 6 {
            0 => {
                let changed = input.byte();
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = changed);
            }
            1 => {
                let bit = input.byte() % 8;
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit);
            }
            2 => {
                let end = (at + usize::from(input.byte())).min(bytes.len());
                bytes.drain(at..end);
            }
            3 => {
                bytes.splice(at..at, input.bytes().to_vec());
            }
            4 => {
                let repeated = bytes[at..].iter().take(usize::from(input.byte())).copied();
                let repeated: Vec<u8> = repeated.collect();
                bytes.splice(at..at, repeated);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}
