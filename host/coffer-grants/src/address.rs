//! Addresses: which of them a connection may be made to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far the connections of one grant reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Private addresses as well: loopback, private, link-local and metadata. The operator said so.
    Private,
    /// Addresses of the public internet only.
    Public,
}

impl Reach {
    /// The permit to connect to `address`, or nothing if it is not within reach.
    ///
    /// The permit holds the canonical address, so that one behind an IPv6 coat is judged, and
    /// connected to, as what it is.
    #[must_use]
    pub fn permit(self, address: IpAddr) -> Option<AddressPermit> {
        let address = address.to_canonical();
        match self {
            Self::Private if connectable(address) => Some(AddressPermit(address)),
            Self::Public if is_public(address) => Some(AddressPermit(address)),
            Self::Private | Self::Public => None,
        }
    }
}

/// Proof that a grant allows a connection to one address.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct AddressPermit(IpAddr);

impl AddressPermit {
    /// The address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.0
    }
}

/// Whether anything can answer there at all: not unspecified, not multicast, not broadcast.
fn connectable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[0] != 0 && !v4.is_multicast() && !v4.is_broadcast(),
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
    }
}

/// Whether `address` is on the public internet. From the IANA special-purpose address registries; the
/// standard library's `is_global` is not stable.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        [0, ..] => true,                              // this network
        [10, ..] => true,                             // private
        [100, 64..=127, ..] => true,                  // carrier-grade NAT; metadata at Alibaba
        [127, ..] => true,                            // loopback
        [169, 254, ..] => true,                       // link-local; metadata at AWS, Azure, Google
        [172, 16..=31, ..] => true,                   // private
        [168, 63, 129, 16] => true,                   // Azure's own host agent
        [192, 0, 0, ..] => true,                      // protocol assignments; metadata at Oracle
        [192, 0, 2, _] => true,                       // documentation
        [192, 88, 99, _] => true,                     // 6to4 relays
        [192, 168, ..] => true,                       // private
        [198, 18..=19, ..] => true,                   // benchmarks
        [198, 51, 100, _] | [203, 0, 113, _] => true, // documentation
        [224..=255, ..] => true,                      // multicast, reserved, broadcast
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // NAT64 (RFC 6052) and 6to4 (RFC 3056) carry an IPv4 address, which is what is reached.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        // Within 2000::/3, the only block that is global unicast: protocol assignments with Teredo and
        // ORCHID, and documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [0x2000..=0x3fff, ..] => true,
        // Loopback, IPv4-compatible, local NAT64 (64:ff9b:1::/48), discard, unique local, link-local,
        // site-local, multicast and everything unassigned.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reach that an address needs: both reach a public one, nothing reaches what cannot answer.
    fn check(address: &str, public: bool, private: bool) {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(Reach::Public.permit(address).is_some(), public, "public {address}");
        assert_eq!(Reach::Private.permit(address).is_some(), private, "private {address}");
    }

    #[test]
    fn public_addresses_are_in_every_reach() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2001:db7::1",
            "2001:db9::1",
            "2606:4700::1",
            "3ffe::1",
            "3fff:1000::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
        ] {
            check(address, true, true);
        }
    }

    #[test]
    fn private_addresses_need_the_operators_word() {
        for address in [
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.0.0",
            "169.254.169.254",
            "169.254.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "168.63.129.16",
            "192.0.0.0",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "240.0.0.1",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::1",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "5f00::1",
        ] {
            check(address, false, true);
        }
    }

    #[test]
    fn what_cannot_answer_is_in_no_reach() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "::",
            "ff02::1",
            "::ffff:0.0.0.0",
            "::ffff:224.0.0.1",
        ] {
            check(address, false, false);
        }
    }

    #[test]
    fn the_permit_holds_the_address_that_was_judged() {
        let permit = Reach::Private.permit("::ffff:127.0.0.1".parse().unwrap()).unwrap();
        assert_eq!(permit.address(), IpAddr::from([127, 0, 0, 1]));
    }
}
