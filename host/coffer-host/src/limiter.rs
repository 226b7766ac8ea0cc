//! What one instance may take of memory and tables, counted while it takes it.

use crate::limits;
use wasmtime::{ResourceLimiter, StoreLimits, StoreLimitsBuilder};

/// Holds an instance to its limits. The engine's own limiter would bound each memory by itself, so that a
/// guest with several memories would have as many times the limit; here they count together.
pub(crate) struct Limiter {
    each: StoreLimits,
    memory_bytes: usize,
    memory_bytes_max: usize,
}

impl Limiter {
    /// For an instance that may use `memory_bytes_max` of linear memory.
    pub(crate) fn new(memory_bytes_max: usize) -> Self {
        let each = StoreLimitsBuilder::new()
            .memories(limits::MEMORIES_MAX as usize)
            .table_elements(limits::TABLE_ELEMENTS_MAX)
            .tables(limits::TABLES_MAX as usize)
            .instances(limits::CORE_INSTANCES_MAX as usize)
            .build();
        Self { each, memory_bytes: 0, memory_bytes_max }
    }
}

impl Limiter {
    /// Bytes of linear memory that it has.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let total = self.memory_bytes.saturating_add(more);
        // A guest is told that its memory cannot grow, and may cope.
        if total > self.memory_bytes_max {
            return Ok(false);
        }
        // If the engine cannot grow it after all, this much stays counted: a guest does not get to try
        // for ever.
        self.memory_bytes = total;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.each.memory_grow_failed(error)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.each.table_growing(current, desired, maximum)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.each.table_grow_failed(error)
    }

    fn instances(&self) -> usize {
        self.each.instances()
    }

    fn tables(&self) -> usize {
        self.each.tables()
    }

    fn memories(&self) -> usize {
        self.each.memories()
    }
}
