//! Where a webhook may lead. The collector stands inside a company's network, and whoever may enter an
//! address could ask it to knock on doors that only it reaches. So it knocks on public ones only, and on
//! the networks that whoever runs it has named.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use ipnet::IpNet;

/// Networks that are nobody's on the internet: the special-purpose registries of IANA for IPv4 and IPv6,
/// and multicast.
static SPECIAL: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    [
        "0.0.0.0/8",         // this network
        "10.0.0.0/8",        // private
        "100.64.0.0/10",     // shared by carriers
        "127.0.0.0/8",       // loopback
        "169.254.0.0/16",    // link-local, where clouds answer with credentials
        "172.16.0.0/12",     // private
        "192.0.0.0/24",      // protocol assignments
        "192.0.2.0/24",      // documentation
        "192.31.196.0/24",   // AS112
        "192.52.193.0/24",   // AMT
        "192.88.99.0/24",    // 6to4 relays
        "192.168.0.0/16",    // private
        "192.175.48.0/24",   // AS112
        "198.18.0.0/15",     // benchmarks
        "198.51.100.0/24",   // documentation
        "203.0.113.0/24",    // documentation
        "224.0.0.0/4",       // multicast
        "240.0.0.0/4",       // reserved, and broadcast
        "2001::/23",         // protocol assignments, Teredo among them
        "2001:db8::/32",     // documentation
        "2002::/16",         // 6to4, which holds an IPv4 address of any kind
        "2620:4f:8000::/48", // AS112
        "3fff::/20",         // documentation
    ]
    .iter()
    .map(|it| it.parse().expect("it is a network"))
    .collect()
});

/// What IPv6 has assigned on the internet so far. Everything else is local, multicast or reserved.
static GLOBAL: LazyLock<IpNet> = LazyLock::new(|| "2000::/3".parse().expect("it is a network"));

/// IPv4 addresses as a network without IPv4 sees them (RFC 6052).
static TRANSLATED: LazyLock<IpNet> =
    LazyLock::new(|| "64:ff9b::/96".parse().expect("it is a network"));

/// Whether anybody on the internet may be behind it.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    // `::ffff:10.0.0.1` is 10.0.0.1.
    match ip.to_canonical() {
        IpAddr::V4(_) => !is_special(ip.to_canonical()),
        IpAddr::V6(it) if TRANSLATED.contains(&IpAddr::V6(it)) => {
            !is_special(IpAddr::V4(last_four(it)))
        }
        ip @ IpAddr::V6(_) => GLOBAL.contains(&ip) && !is_special(ip),
    }
}

fn is_special(ip: IpAddr) -> bool {
    SPECIAL.iter().any(|it| it.contains(&ip))
}

fn last_four(ip: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = ip.octets();
    Ipv4Addr::new(a, b, c, d)
}

/// One network, or one address, that the collector's own settings name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

/// Why a text is not a [`Network`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{got:?} is neither an address nor a network such as 10.1.0.0/16")]
pub struct NetworkError {
    got: String,
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.map(|it| Network(it.trunc()))
            .map_err(|_| NetworkError { got: text.chars().take(60).collect() })
    }
}

/// An address that is not to be reached from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is nobody's on the internet.
    #[error("{0} is no public address, and this collector’s --webhook-networks do not name it")]
    NotPublic(IpAddr),
    /// Over plain HTTP everybody on the way reads along.
    #[error("{0} is reached over https:// only")]
    Plain(IpAddr),
}

/// Where this collector may knock beside public addresses. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Networks(Arc<[Network]>);

impl Networks {
    /// These and no others.
    #[must_use]
    pub fn new(networks: &[Network]) -> Networks {
        Networks(networks.into())
    }

    /// None is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks an address that is to be connected to.
    ///
    /// # Errors
    /// [`AddressError`] for one that may not.
    pub fn check(&self, ip: IpAddr, is_encrypted: bool) -> Result<(), AddressError> {
        let ip = ip.to_canonical();
        if self.0.iter().any(|it| it.0.contains(&ip)) {
            return Ok(());
        }
        match (is_public(ip), is_encrypted) {
            (false, _) => Err(AddressError::NotPublic(ip)),
            (true, false) => Err(AddressError::Plain(ip)),
            (true, true) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_reached() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "93.184.215.14",
            "172.15.255.255",
            "172.32.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "2606:4700:4700::1111",
            "2a00:1450:4001:830::200e",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::10.0.0.1",
            "::8.8.8.8",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::808:808",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456:789a::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_network_that_is_named_is_reached_and_nothing_beside_it() {
        let named = ["10.1.0.0/16", "127.0.0.1", "fd00:1::/64"];
        let networks: Vec<Network> = named.iter().map(|it| it.parse().unwrap()).collect();
        let networks = Networks::new(&networks);
        let check = |it: &str, is_encrypted| networks.check(it.parse().unwrap(), is_encrypted);
        for text in ["10.1.2.3", "127.0.0.1", "::ffff:10.1.2.3", "fd00:1::7"] {
            assert_eq!((check(text, true), check(text, false)), (Ok(()), Ok(())), "{text}");
        }
        for text in ["10.2.0.1", "127.0.0.2", "::1", "fd00:2::7"] {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!(check(text, true), Err(AddressError::NotPublic(ip)), "{text}");
        }
        let public = "8.8.8.8".parse().unwrap();
        assert_eq!(check("8.8.8.8", true), Ok(()));
        assert_eq!(check("8.8.8.8", false), Err(AddressError::Plain(public)));
        for text in ["", "10.1.0.0/33", "localhost", "10.1", "10.0.0.1-10.0.0.9"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
