//! Lists the first directory that it sees as many times as the key says.

use coffer_plugin::{Error, Secret};
use guests::wasi::wasi::filesystem::preopens::get_directories;
use guests::{number, report};

fn resolve(key: &str) -> Result<Secret, Error> {
    let Some((directory, _)) = get_directories().into_iter().next() else {
        return report("no directory");
    };
    for listed in 0..number(key) {
        if let Err(code) = directory.read_directory() {
            return Err(Error::Other(format!("{} after {listed}", code.name())));
        }
    }
    report(key)
}

guests::guest!(resolve);
