//! Every case, in the order in which they are asked: what a file says of itself, what a plugin does while all
//! is well, what it does while it is not, and what was seen meanwhile.

mod behaviour;
mod cost;
mod faults;
mod file;
mod listing;
mod resolving;
mod writing;

use crate::case::Case;

pub(crate) use cost::{Measured, measured};

/// Every case.
#[must_use]
pub fn all() -> Vec<Case> {
    let groups: [&[Case]; 7] = [
        &file::CASES,
        &resolving::CASES,
        &writing::CASES,
        &listing::CASES,
        &faults::CASES,
        &behaviour::CASES,
        &cost::CASES,
    ];
    groups.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_case_has_a_name_of_its_own_and_says_what_to_do() {
        let names: BTreeSet<&str> = all().iter().map(|case| case.id).collect();
        assert_eq!(names.len(), all().len());
        for case in all() {
            let (group, name) = case.id.split_once('/').expect("a group and a name");
            assert!(!group.is_empty() && !name.is_empty(), "{}", case.id);
            assert!(!case.title.is_empty() && !case.next.is_empty(), "{}", case.id);
        }
    }

    /// Whoever adds a case says in the document what it means and what to do.
    #[test]
    fn every_case_is_in_the_document() {
        let document = include_str!("../../../docs/lab.md");
        for case in all() {
            let row = format!("| `{}` |", case.id);
            assert_eq!(document.matches(&row).count(), 1, "docs/lab.md and {}", case.id);
        }
    }
}
