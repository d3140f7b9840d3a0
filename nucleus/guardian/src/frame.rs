//! What runtime and guardian say to each other: one text a packet.
//!
//! Here is the guardian's half: what it reads and what it writes. The runtime's half, and the test
//! that both agree, are in `karyon-guard`.

/// The version of the link; both sides must be of the same.
pub const PROTOCOL: u32 = 1;

/// The longest packet, bytes: a checkpoint's note, or a reason.
pub const MAX_FRAME_BYTES: usize = 4_096;

/// Names the descriptor of the link in a runtime's environment.
pub const LINK: &str = "KARYON_GUARDIAN_LINK";

/// What is counted, and announced before it becomes real.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A question to the broker, whatever the answer.
    Ask,
    /// A unit of work with effects that an agent starts of its own accord.
    Task,
    /// Governance said no: a denied effect, a rejected proposal.
    Rejection,
    /// Governance said yes: a sequence of rejections is over.
    Admitted,
    /// An effect failed.
    Failure,
    /// An effect was done: a sequence of failures is over.
    Success,
    /// An agent asked for a change of what governs it.
    SelfModification,
}

impl Event {
    /// Each with its word on the link.
    pub const ALL: [(Event, &str); 7] = [
        (Event::Ask, "ask"),
        (Event::Task, "task"),
        (Event::Rejection, "rejection"),
        (Event::Admitted, "admitted"),
        (Event::Failure, "failure"),
        (Event::Success, "success"),
        (Event::SelfModification, "self-modification"),
    ];

    fn named(name: &str) -> Option<Event> {
        Event::ALL.iter().find(|(_, known)| *known == name).map(|(event, _)| *event)
    }
}

/// How a node ended, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Complete, or interrupted in good order.
    Clean,
    /// It had to give up: STOP was seen, or its log failed.
    Halted(String),
}

/// Under what a runtime runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The digest of the limits.
    pub limits: [u8; 32],
    /// How often both sides are heard, milliseconds.
    pub heartbeat_ms: u64,
    /// After how long a silence all ends, milliseconds.
    pub heartbeat_limit_ms: u64,
    /// The mechanisms that hold, and those that do not.
    pub held: String,
}

/// From the runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromRuntime {
    /// The first word: the version of the link, and that of Karyon.
    Hello(u32, String),
    /// A log is about to be written: its identity.
    Begin(String),
    /// Alive: whether agents run just now, ticks or turns so far, crashes of agents so far.
    Beat(bool, u64, u64),
    /// Something that is counted: a number for the answer, what, under which lease (0: none), and
    /// in words.
    Event(u64, Event, u64, String),
    /// The newest checkpoint of a log, to be kept where the runtime cannot write: log and note.
    Checkpoint(String, String),
    /// The log holds the reasons of the resumes up to the one with this number.
    ResumesRecorded(u64),
    /// The last word: a number for the answer, and how it ended.
    End(u64, End),
}

/// From the guardian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromGuardian {
    /// The answer to the first word.
    Terms(Terms),
    /// Alive.
    Beat,
    /// What had this number is counted.
    Done(u64),
}

impl FromRuntime {
    /// Reads a packet; `None`: it is none of ours.
    pub fn decode(packet: &[u8]) -> Option<FromRuntime> {
        let (word, rest) = std::str::from_utf8(packet).ok()?.split_once(' ')?;
        let most = match word {
            "event" => 4,
            "beat" => 3,
            _ => 2,
        };
        let words: Vec<&str> = rest.splitn(most, ' ').collect();
        Some(match (word, words.as_slice()) {
            ("hello", [protocol, version]) => {
                FromRuntime::Hello(protocol.parse().ok()?, (*version).into())
            }
            ("begin", [log]) => FromRuntime::Begin(log_name(log)?),
            ("beat", [stepping, ticks, crashes]) => {
                FromRuntime::Beat(stepping.parse().ok()?, number(ticks)?, number(crashes)?)
            }
            ("event", [asked, event, lease, text]) => {
                let (asked, event) = (number(asked)?, Event::named(event)?);
                FromRuntime::Event(asked, event, number(lease)?, (*text).into())
            }
            ("checkpoint", [log, note]) => FromRuntime::Checkpoint(log_name(log)?, (*note).into()),
            ("recorded", [n]) => FromRuntime::ResumesRecorded(number(n)?),
            ("clean", [asked]) => FromRuntime::End(number(asked)?, End::Clean),
            ("halted", [asked, why]) => {
                FromRuntime::End(number(asked)?, End::Halted((*why).into()))
            }
            _ => return None,
        })
    }
}

impl FromGuardian {
    /// As a packet.
    pub fn encode(&self) -> String {
        match self {
            FromGuardian::Terms(Terms { limits, heartbeat_ms, heartbeat_limit_ms, held }) => {
                let limits = karyon_safety::hex(limits);
                format!("terms {limits} {heartbeat_ms} {heartbeat_limit_ms} {held}")
            }
            FromGuardian::Beat => "beat now".into(),
            FromGuardian::Done(number) => format!("done {number}"),
        }
    }
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

/// A log's identity becomes a file's name: 32 hexadecimal digits and nothing else.
fn log_name(text: &str) -> Option<String> {
    let is_log = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_log.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_cannot_name_another_file() {
        for log in ["../../etc/passwd", "", "0123456789abcdef0123456789abcde/", "x"] {
            let packet = format!("checkpoint {log} note");
            assert_eq!(FromRuntime::decode(packet.as_bytes()), None, "{log}");
        }
    }
}
