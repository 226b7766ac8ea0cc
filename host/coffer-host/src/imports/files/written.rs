//! A stream into a file: the engine's, with its bytes counted and what stands in its way noted.

use super::code;
use super::sight::{Act, Exceeded, Seen, Sight};
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{DynOutputStream, OutputStream, StreamError, StreamResult};

pub(super) struct Written {
    pub(super) stream: DynOutputStream,
    pub(super) file: Arc<std::fs::File>,
    /// Where the next byte goes; the end of the file if nowhere else.
    pub(super) offset: Option<u64>,
    /// The granted directory that the file is below.
    pub(super) directory: Option<usize>,
    pub(super) seen: Arc<Seen>,
}

/// Counts bytes that are about to be written, with those that the file system makes up between the end of the
/// file and the offset.
pub(super) fn count(
    seen: &Seen,
    file: &std::fs::File,
    offset: Option<u64>,
    bytes: u64,
) -> Result<(), ErrorCode> {
    // Asked of the open file, for which no disk is needed.
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let made_up = offset.map_or(0, |offset| offset.saturating_sub(length));
    if seen.count_written(made_up.saturating_add(bytes)) {
        return Ok(());
    }
    seen.add(Sight::Exceeded(Exceeded::Written));
    Err(ErrorCode::Quota)
}

impl Written {
    fn count(&mut self, bytes: &Bytes) -> StreamResult<()> {
        let bytes = bytes.len() as u64;
        count(&self.seen, &self.file, self.offset, bytes).map_err(|_| {
            let error = io::Error::from(io::ErrorKind::QuotaExceeded);
            StreamError::LastOperationFailed(error.into())
        })?;
        self.offset = self.offset.map(|offset| offset.saturating_add(bytes));
        Ok(())
    }

    fn note<T>(&self, result: StreamResult<T>) -> StreamResult<T> {
        if let Err(StreamError::LastOperationFailed(error)) = &result
            && let Some(error) = error.downcast_ref::<io::Error>()
            && let Some(directory) = self.directory
        {
            self.seen.refused(directory, Act::Write, code(error));
        }
        result
    }
}

#[async_trait::async_trait]
impl OutputStream for Written {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.count(&bytes)?;
        let result = self.stream.write(bytes);
        self.note(result)
    }

    fn flush(&mut self) -> StreamResult<()> {
        let result = self.stream.flush();
        self.note(result)
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let result = self.stream.check_write();
        self.note(result)
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.count(&bytes)?;
        let result = self.stream.blocking_write_and_flush(bytes).await;
        self.note(result)
    }

    async fn cancel(&mut self) {
        self.stream.cancel().await;
    }
}

#[async_trait::async_trait]
impl Pollable for Written {
    async fn ready(&mut self) {
        self.stream.ready().await;
    }
}
