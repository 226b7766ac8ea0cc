//! Tries every way into the network that WASI has, and reports what worked.

use coffer_plugin::{Error, Secret};
use guests::report;
use guests::wasi::wasi::sockets::instance_network::instance_network;
use guests::wasi::wasi::sockets::ip_name_lookup::resolve_addresses;
use guests::wasi::wasi::sockets::network::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use guests::wasi::wasi::sockets::tcp_create_socket::create_tcp_socket;
use guests::wasi::wasi::sockets::udp_create_socket::create_udp_socket;

fn resolve(key: &str) -> Result<Secret, Error> {
    let port = key.parse().map_err(|_| Error::NotFound)?;
    let address = |port| IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address: (127, 0, 0, 1) });
    let mut worked = Vec::new();
    let network = instance_network();
    if let Ok(socket) = create_tcp_socket(IpAddressFamily::Ipv4)
        && socket.start_connect(&network, address(port)).is_ok()
    {
        socket.subscribe().block();
        if socket.finish_connect().is_ok() {
            worked.push("tcp connect");
        }
    }
    if let Ok(socket) = create_tcp_socket(IpAddressFamily::Ipv4)
        && socket.start_bind(&network, address(0)).is_ok()
        && socket.finish_bind().is_ok()
    {
        worked.push("tcp bind");
    }
    if let Ok(socket) = create_udp_socket(IpAddressFamily::Ipv4) {
        if socket.start_bind(&network, address(0)).is_ok() && socket.finish_bind().is_ok() {
            worked.push("udp bind");
        }
        if socket.stream(Some(address(port))).is_ok() {
            worked.push("udp stream");
        }
    }
    if let Ok(addresses) = resolve_addresses(&network, "localhost") {
        addresses.subscribe().block();
        if matches!(addresses.resolve_next_address(), Ok(Some(_))) {
            worked.push("lookup");
        }
    }
    report(format!("{worked:?}"))
}

guests::guest!(resolve);
