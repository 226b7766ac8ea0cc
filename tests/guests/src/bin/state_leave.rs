//! Leaves a canary on its stack and all over a megabyte that it grows its memory by, and then ends as the
//! key says.

use coffer_plugin::{Error, Secret};
use guests::canary::{onto_the_heap, onto_the_stack};
use guests::report;
use guests::wasi::wasi::cli::exit;
use std::hint::black_box;

fn resolve(key: &str) -> Result<Secret, Error> {
    let heap = black_box(onto_the_heap(1 << 20));
    onto_the_stack(8);
    match key {
        "crash" => std::process::abort(),
        "error" => Err(Error::Other("as it was told".into())),
        "exit" => {
            exit::exit(Ok(()));
            report("it goes on")
        }
        "loop" => loop {
            black_box(&heap);
        },
        _ => report(heap.len()),
    }
}

guests::guest!(resolve);
