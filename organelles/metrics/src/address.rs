//! Where metrics may be offered: to this machine, and nobody else.

use std::net::SocketAddr;
use std::str::FromStr;

/// An address that only programs on this machine reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loopback(SocketAddr);

/// Why it is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotLoopback {
    /// Others could reach it.
    #[error(
        "{0} is not a loopback address: metrics are offered to this machine only; use \
         127.0.0.1:PORT or [::1]:PORT, and a tunnel or a local agent for others"
    )]
    Reachable(SocketAddr),
    /// It is no address.
    #[error(
        "expected a loopback address with its port, such as 127.0.0.1:9464 or [::1]:9464; port 0 \
         takes any that is free"
    )]
    NoAddress,
}

impl Loopback {
    /// The address.
    pub fn address(self) -> SocketAddr {
        self.0
    }
}

impl FromStr for Loopback {
    type Err = NotLoopback;

    /// Numbers only: what a name means is decided elsewhere, and may change.
    fn from_str(text: &str) -> Result<Loopback, NotLoopback> {
        let address: SocketAddr = text.parse().map_err(|_| NotLoopback::NoAddress)?;
        match address.ip().is_loopback() {
            true => Ok(Loopback(address)),
            false => Err(NotLoopback::Reachable(address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine() {
        for good in ["127.0.0.1:9464", "127.0.0.1:0", "127.255.1.2:1", "[::1]:9464"] {
            assert_eq!(good.parse::<Loopback>().unwrap().address().to_string(), good);
        }
        for reachable in
            ["0.0.0.0:9464", "[::]:9464", "192.168.0.1:80", "[::ffff:127.0.0.1]:1", "[fe80::1]:1"]
        {
            let refused = reachable.parse::<Loopback>().unwrap_err();
            assert!(matches!(refused, NotLoopback::Reachable(_)), "{reachable}");
        }
        for nothing in ["", "9464", ":9464", "127.0.0.1", "localhost:9464", "127.0.0.1:70000"] {
            assert_eq!(nothing.parse::<Loopback>(), Err(NotLoopback::NoAddress), "{nothing}");
        }
    }
}
