//! A canary that one guest leaves wherever it can, and another looks for. It is in no component's data, and
//! the one that looks never has it in one piece, so that it does not find its own.

use std::hint::black_box;

/// Bytes of the canary.
pub const BYTES: usize = 16;

/// A byte of the canary.
#[inline(never)]
fn byte(index: usize) -> u8 {
    (black_box(index) as u8).wrapping_mul(37) ^ black_box(0x5a)
}

fn put(place: &mut [u8]) {
    for (index, to) in place.iter_mut().enumerate() {
        *to = byte(index % BYTES);
    }
}

/// Puts the canary onto the stack, `frames` deep, a kilobyte for each.
#[inline(never)]
pub fn onto_the_stack(frames: usize) -> u8 {
    let mut frame = [0_u8; 1024];
    put(&mut frame);
    let frame = black_box(frame);
    let deeper = if frames > 1 { onto_the_stack(frames - 1) } else { 0 };
    frame[black_box(usize::from(deeper))]
}

/// Puts the canary all over `bytes` of memory that is grown for it.
#[must_use]
pub fn onto_the_heap(bytes: usize) -> Vec<u8> {
    let mut heap = vec![0_u8; bytes];
    put(&mut heap);
    black_box(heap)
}

/// How often the canary is in the whole memory, from the first byte to the last.
#[must_use]
pub fn found() -> usize {
    count(BYTES, byte)
}

/// How often a text is in the whole memory that is told backwards, so that it is not there already.
#[must_use]
pub fn found_backwards(text: &[u8]) -> usize {
    count(text.len(), |index| text[text.len() - 1 - index])
}

#[expect(unsafe_code, reason = "it looks at what no value of its own is in")]
fn count(length: usize, byte: impl Fn(usize) -> u8) -> usize {
    let end = super::memory_pages() * 65_536;
    // SAFETY: every address below the memory's size can be read, and nothing else runs meanwhile.
    let read = |at: usize| unsafe { (at as *const u8).read_volatile() };
    let first = byte(0);
    (1..end.saturating_sub(length))
        .filter(|at| read(*at) == first && (1..length).all(|index| read(at + index) == byte(index)))
        .count()
}
