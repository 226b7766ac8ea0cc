//! `coffer:host/cache`: a small memory per store that outlives an instance.

use super::State;
use crate::bindings::coffer::host::cache::{Error, Host};
use crate::limits;
use crate::secret::Bytes;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The entries of one store. Values are overwritten with zeros when they go.
#[derive(Default)]
pub(crate) struct Cache {
    entries: Mutex<HashMap<String, Entry>>,
}

struct Entry {
    value: Bytes,
    expires: Instant,
}

impl Cache {
    pub(super) fn get(&self, key: &str, now: Instant) -> Option<Bytes> {
        let mut entries = self.entries.lock().expect("nothing panics while it holds this lock");
        let entry = entries.get(key)?;
        if entry.expires <= now {
            entries.remove(key);
            return None;
        }
        Some(entry.value.clone())
    }

    pub(super) fn put(
        &self,
        key: String,
        value: Bytes,
        ttl: Duration,
        now: Instant,
    ) -> Result<(), Error> {
        if key.len() + value.len() > limits::CACHE_ENTRY_BYTES_MAX {
            return Err(Error::TooLarge(limits::CACHE_ENTRY_BYTES_MAX as u64));
        }
        let mut entries = self.entries.lock().expect("nothing panics while it holds this lock");
        entries.remove(&key);
        entries.retain(|_, entry| entry.expires > now);
        let size = |key: &str, value: &[u8]| key.len() + value.len();
        let mut bytes: usize = entries.iter().map(|(key, entry)| size(key, &entry.value)).sum();
        let needed = size(&key, &value);
        while entries.len() >= limits::CACHE_ENTRIES_MAX || bytes + needed > limits::CACHE_BYTES_MAX
        {
            // The one that would have gone soonest goes now.
            let soonest = entries.iter().min_by_key(|(_, entry)| entry.expires);
            let Some(soonest) = soonest.map(|(key, _)| key.clone()) else { break };
            if let Some(entry) = entries.remove(&soonest) {
                bytes -= size(&soonest, &entry.value);
            }
        }
        let expires = now + ttl.min(limits::CACHE_TTL_MAX);
        entries.insert(key, Entry { value, expires });
        Ok(())
    }

    pub(super) fn remove(&self, key: &str) {
        self.entries.lock().expect("nothing panics while it holds this lock").remove(key);
    }
}

impl Host for State {
    async fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.outside.cache_get(key).await?.map(Bytes::take))
    }

    async fn put(
        &mut self,
        key: String,
        value: Vec<u8>,
        ttl_ms: u64,
    ) -> wasmtime::Result<Result<(), Error>> {
        self.outside.cache_put(key, Bytes::new(value), ttl_ms).await
    }

    async fn remove(&mut self, key: String) -> wasmtime::Result<()> {
        self.outside.cache_remove(key).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn put(cache: &Cache, key: &str, bytes: usize, ttl: Duration, now: Instant) -> bool {
        cache.put(key.into(), Bytes::new(vec![7; bytes]), ttl, now).is_ok()
    }

    #[test]
    fn entries_expire() {
        let (cache, now) = (Cache::default(), Instant::now());
        assert!(put(&cache, "a", 1, MINUTE, now));
        assert_eq!(cache.get("a", now).as_deref(), Some([7].as_slice()));
        assert!(cache.get("a", now + MINUTE).is_none());
        assert!(cache.get("a", now).is_none());
        assert!(put(&cache, "b", 1, limits::CACHE_TTL_MAX * 10, now));
        assert!(cache.get("b", now + limits::CACHE_TTL_MAX).is_none());
        assert!(put(&cache, "c", 1, MINUTE, now));
        cache.remove("c");
        assert!(cache.get("c", now).is_none());
    }

    #[test]
    fn room_is_made_by_what_would_go_first() {
        let (cache, now) = (Cache::default(), Instant::now());
        let largest = limits::CACHE_ENTRY_BYTES_MAX - 2;
        assert!(!put(&cache, "xx", largest + 1, MINUTE, now));
        for index in 10..26 {
            assert!(put(&cache, &index.to_string(), largest, MINUTE * index, now));
        }
        // What takes the place of itself needs no room.
        assert!(put(&cache, "25", largest, MINUTE * 25, now));
        assert!((10..26).all(|index| cache.get(&index.to_string(), now).is_some()));
        assert!(put(&cache, "26", largest, MINUTE * 60, now));
        assert!(cache.get("10", now).is_none());
        assert!(cache.get("11", now).is_some());

        let cache = Cache::default();
        for index in 0..=limits::CACHE_ENTRIES_MAX {
            let ttl = MINUTE + Duration::from_secs(index as u64);
            assert!(put(&cache, &index.to_string(), 1, ttl, now));
        }
        assert!(cache.get("0", now).is_none());
        assert!(cache.get("1", now).is_some());
    }
}
