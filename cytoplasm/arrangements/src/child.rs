//! How an agent that is added below a supervisor is supervised.

use karyon_supervision::{Restart, Shutdown};
use karyon_types::varint;

/// What a supervisor is told of a child that an agent adds: OTP's child spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildTerms {
    /// When it is started again.
    pub restart: Restart,
    /// How it is stopped.
    pub shutdown: Shutdown,
    /// Whether its end may end its supervisor.
    pub significant: bool,
}

impl ChildTerms {
    /// A byte: restart in bits 0 and 1, then how it is stopped in bits 2 and 3, and whether it is
    /// significant; the time that it has behind it, if it has one.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let restart = match self.restart {
            Restart::Permanent => 0,
            Restart::Transient => 1,
            Restart::Temporary => 2,
        };
        let (shutdown, ticks) = match self.shutdown {
            Shutdown::BrutalKill => (0, None),
            Shutdown::Timeout { ticks } => (1, Some(ticks)),
            Shutdown::Infinity => (2, None),
        };
        out.push(restart | shutdown << 2 | u8::from(self.significant) << 4);
        if let Some(ticks) = ticks {
            varint::write(out, ticks);
        }
    }

    pub(crate) fn decode(bytes: &mut &[u8]) -> Option<ChildTerms> {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let restart = match byte & 3 {
            0 => Restart::Permanent,
            1 => Restart::Transient,
            2 => Restart::Temporary,
            _ => return None,
        };
        let shutdown = match byte >> 2 & 3 {
            0 => Shutdown::BrutalKill,
            1 => Shutdown::Timeout { ticks: varint::read(bytes)? },
            2 => Shutdown::Infinity,
            _ => return None,
        };
        (byte < 1 << 5).then_some(ChildTerms { restart, shutdown, significant: byte & 16 > 0 })
    }

    /// One of each.
    #[cfg(test)]
    pub(crate) fn some(ticks: u64) -> Vec<ChildTerms> {
        let mut some = Vec::new();
        for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
            for shutdown in [Shutdown::BrutalKill, Shutdown::Timeout { ticks }, Shutdown::Infinity]
            {
                for significant in [false, true] {
                    some.push(ChildTerms { restart, shutdown, significant });
                }
            }
        }
        some
    }
}
