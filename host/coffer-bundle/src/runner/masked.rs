//! A writer that hides secrets before it hands on what it is given.

use coffer_host::{Mask, MaskStream};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// Hides secrets on the way to another writer. Clones share the stream.
#[derive(Clone)]
pub(super) struct Masked(Arc<Mutex<State>>);

struct State {
    stream: Option<MaskStream>,
    writer: Box<dyn Write + Send>,
}

impl Masked {
    pub(super) fn new(mask: &Mask, writer: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(State { stream: Some(mask.stream()), writer })))
    }

    /// Hands on what was held back because it could have been the beginning of a secret. What is
    /// written later is dropped.
    pub(super) fn finish(&self) {
        let Ok(mut state) = self.0.lock() else { return };
        if let Some(stream) = state.stream.take() {
            let rest = stream.finish();
            // A reader that has gone away does not undo the run.
            let _ = state.writer.write_all(&rest).and_then(|()| state.writer.flush());
        }
    }
}

impl Write for Masked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock().map_err(|_| io::Error::other("a writer panicked"))?;
        let State { stream, writer } = &mut *state;
        if let Some(stream) = stream {
            writer.write_all(&stream.write(bytes))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().map_err(|_| io::Error::other("a writer panicked"))?.writer.flush()
    }
}
