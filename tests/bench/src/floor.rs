//! The floor: the engine alone, told what coffer tells it, in a loop by hand. A fresh instance for each call, with
//! a limit for its memory and an end for its time, and nothing else: no grants, no audit, no places, no masking.

use wasmtime::component::{Component, Linker};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Store,
    StoreLimits, StoreLimitsBuilder,
};

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package coffer:bench;
        world resolver { export coffer:secrets/resolver@0.1.0; }
    ",
    exports: { default: async },
    require_store_data_send: true,
});

pub(crate) use coffer::secrets::types::Reference;

pub(crate) struct Floor {
    engine: Engine,
    resolver: ResolverPre<StoreLimits>,
}

impl Floor {
    pub(crate) fn new(bytes: &[u8]) -> wasmtime::Result<Self> {
        let engine = Engine::new(&config())?;
        let component = Component::new(&engine, bytes)?;
        let mut linker = Linker::new(&engine);
        linker.define_unknown_imports_as_traps(&component)?;
        let resolver = ResolverPre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { engine, resolver })
    }

    pub(crate) async fn resolve(&self, references: &[Reference]) -> wasmtime::Result<usize> {
        let limits = StoreLimitsBuilder::new().memory_size(64 << 20).build();
        let mut store = Store::new(&self.engine, limits);
        store.limiter(|limits| limits);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let plugin = self.resolver.instantiate_async(&mut store).await?;
        let answers = plugin.coffer_secrets_resolver().call_resolve(&mut store, references).await?;
        Ok(answers.iter().flatten().count())
    }
}

/// As `host/coffer-host/src/engine.rs` has it, where it matters to time.
fn config() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(64)
        .total_core_instances(64 * 64)
        .total_memories(64 * 4)
        .total_tables(64 * 64)
        .total_stacks(64)
        .max_memory_size(256 << 20)
        .table_elements(32_768)
        .max_core_instance_size(4 << 20)
        .max_component_instance_size(4 << 20)
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .gc_support(false)
        .concurrency_support(false)
        .memory_reservation(4 << 30)
        .memory_guard_size(32 << 20)
        .memory_may_move(false)
        .epoch_interruption(true)
        .async_stack_size(2 << 20)
        .async_stack_zeroing(true)
        .cranelift_nan_canonicalization(true)
        .wasm_backtrace_max_frames(None)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
