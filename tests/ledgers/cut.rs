//! A way to a server that can be cut or stopped at a word.

use backends::way::{self, Side, Verdict};
use std::sync::{Arc, Mutex};

/// What happens to the next message to the server that has the word in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It does not arrive, and the connection ends.
    Before(&'static str),
    /// It arrives and is answered; the answer is lost, and the connection ends.
    After(&'static str),
    /// It does not arrive, and nothing is said.
    Silence(&'static str),
}

/// A port of loopback that leads to another one.
pub(crate) struct Way {
    pub(crate) port: u16,
    next: Arc<Mutex<Option<Cut>>>,
}

impl Way {
    pub(crate) fn to(server: u16) -> Self {
        let next = Arc::new(Mutex::new(None));
        let cuts = Arc::clone(&next);
        let port = way::to(server, move || {
            let cuts = Arc::clone(&cuts);
            let (mut deaf, mut silent) = (false, false);
            move |side, said| match side {
                Side::Server if deaf => Verdict::End,
                Side::Client if silent => Verdict::Swallow,
                Side::Server => Verdict::Pass,
                Side::Client => match take(&mut cuts.lock().unwrap(), said) {
                    Some(Cut::Before(_)) => Verdict::End,
                    Some(Cut::Silence(_)) => {
                        silent = true;
                        Verdict::Swallow
                    }
                    Some(Cut::After(_)) => {
                        deaf = true;
                        Verdict::Pass
                    }
                    None => Verdict::Pass,
                },
            }
        });
        Self { port, next }
    }

    /// Cuts once.
    pub(crate) fn cut(&self, cut: Cut) {
        *self.next.lock().unwrap() = Some(cut);
    }

    /// Whether what was to be cut was.
    pub(crate) fn is_cut(&self) -> bool {
        self.next.lock().unwrap().is_none()
    }
}

/// The cut, if its word was said.
fn take(next: &mut Option<Cut>, said: &[u8]) -> Option<Cut> {
    let has = |word: &str| said.windows(word.len()).any(|part| part == word.as_bytes());
    next.take_if(|cut| match cut {
        Cut::After(word) | Cut::Before(word) | Cut::Silence(word) => has(word),
    })
}
