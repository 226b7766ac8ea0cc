//! How much is tried. `just test` takes some of what there is, spread evenly and always the same; `just torture`
//! takes all, and kills as often as it is told, with a seed that it prints.

use std::env;

/// Faults per command that `just test` tries.
const POINTS: usize = 24;

/// Processes that are killed per command in `just test`.
const KILLS: u32 = 40;

/// How many processes are killed in all by `just torture`.
fn cycles() -> Option<u32> {
    let text = env::var("COFFER_TORTURE").ok()?;
    Some(text.parse().expect("COFFER_TORTURE is a number of cycles"))
}

/// Some of these points, or all.
pub(crate) fn chosen<T>(points: Vec<T>) -> impl Iterator<Item = T> {
    let step = if cycles().is_some() { 1 } else { points.len().div_ceil(POINTS).max(1) };
    points.into_iter().step_by(step)
}

/// Processes that are killed per command, of so many commands.
pub(crate) fn kills(commands: u32) -> u32 {
    cycles().map_or(KILLS, |cycles| cycles.div_ceil(commands))
}

/// The one cycle of each command that is run, if it is named: one that failed, again, with the same
/// `COFFER_TORTURE` and `COFFER_SEED`.
pub(crate) fn only() -> Option<u32> {
    let text = env::var("COFFER_CYCLE").ok()?;
    Some(text.parse().expect("COFFER_CYCLE is the number of a cycle"))
}

/// Is told if the test fails while this is there.
pub(crate) struct Told(pub(crate) String);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            note(&self.0);
        }
    }
}

/// Numbers by chance from a seed, which is `COFFER_SEED` or told: the generator is SplitMix64.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(what: &str) -> Self {
        let seed = env::var("COFFER_SEED").map_or(0xc0ffe4, |seed| seed.parse().expect("a number"));
        note(&format!("{what}: COFFER_SEED={seed}"));
        Self(seed)
    }

    /// From 0 to 1.
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from((mixed ^ (mixed >> 31)) as u32) / f64::from(u32::MAX)
    }
}

/// Tells on standard error, which a test that passes does not show.
#[expect(clippy::disallowed_macros, reason = "a test that fails says where")]
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}
