//! A person in the colony "rumour": hears once, and passes on with every message.

use karyon_runtime::{Agent, AgentKind, Context, Event, Failure, Restart, RestartFrom, codec};
use karyon_types::AgentId;
use serde::{Deserialize, Serialize};

/// What the feeder tells a sender: send to this person now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tell {
    /// The receiver's serial.
    pub to: u64,
    /// The contact's time, in units of the file's scale.
    pub time: i64,
    /// The contact's index in the sorted list.
    pub contact: u32,
}

/// What one person sends to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meeting {
    /// The contact's time, in units of the file's scale.
    pub time: i64,
    /// The contact's index in the sorted list.
    pub contact: u32,
    /// Whether the sender knows the rumour and passes it on.
    pub rumour: bool,
}

/// How a person came to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// When, in units of the file's scale.
    pub time: i64,
    /// From whom and by which contact; `None` for the source.
    pub from: Option<(u64, u32)>,
}

/// A person's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// How they came to know, if they do.
    pub heard: Option<Heard>,
    /// Messages that they wanted to send.
    pub sent: u64,
    /// Messages that reached them.
    pub received: u64,
    /// Messages that they were not allowed to send.
    pub denied: u64,
}

impl Agent for Person {
    const KIND: AgentKind = AgentKind {
        name: "person",
        version: 1,
        restart: Restart::Permanent,
        restart_from: RestartFrom::LastGood { redeliver: 8 },
    };

    fn handle(&mut self, event: Event<'_>, context: &mut Context<'_>) -> Result<(), Failure> {
        match event {
            Event::Input { payload } => {
                let tell: Tell = read(payload)?;
                let meeting = Meeting {
                    time: tell.time,
                    contact: tell.contact,
                    rumour: self.heard.is_some(),
                };
                let mut bytes = Vec::with_capacity(16);
                codec::encode(&meeting, &mut bytes);
                context.send(AgentId(tell.to), &bytes);
                self.sent += 1;
            }
            Event::Message { from, payload } => {
                let meeting: Meeting = read(payload)?;
                self.received += 1;
                if meeting.rumour && self.heard.is_none() {
                    let from = Some((from.0, meeting.contact));
                    self.heard = Some(Heard { time: meeting.time, from });
                }
            }
            Event::Denied { .. } => self.denied += 1,
        }
        Ok(())
    }
}

fn read<T: serde::de::DeserializeOwned>(payload: &[u8]) -> Result<T, Failure> {
    codec::decode(payload).ok_or_else(|| Failure("a message that cannot be read".into()))
}
