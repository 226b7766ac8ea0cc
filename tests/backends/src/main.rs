//! Installs every server, starts one of each, says what it started, and stops those when its input ends
//! or it is interrupted. With `install` it only installs.

#![expect(clippy::disallowed_macros, reason = "this is a program for people who work on the tests")]

use backends::BACKENDS;
use backends::registry_client::Client;
use std::io::Read as _;

fn main() {
    for backend in &BACKENDS {
        println!("{} {}: {}", backend.name, backend.version, (backend.install)().display());
    }
    for client in Client::ALL {
        println!("{client:?}: {}", client.install().display());
    }
    if std::env::args().nth(1).as_deref() == Some("install") {
        return;
    }
    let mut started = Vec::new();
    for backend in &BACKENDS {
        let (told, stops) = (backend.start)();
        println!("{}: {told}", backend.name);
        started.push(stops);
    }
    println!("they run until this program's input ends (Ctrl-D) or it is interrupted (Ctrl-C)");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
