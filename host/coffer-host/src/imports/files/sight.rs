//! What an instance notes of files, without a word: it may be in a worker, and the words are coffer's.

use super::ErrorCode;
use crate::limits;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

/// What is looked at of what one instance saw.
pub(super) const SIGHTS_MAX: usize = 256;

/// Something that may have stood in the plugin's way.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sight {
    /// It looked which directories there are.
    Directories,
    Exceeded(Exceeded),
    /// In the granted directory of this place.
    Refused {
        directory: u32,
        act: Act,
        why: Why,
    },
}

/// What the plugin wanted to do.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Act {
    Read,
    Write,
}

/// Which limit the plugin wanted more than.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Exceeded {
    Created,
    Entries,
    Open,
    Written,
}

impl Exceeded {
    /// The limit, in words.
    pub(super) fn text(self) -> String {
        match self {
            Self::Created => format!("{} files made in one call", limits::FILES_CREATED_MAX),
            Self::Entries => {
                format!("{} directory entries read in one call", limits::DIRECTORY_ENTRIES_MAX)
            }
            Self::Open => format!("{} open files", limits::OPEN_FILES_MAX),
            Self::Written => {
                format!("{} bytes written to files in one call", limits::FILE_BYTES_WRITTEN_MAX)
            }
        }
    }
}

/// Why something was refused.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Why {
    Access,
    Full,
    NotPermitted,
    ReadOnly,
}

impl Why {
    fn of(code: ErrorCode) -> Option<Self> {
        Some(match code {
            ErrorCode::Access => Self::Access,
            ErrorCode::InsufficientSpace | ErrorCode::Quota => Self::Full,
            ErrorCode::NotPermitted => Self::NotPermitted,
            ErrorCode::ReadOnly => Self::ReadOnly,
            _ => return None,
        })
    }
}

/// What one instance saw, and the bytes that it wrote.
#[derive(Default)]
pub(super) struct Seen {
    sights: Mutex<Vec<Sight>>,
    written: AtomicU64,
}

impl Seen {
    pub(super) fn sights(&self) -> MutexGuard<'_, Vec<Sight>> {
        self.sights.lock().expect("nothing panics while it holds this lock")
    }

    pub(super) fn add(&self, sight: Sight) {
        let mut sights = self.sights();
        if !sights.contains(&sight) {
            sights.push(sight);
        }
    }

    pub(super) fn refused(&self, directory: usize, act: Act, code: ErrorCode) {
        if let (Ok(directory), Some(why)) = (u32::try_from(directory), Why::of(code)) {
            self.add(Sight::Refused { directory, act, why });
        }
    }

    /// Counts bytes that are to be written to files; whether they are within the limit.
    pub(super) fn count_written(&self, bytes: u64) -> bool {
        let within = |written: u64| {
            written.checked_add(bytes).filter(|written| *written <= limits::FILE_BYTES_WRITTEN_MAX)
        };
        self.written.try_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok()
    }
}
