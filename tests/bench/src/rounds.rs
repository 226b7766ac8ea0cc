//! Several ways to do the same, which take turns.

use std::time::{Duration, Instant};

/// How long each way took in each round.
pub(crate) struct Rounds<const N: usize>(Vec<[Duration; N]>);

impl<const N: usize> Rounds<N> {
    /// Lets each way do it once in each of `count` rounds, and once before, to get warm. Each says how long it took.
    pub(crate) fn of(count: usize, mut ways: [&mut dyn FnMut() -> Duration; N]) -> Self {
        let mut round = || ways.each_mut().map(|way| way());
        round();
        Self((0..count).map(|_| round()).collect())
    }

    /// The middle of how long a way took.
    pub(crate) fn middle(&self, way: usize) -> Duration {
        let times = self.0.iter().map(|round| round[way].as_secs_f64());
        Duration::from_secs_f64(middle(times))
    }

    /// How many times as long as `other` a way took: the middle of the rounds' ratios, so that what the machine does
    /// beside it, which both sides of a round see, counts little.
    pub(crate) fn ratio(&self, way: usize, other: usize) -> f64 {
        middle(self.0.iter().map(|round| round[way].as_secs_f64() / round[other].as_secs_f64()))
    }
}

/// The middle of several numbers.
fn middle(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_unstable_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// How long `act` takes.
pub(crate) fn time(act: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    act();
    begun.elapsed()
}

/// A time, as people read it.
pub(crate) fn shown(time: Duration) -> String {
    let us = time.as_secs_f64() * 1e6;
    match us {
        us if us < 1_000.0 => format!("{us:.1} us"),
        us if us < 1_000_000.0 => format!("{:.2} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}
