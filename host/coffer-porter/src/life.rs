//! How long the process lives: until the host says so, or is gone, and what it asked for is done.

use rustix::process;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;

/// How long what was asked for is waited for at the end. A host that asked for the end kills sooner.
const FINISH_MS_MAX: u64 = 30_000;

/// How long a host without a connection can take to come back.
const ALONE_MS_MAX: u64 = 10_000;

/// How long connections can take to close once they have nothing to carry.
const CLOSE_MS_MAX: u64 = 1_000;

/// One process's life. Cheap to clone; clones share it.
#[derive(Clone)]
pub(crate) struct Life {
    calls: TaskTracker,
    connections: watch::Sender<usize>,
    end: CancellationToken,
}

impl Life {
    pub(crate) fn new() -> Self {
        let connections = watch::Sender::new(0);
        Self { calls: TaskTracker::new(), connections, end: CancellationToken::new() }
    }

    /// Does something that the host asked for, to its end, even if the host stops waiting for it: what a
    /// bundle gave is saved although somebody pressed Ctrl-C. It has a thread of its own, so that a plugin
    /// that computes keeps neither the connection nor the end waiting.
    ///
    /// # Errors
    ///
    /// That of the call.
    pub(crate) fn call<T, C, F>(
        &self,
        call: C,
    ) -> impl Future<Output = Result<T, Status>> + Send + use<T, C, F>
    where
        T: Send + 'static,
        C: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<T, Status>>,
    {
        let runtime = Handle::current();
        let done = self.calls.spawn_blocking(move || runtime.block_on(call()));
        async {
            let failed = || Err(Status::internal("coffer itself failed; its log says where"));
            done.await.unwrap_or_else(|_| failed())
        }
    }

    /// Begins the end.
    pub(crate) fn end(&self, why: &str) {
        if !self.end.is_cancelled() {
            tracing::debug!("the plugin ends: {why}");
        }
        self.end.cancel();
    }

    /// Waits for the end to begin.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        self.end.clone().cancelled_owned()
    }

    /// A connection, for as long as the value lives.
    pub(crate) fn connected(&self) -> Connected {
        self.connections.send_modify(|count| *count += 1);
        Connected(self.connections.clone())
    }

    /// Ends when the host has had a connection and has none for too long.
    pub(crate) async fn watch_connections(self) {
        let mut connections = self.connections.subscribe();
        let mut waited = async |wanted: bool| {
            let is = |count: &usize| (*count > 0) == wanted;
            connections.wait_for(is).await.map(|_| ()).is_ok()
        };
        while waited(true).await && waited(false).await {
            let alone = Duration::from_millis(ALONE_MS_MAX);
            if tokio::time::timeout(alone, waited(true)).await.is_err() {
                return self.end("the host has lost its connection");
            }
        }
    }

    /// Ends when the process that started this one does. Its number says nothing once it is gone, so its
    /// descriptor is what is waited for. `PR_SET_PDEATHSIG` would be told of the end of a thread.
    #[cfg(target_os = "linux")]
    pub(crate) fn watch_parent(&self) {
        use rustix::event::{PollFd, PollFlags, poll};
        let parent = process::getppid();
        let descriptor = parent
            .and_then(|parent| process::pidfd_open(parent, process::PidfdFlags::empty()).ok());
        let life = self.clone();
        // A thread and no task: it waits for as long as the process lives, and ends with it.
        std::thread::spawn(move || {
            if let Some(descriptor) = descriptor.filter(|_| process::getppid() == parent) {
                let mut waited = [PollFd::new(&descriptor, PollFlags::IN)];
                while poll(&mut waited, None) == Err(rustix::io::Errno::INTR) {}
            }
            life.end("the host is gone");
        });
    }

    /// Ends when the process that started this one does, or a second later.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn watch_parent(&self) {
        let (parent, life) = (process::getppid(), self.clone());
        std::thread::spawn(move || {
            while process::getppid() == parent {
                std::thread::sleep(Duration::from_secs(1));
            }
            life.end("the host is gone");
        });
    }

    /// Waits for what the host asked for, and for its connections to close.
    pub(crate) async fn finish(self) {
        self.calls.close();
        let limit = Duration::from_millis(FINISH_MS_MAX);
        if tokio::time::timeout(limit, self.calls.wait()).await.is_err() {
            tracing::warn!("calls were not done {FINISH_MS_MAX} ms after the plugin was to end");
        }
        let mut connections = self.connections.subscribe();
        let closed = connections.wait_for(|count| *count == 0);
        let _ = tokio::time::timeout(Duration::from_millis(CLOSE_MS_MAX), closed).await;
    }
}

/// A connection that is there.
pub(crate) struct Connected(watch::Sender<usize>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
