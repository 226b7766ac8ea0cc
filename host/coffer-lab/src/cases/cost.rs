//! What calls cost while all is well, held against the profile's budget.

use crate::bench::Bench;
use crate::case::{Case, Finding, Outcome, case, fail};
use crate::profile::Budget;
use crate::watch::{Cost, VERBS};
use coffer_host::grants::Verb;
use std::time::Duration;

pub(crate) const CASES: [Case; 4] = [
    case!(
        "cost/time",
        "Half of the calls of each verb take no longer than the budget says",
        "Send requests at the same time; compute less; or raise `time` in the profile",
        |bench| within(bench, &TIME)
    ),
    case!(
        "cost/memory",
        "No call needs more memory than the budget says",
        "Copy bodies less often; or raise `memory` in the profile",
        |bench| within(bench, &MEMORY)
    ),
    case!(
        "cost/requests",
        "No call sends more requests than the budget says",
        "Ask once for what is needed twice; or raise `requests` in the profile",
        |bench| within(bench, &REQUESTS)
    ),
    case!(
        "cost/instructions",
        "No call computes more than the budget says",
        "Look for what grows with the size of a value; or raise `instructions` in the profile",
        |bench| within(bench, &INSTRUCTIONS)
    ),
];

/// Something that is counted.
struct Counted {
    what: &'static str,
    of: fn(&[Cost]) -> u64,
    budget: fn(&Budget) -> Option<u64>,
}

const TIME: Counted = Counted {
    what: "microseconds",
    of: |costs| micros(median(costs)),
    budget: |budget| budget.time.map(micros),
};
const MEMORY: Counted = Counted {
    what: "bytes of memory",
    of: |costs| costs.iter().map(|cost| cost.usage.memory_bytes).max().unwrap_or(0),
    budget: |budget| budget.memory,
};
const REQUESTS: Counted = Counted {
    what: "requests",
    of: |costs| costs.iter().map(|cost| cost.requests as u64).max().unwrap_or(0),
    budget: |budget| budget.requests,
};
const INSTRUCTIONS: Counted = Counted {
    what: "instructions",
    of: |costs| costs.iter().map(|cost| cost.usage.instructions).max().unwrap_or(0),
    budget: |budget| budget.instructions,
};

async fn within(bench: &Bench, counted: &Counted) -> Outcome {
    let seen = bench.watch.seen();
    let mut has_budget = false;
    let mut measured = false;
    for verb in VERBS.map(Verb::name) {
        let Some(costs) = seen.costs.get(verb) else { continue };
        measured = true;
        let cost = (counted.of)(costs);
        let Some(most) = (counted.budget)(&bench.profile.budget(verb)) else { continue };
        has_budget = true;
        if cost > most {
            fail!("`{verb}` takes {cost} {}, and may take {most}", counted.what);
        }
    }
    match (measured, has_budget) {
        (false, _) => Err(Finding::NotApplicable("no call came to its end".into())),
        (true, false) => Err(Finding::NotApplicable("the profile has no budget for it".into())),
        (true, true) => Ok(String::new()),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The time that half of the calls do not take longer than.
fn median(costs: &[Cost]) -> Duration {
    let mut times: Vec<Duration> = costs.iter().map(|cost| cost.took).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// What calls of a verb cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) calls: u64,
    pub(crate) time_us: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) requests: u64,
    pub(crate) instructions: u64,
}

/// What calls of each verb cost.
pub(crate) fn measured(bench: &Bench) -> Vec<(&'static str, Measured)> {
    let seen = bench.watch.seen();
    let of = |verb: &'static str| {
        let costs = seen.costs.get(verb)?;
        let measured = Measured {
            calls: costs.len() as u64,
            time_us: (TIME.of)(costs),
            memory_bytes: (MEMORY.of)(costs),
            requests: (REQUESTS.of)(costs),
            instructions: (INSTRUCTIONS.of)(costs),
        };
        Some((verb, measured))
    };
    VERBS.map(Verb::name).into_iter().filter_map(of).collect()
}
