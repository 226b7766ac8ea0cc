//! What the guests share: the frame of a plugin around one function, and the part of WASI that the SDK
//! has no use for.

pub mod canary;
pub mod wasi;

use coffer_plugin::{Error, Secret};

/// A guest that resolves by one function.
#[macro_export]
macro_rules! guest {
    ($resolve:path) => {
        struct Guest;

        impl coffer_plugin::Resolver for Guest {
            fn resolve(
                reference: &coffer_plugin::Reference,
            ) -> Result<coffer_plugin::Secret, coffer_plugin::Error> {
                $resolve(&reference.key)
            }
        }

        coffer_plugin::export!(Guest);

        fn main() {}
    };
}

/// What the guest found out, as the value of the secret: the test reads it.
///
/// # Errors
///
/// Never; it has the type that a resolver returns.
#[expect(clippy::needless_pass_by_value, reason = "what is found out is made on the spot")]
pub fn report(found: impl ToString) -> Result<Secret, Error> {
    Ok(Secret::new(found.to_string()))
}

/// Pages of the first memory.
#[must_use]
pub fn memory_pages() -> usize {
    #[cfg(target_arch = "wasm32")]
    return core::arch::wasm32::memory_size::<0>();
    #[cfg(not(target_arch = "wasm32"))]
    0
}

/// Grows the first memory by `pages`; whether it could be.
#[must_use]
pub fn grow_memory(pages: usize) -> bool {
    #[cfg(target_arch = "wasm32")]
    return core::arch::wasm32::memory_grow::<0>(pages) != usize::MAX;
    #[cfg(not(target_arch = "wasm32"))]
    return pages == 0;
}

/// A number in a key.
///
/// # Panics
///
/// If it is none.
#[must_use]
pub fn number(key: &str) -> usize {
    key.parse().expect("the test gives a number as the key")
}
