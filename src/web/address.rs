//! Which addresses are the outside's: nobody may make the daemon ask its own neighbours. Pure, but for the resolver.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Whether an address belongs to the public internet: not to this machine, its networks or a reserved range.
///
/// Source: the IANA registries of special-purpose IPv4 and IPv6 addresses.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => is_public_four(four),
        IpAddr::V6(six) => is_public_six(six),
    }
}

fn is_public_four(four: Ipv4Addr) -> bool {
    let [a, b, c, _] = four.octets();
    let special = four.is_private()
        || four.is_loopback()
        || four.is_link_local()
        || four.is_documentation()
        || matches!(
            (a, b, c),
            (0 | 224.., ..) | (100, 64..=127, _) | (192, 0, 0) | (192, 88, 99) | (198, 18 | 19, _)
        );
    !special
}

fn is_public_six(six: Ipv6Addr) -> bool {
    if let Some(four) = six.to_ipv4_mapped() {
        return is_public_four(four);
    }
    let s = six.segments();
    match (s[0], s[1]) {
        // An IPv4 address in the clothes of NAT64 or 6to4.
        (0x64, 0xff9b) if s[2..6] == [0; 4] => is_public_four(four_of(s[6], s[7])),
        (0x2002, _) => is_public_four(four_of(s[1], s[2])),
        (0x2001, 0..=0x1ff | 0xdb8) => false,
        (0x2000..=0x3fff, _) => s[0] != 0x3fff,
        _ => false,
    }
}

fn four_of(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

/// An address that may not be asked.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is an address of this machine or its networks")]
pub(super) struct Private(pub(super) String);

/// Resolves a name once: what is dialled is what was checked.
pub(super) struct Checked {
    pub(super) may_reach: fn(IpAddr) -> bool,
    /// Hosts of our own proxies, which may be anywhere.
    pub(super) trusted: HashSet<String>,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let trusted = self.trusted.contains(name.as_str());
        let may_reach = self.may_reach;
        Box::pin(async move {
            let found = lookup(name.as_str()).await?;
            let (good, bad): (Vec<_>, Vec<_>) = found.into_iter().partition(|a| trusted || may_reach(a.ip()));
            if good.is_empty() && !bad.is_empty() {
                return Err(Private(name.as_str().to_owned()).into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

/// The addresses of a name.
pub(super) async fn lookup(name: &str) -> std::io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((name, 0)).await?.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_the_outsides() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "2606:4700::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "fec0::1",
        ] {
            assert!(!is_public(private.parse().expect("an address")), "{private}");
        }
    }
}
