//! Runs an argv; the key has it, with `|` between the words. Then it computes without end.

use coffer_plugin::{Error, Secret, commands};

fn resolve(key: &str) -> Result<Secret, Error> {
    let argv: Vec<&str> = key.split('|').collect();
    commands::run(&argv)?;
    loop {
        std::hint::spin_loop();
    }
}

guests::guest!(resolve);
