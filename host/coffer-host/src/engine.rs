//! The engine: how guest code is compiled and run, and the clock that interrupts it.
//!
//! Every option that matters to security is set here, also where it equals the engine's default: the
//! defaults have changed before.

use crate::limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    Strategy,
};

/// What compiled code is for. The code of one purpose is never used for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A bundle's entry point: one instance, as much memory as it asks for, minutes of time.
    EntryPoint,
    /// A plugin: very many short instances from a pool.
    Plugin,
    /// A plugin that runs in a worker, compiled in one. It is never loaded into another process: whoever
    /// took the compiler over could have made it.
    Worker,
}

impl Purpose {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EntryPoint => "entry-point",
            Self::Plugin => "plugin",
            Self::Worker => "worker",
        }
    }
}

/// An engine for plugins, with room for `instances` at the same time. One that is metered counts instructions,
/// which takes time and is for labs.
pub(crate) fn plugins(instances: u32, metered: bool) -> wasmtime::Result<Engine> {
    let mut config = common();
    config.consume_fuel(metered);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances)));
    Engine::new(&config)
}

/// An engine for entry points, and for plugins of a host that makes a few calls: room for an instance is made
/// when it begins and given back when it ends. What an instance may have is [`crate::limiter`]'s in both.
pub(crate) fn on_demand(metered: bool) -> wasmtime::Result<Engine> {
    let mut config = common();
    config.consume_fuel(metered);
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config)
}

fn common() -> Config {
    let mut config = Config::new();
    config
        // Cranelift, and never Winch, which had escapes of its own.
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        // What plugins are made of.
        .wasm_component_model(true)
        .wasm_bulk_memory(true)
        .wasm_multi_value(true)
        .wasm_simd(true)
        .wasm_extended_const(true)
        .wasm_tail_call(true)
        .wasm_multi_memory(true)
        // What no plugin needs. Fewer features, fewer holes.
        .wasm_relaxed_simd(false)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .wasm_gc(false)
        .wasm_stack_switching(false)
        .gc_support(false)
        .shared_memory(false)
        // Bookkeeping for component-model async, which is off; it doubles the cost of a call.
        .concurrency_support(false)
        // The fences around guest code: guard pages, Spectre mitigations (on unless these are off) and
        // copy-on-write memory that is mapped afresh.
        .signals_based_traps(true)
        .memory_reservation(4 << 30)
        .memory_guard_size(32 << 20)
        .guard_before_linear_memory(true)
        .memory_may_move(false)
        .memory_init_cow(true)
        .table_lazy_init(true)
        // Deadlines.
        .epoch_interruption(true)
        .consume_fuel(false)
        .max_wasm_stack(limits::STACK_BYTES_MAX)
        .async_stack_size(limits::ASYNC_STACK_BYTES)
        // A stack that a guest's call ran on may hold parts of a secret.
        .async_stack_zeroing(true)
        // The same result everywhere, and nothing of the guest's memory in an error.
        .cranelift_nan_canonicalization(true)
        .debug_info(false)
        .native_unwind_info(true)
        .wasm_backtrace_max_frames(None);
    config
}

fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(limits::CORE_INSTANCES_MAX))
        // As many as the instances may have between them: what a component is allowed to be it must not
        // be refused because others run. It is address space, and takes no memory.
        .total_memories(instances.saturating_mul(limits::MEMORIES_MAX))
        .total_tables(instances.saturating_mul(limits::TABLES_MAX))
        .total_stacks(instances)
        .max_core_instances_per_component(limits::CORE_INSTANCES_MAX)
        .max_memories_per_component(limits::MEMORIES_MAX)
        .max_tables_per_component(limits::TABLES_MAX)
        .max_memories_per_module(limits::MEMORIES_MAX)
        .max_tables_per_module(limits::TABLES_MAX)
        .table_elements(limits::TABLE_ELEMENTS_MAX)
        .max_memory_size(limits::MEMORY_BYTES_MAX)
        .max_core_instance_size(4 << 20)
        .max_component_instance_size(4 << 20)
        // A slot is wiped by overwriting what was touched rather than by giving pages back, where the
        // kernel (6.7 and later) can tell what was touched. Half the cost of a call.
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(64 << 10)
        // The same for a stack's first pages, which is more than most calls use: they are overwritten, and the system
        // has nothing to take back of the rest, which is what keeps threads from waiting for each other.
        .async_stack_keep_resident(32 << 10)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Advances the engines' clocks while calls are running, so that a guest is interrupted every
/// [`limits::TICK`]. It sleeps while there are none.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    running: AtomicUsize,
    parked: AtomicBool,
    stopped: AtomicBool,
}

/// Ticks without a call after which the ticker sleeps. A call that begins sooner finds it awake and
/// costs no system call.
const IDLE_TICKS_MAX: u32 = 100;

impl Ticker {
    pub(crate) fn start(engines: Vec<Engine>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let handle = thread::Builder::new().name("coffer-ticker".into()).spawn({
            let shared = Arc::clone(&shared);
            move || tick(&shared, &engines)
        })?;
        Ok(Self { shared, thread: handle.thread().clone() })
    }

    /// Keeps the clock going until the returned value is dropped.
    pub(crate) fn run(&self) -> Running<'_> {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running(&self.shared)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// A call is running.
#[derive(Debug)]
pub(crate) struct Running<'t>(&'t Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn tick(shared: &Shared, engines: &[Engine]) {
    let mut idle_ticks = 0;
    while !shared.stopped.load(Ordering::SeqCst) {
        thread::sleep(limits::TICK);
        engines.iter().for_each(Engine::increment_epoch);
        if shared.running.load(Ordering::SeqCst) > 0 {
            idle_ticks = 0;
            continue;
        }
        idle_ticks += 1;
        if idle_ticks < IDLE_TICKS_MAX {
            continue;
        }
        // Announced before the last look: a call that begins in between sees it and unparks, and an
        // unpark that comes before the park is not lost.
        shared.parked.store(true, Ordering::SeqCst);
        if shared.running.load(Ordering::SeqCst) == 0 && !shared.stopped.load(Ordering::SeqCst) {
            thread::park();
        }
        shared.parked.store(false, Ordering::SeqCst);
        idle_ticks = 0;
    }
}
