//! The entry point of the bundle `sensitive-data`.
//!
//! A bundle's installer is given its parameters as variables and files, prints what it does, and leaves
//! its outputs in `/cnab/app/outputs`. This one is a WebAssembly component, so that nothing but coffer is
//! needed to run it. `installer` is what it does; `sandbox` is where it does it.

#[cfg(target_arch = "wasm32")]
mod bindings;
#[cfg(any(target_arch = "wasm32", test))]
mod installer;
#[cfg(target_arch = "wasm32")]
mod sandbox;

#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "the macro makes a function that the host can call")]
const _: () = {
    struct EntryPoint;

    impl bindings::exports::wasi::cli::run::Guest for EntryPoint {
        fn run() -> Result<(), ()> {
            installer::run(&sandbox::Sandbox).map_err(|why| sandbox::complain(&why))
        }
    }

    bindings::export!(EntryPoint with_types_in bindings);
};
