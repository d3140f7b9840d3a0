//! A person in the colony "rumour": hears once, and passes on with every message.
//!
//! What they remember: an edge `contact` from each person who reached them, a version for each
//! message; and one fact `heard`, since they know the rumour.

use karyon_memory_ops::{Content, Entity, Time, Valid, Value, Vertex, Write};
use karyon_runtime::{
    Agent, AgentKind, Context, Deed, Event, Failure, Restart, RestartFrom, codec,
};
use karyon_types::AgentId;
use serde::{Deserialize, Serialize};

/// The type of the edge from a person who sent to one whom it reached.
pub const CONTACT: &str = "contact";

/// The predicate of the fact that a person knows the rumour.
pub const HEARD: &str = "heard";

/// What the feeder tells a sender: send to this person now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tell {
    /// The receiver's serial.
    pub to: u64,
    /// The contact's time, in units of the file's scale.
    pub time: i64,
    /// The contact's index in the sorted list.
    pub contact: u32,
    /// Which contact of this sender with this receiver it is, counted from 1.
    pub nth: u32,
}

/// What one person sends to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meeting {
    /// The contact's time, in units of the file's scale.
    pub time: i64,
    /// The contact's index in the sorted list.
    pub contact: u32,
    /// Which contact of this sender with this receiver it is, counted from 1: the message says
    /// so, because a receiver that counted would carry its partners through every step.
    pub nth: u32,
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
    /// Decimals of all times.
    pub decimals: u8,
    /// Messages that they wanted to send.
    pub sent: u64,
    /// Messages that reached them.
    pub received: u64,
    /// Messages that they were not allowed to send.
    pub denied: u64,
    /// Memories that they were not allowed to write.
    pub forgone: u64,
}

impl Agent for Person {
    const KIND: AgentKind = AgentKind {
        name: "person",
        version: 2,
        restart: Restart::Permanent,
        restart_from: RestartFrom::LastGood { redeliver: 8 },
    };

    fn handle(&mut self, event: Event<'_>, context: &mut Context<'_>) -> Result<(), Failure> {
        if self.is_untouched()
            && let Some(heard @ Heard { from: None, .. }) = self.heard
        {
            // The source was born with it: the first chance to say so.
            self.remember_hearing(heard, context)?;
        }
        match event {
            Event::Input { payload } => {
                let tell: Tell = read(payload)?;
                let meeting = Meeting {
                    time: tell.time,
                    contact: tell.contact,
                    nth: tell.nth,
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
                self.remember_contact(from, &meeting, context)?;
                if meeting.rumour && self.heard.is_none() {
                    let from = Some((from.0, meeting.contact));
                    let heard = Heard { time: meeting.time, from };
                    self.heard = Some(heard);
                    self.remember_hearing(heard, context)?;
                }
            }
            Event::Denied { deed: Deed::Send(_), .. } => self.denied += 1,
            Event::Denied { deed: Deed::Remember, .. } => self.forgone += 1,
            // It arranges nothing, and its run sheds nothing.
            Event::Denied {
                deed:
                    Deed::Arm
                    | Deed::Monitor(_)
                    | Deed::Link(_)
                    | Deed::Spawn
                    | Deed::Terminate(_)
                    | Deed::Register(_)
                    | Deed::Join
                    | Deed::Mark(_)
                    | Deed::Recall
                    | Deed::Effect,
                ..
            }
            | Event::Refused { .. }
            | Event::Timer { .. }
            | Event::Down { .. }
            | Event::Exit { .. }
            | Event::Spawned { .. }
            | Event::Recalled { .. }
            | Event::Receipt { .. } => {}
        }
        Ok(())
    }
}

impl Person {
    fn is_untouched(&self) -> bool {
        self.sent + self.received + self.denied + self.forgone == 0
    }

    fn remember_contact(
        &self,
        from: AgentId,
        meeting: &Meeting,
        context: &mut Context<'_>,
    ) -> Result<(), Failure> {
        let count = Value::Int(i64::from(meeting.nth));
        let time = self.time(meeting.time)?;
        let (from, to) = (Vertex::Agent(from), Vertex::Agent(context.me()));
        let write = Write {
            entity: Entity::Edge { from, kind: CONTACT.into(), to },
            valid: Valid::since(time),
            content: Content::with([("count", count), ("last", Value::Time(time))]),
        };
        remember(&write, context)
    }

    fn remember_hearing(&self, heard: Heard, context: &mut Context<'_>) -> Result<(), Failure> {
        let from =
            heard.from.map_or(Value::Null, |(from, _)| Value::Vertex(Vertex::Agent(AgentId(from))));
        let time = self.time(heard.time)?;
        let write = Write {
            entity: Entity::Fact { subject: Vertex::Agent(context.me()), predicate: HEARD.into() },
            valid: Valid::since(time),
            content: Content::with([("from", from), ("when", Value::Time(time))]),
        };
        remember(&write, context)
    }

    fn time(&self, mantissa: i64) -> Result<Time, Failure> {
        Time::from_scaled(mantissa, self.decimals)
            .ok_or_else(|| Failure(format!("a time of {} decimals", self.decimals)))
    }
}

fn remember(write: &Write, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut bytes = Vec::with_capacity(64);
    write.encode(&mut bytes).map_err(|error| Failure(error.to_string()))?;
    context.remember(&bytes);
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(payload: &[u8]) -> Result<T, Failure> {
    codec::decode(payload).ok_or_else(|| Failure("a message that cannot be read".into()))
}
