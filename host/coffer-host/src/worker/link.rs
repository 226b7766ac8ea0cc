//! A worker's way to its parent: what a guest wants of the world is asked for here.

use super::message::{self, Frame, FromWorker};
use crate::imports::{Effect, Reply};
use crate::limits;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// A message, and who waits until it is on its way.
pub(super) type Sent = (Frame, Option<oneshot::Sender<()>>);

/// What all calls of a worker share of it.
pub(super) struct Parent {
    pub(super) outgoing: mpsc::Sender<Sent>,
    waiting: Mutex<HashMap<(u64, u64), oneshot::Sender<Reply>>>,
    asked: AtomicU64,
}

impl Parent {
    pub(super) fn new(outgoing: mpsc::Sender<Sent>) -> Self {
        Self { outgoing, waiting: Mutex::default(), asked: AtomicU64::new(0) }
    }

    /// Gives a reply to whoever waits for it, unless nobody does any more.
    pub(super) fn replied(&self, call: u64, number: u64, reply: Reply) {
        if let Some(waiting) = self.waiting().remove(&(call, number)) {
            let _ = waiting.send(reply);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<(u64, u64), oneshot::Sender<Reply>>> {
        self.waiting.lock().expect("nothing panics while it holds this lock")
    }
}

/// What one message for an effect counts, of [`limits::EFFECTS_KIB_MAX`] together. Both sides count.
pub(super) fn cost_kib(frame_bytes: usize) -> u32 {
    let least = limits::EFFECTS_KIB_MAX / limits::EFFECTS_MAX;
    u32::try_from(frame_bytes.div_ceil(1024)).unwrap_or(u32::MAX).max(least)
}

/// The parent, for one call.
#[derive(Clone)]
pub(crate) struct Link {
    call: u64,
    parent: Arc<Parent>,
    /// What may be asked for at the same time.
    places: Arc<Semaphore>,
}

impl Link {
    pub(super) fn new(call: u64, parent: Arc<Parent>) -> Self {
        let places = Arc::new(Semaphore::new(limits::EFFECTS_KIB_MAX as usize));
        Self { call, parent, places }
    }

    /// Says that the call begins, and waits until that is where the parent finds it whatever becomes of
    /// this process: a call that it does not know to have begun is begun anew by another worker.
    pub(super) async fn begin(&self) -> Option<()> {
        let frame = message::encode(&FromWorker::Begun { call: self.call }).ok()?;
        let (written, on_its_way) = oneshot::channel();
        self.parent.outgoing.send((frame, Some(written))).await.ok()?;
        on_its_way.await.ok()
    }

    /// Has the parent do it.
    pub(crate) async fn ask(&self, effect: Effect) -> wasmtime::Result<Reply> {
        let gone = || wasmtime::Error::msg("coffer is gone");
        let number = self.parent.asked.fetch_add(1, Ordering::Relaxed);
        let message = FromWorker::Effect { call: self.call, number, effect };
        let frame = message::encode(&message)
            .map_err(|_| wasmtime::Error::msg("more was handed to the host than it takes"))?;
        drop(message);
        let places = self.places.acquire_many(cost_kib(frame.len())).await.map_err(|_| gone())?;
        let (replied, reply) = oneshot::channel();
        self.parent.waiting().insert((self.call, number), replied);
        let _forgotten = Forgotten { link: self, number };
        self.parent.outgoing.send((frame, None)).await.map_err(|_| gone())?;
        let reply = reply.await.map_err(|_| gone())?;
        drop(places);
        Ok(reply)
    }
}

/// What nobody waits for any more takes no room.
struct Forgotten<'l> {
    link: &'l Link,
    number: u64,
}

impl Drop for Forgotten<'_> {
    fn drop(&mut self) {
        self.link.parent.waiting().remove(&(self.link.call, self.number));
    }
}
