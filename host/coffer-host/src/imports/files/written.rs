//! A stream into a file: the engine's, with what stands in its way noted.

use super::{Act, code};
use crate::imports::{Record, Shared};
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{DynOutputStream, OutputStream, StreamError, StreamResult};

pub(super) struct Written {
    stream: DynOutputStream,
    shared: Arc<Shared>,
    record: Arc<Record>,
    /// The granted directory that the file is below.
    directory: Option<usize>,
}

impl Written {
    pub(super) fn new(
        stream: DynOutputStream,
        shared: Arc<Shared>,
        record: Arc<Record>,
        directory: Option<usize>,
    ) -> Self {
        Self { stream, shared, record, directory }
    }

    fn note<T>(&self, result: StreamResult<T>) -> StreamResult<T> {
        if let Err(StreamError::LastOperationFailed(error)) = &result
            && let Some(error) = error.downcast_ref::<io::Error>()
            && let Some(directory) = self.directory
            && let Some(incident) =
                self.shared.directories.incident(directory, Act::Write, code(error))
        {
            self.record.add(incident);
        }
        result
    }
}

#[async_trait::async_trait]
impl OutputStream for Written {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
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
