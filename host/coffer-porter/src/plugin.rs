//! The plugin, from the first look at its surroundings to the end: what is read, the one line that is
//! printed, and what runs until the host has no more use for it.

use crate::bridge::{Bridge, Surroundings};
use crate::key::{Key, KeyError};
use crate::life::Life;
use crate::section::Section;
use crate::server::Server;
use crate::service::Service;
use crate::socket::Socket;
use crate::tls::{Tls, TlsError};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// The variable by which a host says that it is one, and what it has to have. No secret: it keeps people
/// from running a plugin by hand.
const COOKIE: (&str, &str) = ("PORTER", "bbc2dd71-def4-4311-906e-e98dc27208ce");

/// go-plugin's own version of the handshake.
const VERSION_CORE: u32 = 1;

/// Porter's version of the protocol of secrets.
const VERSION_SECRETS: u32 = 2;

/// The host's certificate, if it wants mutual TLS.
const CERTIFICATE: &str = "PLUGIN_CLIENT_CERT";

/// Whether the host puts all connections into one.
const MULTIPLEX: &str = "PLUGIN_MULTIPLEX_GRPC";

/// Where the host wants the socket.
const DIRECTORY: &str = "PLUGIN_UNIX_SOCKET_DIR";

/// Why the plugin did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Nobody who knows what it is started it.
    #[error(
        "this program is a plugin and is not started by hand: Porter, or another go-plugin host with Porter's \
         cookie, starts it (`coffer porter install` puts it in place)"
    )]
    Cookie,
    /// The key is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The operating system did not give what is needed.
    #[error("{what}: {error}")]
    System {
        /// What was not given.
        what: &'static str,
        /// Why.
        error: io::Error,
    },
    /// There is no TLS, and the host wants it.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Serves the store of a key until the host has no more use for it.
///
/// # Errors
///
/// [`StartError`] if it did not come to that.
pub async fn run(key: &str, surroundings: Surroundings) -> Result<(), StartError> {
    let failed = |what| move |error| StartError::System { what, error };
    let variable = surroundings.variable;
    if variable(COOKIE.0).as_deref() != Some(COOKIE.1) {
        return Err(StartError::Cookie);
    }
    let key = Key::parse(key)?;
    // Whoever presses Ctrl-C means the host, which has the plugin save what a bundle gave before it ends.
    let interrupts = signal(SignalKind::interrupt()).map_err(failed("signals cannot be taken"))?;
    let mut terminates =
        signal(SignalKind::terminate()).map_err(failed("signals cannot be taken"))?;
    let tls = variable(CERTIFICATE).filter(|given| !given.is_empty());
    let tls = tls.map(|given| Tls::with(&given)).transpose()?.map(Arc::new);
    let place = variable(DIRECTORY).filter(|place| !place.is_empty());
    let place = place.or_else(|| variable("TMPDIR").filter(|place| !place.is_empty()));
    let place = place.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
    let socket = Socket::bind(&place).map_err(failed("there can be no socket"))?;
    let multiplexing = variable(MULTIPLEX).filter(|word| !word.is_empty());

    let life = Life::new();
    life.watch_parent();
    tokio::spawn(life.clone().watch_connections());
    let bridge = Bridge::new(surroundings, key.store().to_owned(), section());
    let service = Service { bridge: Arc::new(bridge), life: life.clone() };
    let line = line(&socket, tls.as_deref(), multiplexing.is_some());
    let multiplexed = multiplexing.is_some_and(|word| is_true(&word));
    let server = Server { life: life.clone(), multiplexed, service, tls };
    print(&line).map_err(failed("standard output is closed"))?;

    let terminated = async {
        terminates.recv().await;
        life.end("it was told to end by a signal");
    };
    tokio::select! {
        () = server.run(&socket) => {}
        () = terminated => {}
    }
    // Nobody connects any more, while what was asked for is finished.
    drop(socket);
    life.finish().await;
    drop(interrupts);
    Ok(())
}

/// Reads the section on standard input, on a thread: it can take until the host closes the stream.
fn section() -> oneshot::Receiver<Result<Section, crate::section::SectionError>> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let stdin = io::stdin();
        // A host that gives no section can have left its own terminal there.
        let section =
            if stdin.is_terminal() { Ok(Section::default()) } else { Section::read(stdin.lock()) };
        let _ = sender.send(section);
    });
    receiver
}

/// What Go takes for true.
fn is_true(word: &str) -> bool {
    ["1", "t", "T", "TRUE", "true", "True"].contains(&word)
}

/// The line that tells the host where the plugin is. Old hosts take a seventh field for a part of the
/// sixth, so only those that know of it get it.
fn line(socket: &Socket, tls: Option<&Tls>, multiplexing: bool) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    let certificate = tls.map(|tls| STANDARD_NO_PAD.encode(&tls.certificate)).unwrap_or_default();
    let path = socket.path();
    let multiplexing = if multiplexing { "|true" } else { "" };
    format!(
        "{VERSION_CORE}|{VERSION_SECRETS}|unix|{}|grpc|{certificate}{multiplexing}\n",
        path.display()
    )
}

fn print(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()
}
