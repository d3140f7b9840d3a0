//! The runtime's half of the words on the link: what it writes and what it reads.

use karyon_guardian::{End, Event, FromGuardian, FromRuntime, Terms};

/// As a packet.
pub(crate) fn encode(said: &FromRuntime) -> String {
    match said {
        FromRuntime::Hello(protocol, version) => format!("hello {protocol} {version}"),
        FromRuntime::Begin(log) => format!("begin {log}"),
        FromRuntime::Beat(stepping, ticks, crashes) => format!("beat {stepping} {ticks} {crashes}"),
        FromRuntime::Event(number, event, lease, text) => {
            format!("event {number} {} {lease} {text}", name(*event))
        }
        FromRuntime::Checkpoint(log, note) => format!("checkpoint {log} {note}"),
        FromRuntime::ResumesRecorded(n) => format!("recorded {n}"),
        FromRuntime::End(number, End::Clean) => format!("clean {number}"),
        FromRuntime::End(number, End::Halted(why)) => format!("halted {number} {why}"),
    }
}

fn name(event: Event) -> &'static str {
    Event::ALL.iter().find(|(known, _)| *known == event).map_or("", |(_, name)| name)
}

/// Reads a packet; `None`: it is none of a guardian's.
pub(crate) fn decode(packet: &[u8]) -> Option<FromGuardian> {
    let (word, rest) = std::str::from_utf8(packet).ok()?.split_once(' ')?;
    let words: Vec<&str> = rest.splitn(4, ' ').collect();
    match (word, words.as_slice()) {
        ("beat", ["now"]) => Some(FromGuardian::Beat),
        ("done", [asked]) => asked.parse().ok().map(FromGuardian::Done),
        ("terms", [limits, beat, limit, held]) => Some(FromGuardian::Terms(Terms {
            limits: karyon_safety::unhex(limits)?,
            heartbeat_ms: beat.parse().ok()?,
            heartbeat_limit_ms: limit.parse().ok()?,
            held: (*held).into(),
        })),
        _ => None,
    }
}

/// Both halves together: the guardian's is in its own crate.
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn from_runtime() -> impl Strategy<Value = FromRuntime> {
        let text = "[ -~\n]{0,60}";
        prop_oneof![
            (any::<u32>(), text).prop_map(|(a, b)| FromRuntime::Hello(a, b)),
            "[0-9a-f]{32}".prop_map(FromRuntime::Begin),
            any::<(bool, u64, u64)>().prop_map(|(a, b, c)| FromRuntime::Beat(a, b, c)),
            (any::<u64>(), 0..Event::ALL.len(), any::<u64>(), text).prop_map(
                |(a, event, b, text)| FromRuntime::Event(a, Event::ALL[event].0, b, text)
            ),
            ("[0-9a-f]{32}", text).prop_map(|(a, b)| FromRuntime::Checkpoint(a, b)),
            any::<u64>().prop_map(FromRuntime::ResumesRecorded),
            any::<u64>().prop_map(|number| FromRuntime::End(number, End::Clean)),
            (any::<u64>(), text).prop_map(|(a, why)| FromRuntime::End(a, End::Halted(why))),
        ]
    }

    proptest! {
        #[test]
        fn what_the_runtime_says_arrives(said in from_runtime()) {
            prop_assert_eq!(FromRuntime::decode(encode(&said).as_bytes()), Some(said));
        }

        #[test]
        fn what_the_guardian_says_arrives(
            limits: [u8; 32], heartbeat_ms: u64, heartbeat_limit_ms: u64, held in "[ -~]{0,60}",
            number: u64,
        ) {
            let terms = Terms { limits, heartbeat_ms, heartbeat_limit_ms, held };
            for said in [FromGuardian::Terms(terms), FromGuardian::Beat, FromGuardian::Done(number)]
            {
                prop_assert_eq!(decode(said.encode().as_bytes()), Some(said));
            }
        }

        #[test]
        fn noise_is_no_word_or_reads_the_same_again(
            noise in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            if let Some(said) = FromRuntime::decode(&noise) {
                prop_assert_eq!(FromRuntime::decode(encode(&said).as_bytes()), Some(said));
            }
            if let Some(said) = decode(&noise) {
                prop_assert_eq!(decode(said.encode().as_bytes()), Some(said));
            }
        }
    }
}
