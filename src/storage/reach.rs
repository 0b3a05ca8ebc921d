//! Which addresses belong to everybody's internet, and which to this machine or a network behind it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use reqwest::{
    ClientBuilder,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::{Attempt, Policy},
};
use url::{Host, Url};

const REDIRECTS: usize = 5;

/// Where blobs may be fetched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Anywhere,
    /// Not from this machine or a private network, so that strangers cannot look around in it.
    Public,
}

impl Reach {
    /// Whether the URL itself says no. Names are looked up, and their addresses judged, when something is fetched.
    pub fn refuses(self, url: &Url) -> bool {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return false,
        };
        self == Self::Public && !is_public(address)
    }

    /// Holds connections to it, those that a redirect asks for included.
    pub(super) fn bound(self, builder: ClientBuilder) -> ClientBuilder {
        match self {
            Self::Anywhere => builder,
            Self::Public => {
                let judge = |attempt: Attempt<'_>| {
                    if attempt.previous().len() > REDIRECTS {
                        attempt.error("too many redirects")
                    } else if Self::Public.refuses(attempt.url()) {
                        attempt.error(NOT_PUBLIC)
                    } else {
                        attempt.follow()
                    }
                };
                // What a proxy looks up cannot be judged here.
                builder.no_proxy().dns_resolver(Arc::new(PublicNames)).redirect(Policy::custom(judge))
            }
        }
    }
}

const NOT_PUBLIC: &str = "its address is private: only public ones are fetched from";

/// Resolves names, and forgets the addresses that are not public.
struct PublicNames;

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            match public.is_empty() {
                true => Err(NOT_PUBLIC.into()),
                false => Ok(Box::new(public.into_iter()) as Addrs),
            }
        })
    }
}

/// Whether strangers may have it fetched from: not loopback, private, link-local (where clouds keep credentials), shared, multicast or
/// reserved (the registries of RFC 6890).
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let reserved = a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b & 0xfe) == 18);
    !(reserved
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // 2000::/3 is what is assigned to the internet; in it, translations of IPv4 addresses count as these.
    match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
        }
        [0x2001, 0x0db8, ..] | [0x2001, 0..0x200, ..] => false,
        _ => segments[0] & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_not_fetched_from() {
        let fetcher = crate::storage::Fetcher::reaching(Reach::Public).expect("a client");
        let error =
            fetcher.fetch("http://localhost:9/x", crate::primitives::hash(b""), 0).await.expect_err("it is private");
        assert!(error.to_string().contains(NOT_PUBLIC), "{error}");
    }

    #[test]
    fn what_is_not_on_the_internet_is_told_apart() {
        let public = |text: &str| is_public(text.parse().expect("an address"));
        for inside in [
            "127.0.0.1",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.3.4",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::3",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:a00:1::",
            "2001:db8::1",
            "2001::1",
            "192.0.2.1",
        ] {
            assert!(!public(inside), "{inside}");
        }
        for outside in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1", "64:ff9b::808:808"] {
            assert!(public(outside), "{outside}");
        }
    }
}
