//! Addresses: which of them a connection may be made to.

use crate::denied::Denied;
use crate::url::RequestUrl;
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

    /// The same for a request to `url`, whose host stands for `address`.
    ///
    /// # Errors
    ///
    /// [`Denied`] names the missing grant.
    pub fn check(self, url: &RequestUrl, address: IpAddr) -> Result<AddressPermit, Denied> {
        self.permit(address).ok_or_else(|| Denied::address(url, address))
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
    use proptest::prelude::*;

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
            "169.254.0.23",
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
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
            "fd00:ec2::23",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::a9fe:a9fe",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b:1::169.254.169.254",
            "64:ff9b:1:ffff::1",
            "64:ff9b::100.64.0.1",
            "64:ff9b::168.63.129.16",
            "64:ff9b::192.0.0.192",
            "2001:0:a9fe:a9fe::1",
            "2002:6464:64c8::1",
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

    /// The blocks that nothing reaches, those that take the operator's word, and the one of IPv6 that
    /// has public addresses, as the registries write them. IPv4 in IPv6 is not among them: it is judged
    /// as what it carries.
    const NOWHERE: [&str; 5] =
        ["0.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32", "::/128", "ff00::/8"];
    const GLOBAL: &str = "2000::/3";
    const PRIVATE: [&str; 18] = [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
    ];
    fn within(block: &str, address: IpAddr) -> bool {
        let (first, bits) = block.split_once('/').unwrap();
        let bits: u32 = bits.parse().unwrap();
        match (first.parse().unwrap(), address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                first.to_bits() == address.to_bits() & u32::MAX.checked_shl(32 - bits).unwrap_or(0)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                first.to_bits()
                    == address.to_bits() & u128::MAX.checked_shl(128 - bits).unwrap_or(0)
            }
            _ => false,
        }
    }

    fn oracle(address: IpAddr) -> (bool, bool) {
        let any = |blocks: &[&str]| blocks.iter().any(|block| within(block, address));
        if any(&NOWHERE) {
            return (false, false);
        }
        (!any(&PRIVATE) && (address.is_ipv4() || within(GLOBAL, address)), true)
    }

    /// Around the first and the last address of each block, and anywhere.
    fn addresses() -> impl Strategy<Value = IpAddr> {
        let more = [GLOBAL, "64:ff9b:1::/48", "100::/64", "5f00::/16", "fc00::/7", "fe80::/10"];
        let edges: Vec<&str> = [&NOWHERE[..], &PRIVATE, &more].concat();
        let near = (proptest::sample::select(edges), any::<bool>(), -2_i8..=2).prop_map(
            |(block, last, away)| {
                let (first, bits) = block.split_once('/').unwrap();
                let bits: u32 = bits.parse().unwrap();
                match first.parse().unwrap() {
                    IpAddr::V4(first) => {
                        let size = if last { u32::MAX.checked_shr(bits).unwrap_or(0) } else { 0 };
                        let at = first.to_bits() | size;
                        Ipv4Addr::from_bits(at.wrapping_add_signed(away.into())).into()
                    }
                    IpAddr::V6(first) => {
                        let size = if last { u128::MAX.checked_shr(bits).unwrap_or(0) } else { 0 };
                        let at = first.to_bits() | size;
                        Ipv6Addr::from_bits(at.wrapping_add_signed(away.into())).into()
                    }
                }
            },
        );
        let v4 = any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into());
        let v6 = any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into());
        prop_oneof![4 => near, 2 => v4, 1 => v6]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_address_is_judged_by_its_block(address in addresses()) {
            // What carries an IPv4 address has its own property.
            let carries = ["::ffff:0:0/96", "64:ff9b::/96", "2002::/16"];
            prop_assume!(!carries.iter().any(|block| within(block, address)));
            let judged = [Reach::Public, Reach::Private].map(|reach| reach.permit(address).is_some());
            let (public, private) = oracle(address);
            prop_assert_eq!(judged, [public, private], "{}", address);
        }

        /// However an IPv4 address is dressed, no grant reaches by it what the address alone does not.
        #[test]
        fn a_carried_address_is_judged_as_what_it_is(bits in any::<u32>(), edge in addresses(), rest in any::<u64>()) {
            let v4 = match edge {
                IpAddr::V4(v4) => v4,
                IpAddr::V6(_) => Ipv4Addr::from_bits(bits),
            };
            let (public, private) = oracle(v4.into());
            let bits = u128::from(v4.to_bits());
            let mapped = Ipv6Addr::from_bits(0xffff << 32 | bits);
            let permits = [Reach::Public, Reach::Private].map(|reach| reach.permit(mapped.into()));
            prop_assert_eq!(permits.each_ref().map(Option::is_some), [public, private]);
            for permit in permits.into_iter().flatten() {
                prop_assert_eq!(permit.address(), IpAddr::V4(v4));
            }
            let nat64 = 0x64_ff9b << 96 | bits;
            let six_to_four = 0x2002 << 112 | bits << 80 | u128::from(rest);
            for carrier in [nat64, six_to_four] {
                let address = IpAddr::V6(Ipv6Addr::from_bits(carrier));
                prop_assert_eq!(Reach::Public.permit(address).is_some(), public, "{}", address);
            }
            // Compatible, translated, local NAT64 and Teredo carry one as well, and are never public.
            let local = 0x64_ff9b_0001 << 80 | bits;
            let teredo = 0x2001_0000 << 96 | bits << 64 | u128::from(rest);
            for carrier in [bits, 0xffff << 48 | bits, local, teredo] {
                let address = IpAddr::V6(Ipv6Addr::from_bits(carrier));
                prop_assert!(Reach::Public.permit(address).is_none(), "{address}");
            }
        }
    }
}
