//! A program that has workers, for the tests: what it is depends on the name that it is started by, since
//! a worker is given nothing else.

mod escape;
mod lies;
mod measure;
mod parent;

use std::path::Path;

fn main() {
    let mut arguments = std::env::args();
    let program = arguments.next().unwrap_or_default();
    let name = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    if let Some(lie) = name.strip_prefix("lies-") {
        return lies::tell(lie);
    }
    // The control: the same code without a fence.
    if name == "unfenced" {
        let asked = arguments.next().unwrap_or_default();
        return escape::print(&escape::act(&asked));
    }
    if name == "measure" {
        return measure::run();
    }
    if name == "parent" {
        return parent::run(arguments);
    }
    if name == "late" {
        escape::stop();
    }
    let _program = match name.as_str() {
        "escaped" => coffer_host::worker::enter_escaping(escape::act),
        _ => coffer_host::worker::enter(),
    };
}
