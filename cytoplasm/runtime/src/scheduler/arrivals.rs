//! What arrives for an agent in a tick.

use karyon_arrangements::TimerId;
use karyon_log::Cause;
use karyon_types::AgentId;

use super::mailbox::{self, Envelope, Letter};
use crate::agent::Event;
use crate::bonds::Signal;
use crate::input::InputItem;

/// One event, ready to be handled.
pub(super) struct Due<'a> {
    pub(super) cause: Cause,
    pub(super) event: Event<'a>,
}

/// What arrives for one agent in one tick, in the order in which it is handled.
pub(super) struct Arrivals<'a> {
    pub(super) signals: &'a [Signal],
    pub(super) timers: &'a [(AgentId, TimerId)],
    pub(super) inputs: &'a [InputItem],
    /// The input that all agents get.
    pub(super) activation: Option<InputItem>,
    /// Places in the inbox.
    pub(super) letters: &'a [Letter],
    pub(super) inbox: &'a [Envelope],
}

impl<'a> Arrivals<'a> {
    pub(super) const NONE: Arrivals<'static> = Arrivals {
        signals: &[],
        timers: &[],
        inputs: &[],
        activation: None,
        letters: &[],
        inbox: &[],
    };

    /// Those released, and then that of all agents.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &InputItem> {
        self.inputs.iter().chain(&self.activation)
    }

    pub(super) fn mail(&self) -> impl Iterator<Item = &'a Envelope> + use<'a> {
        let inbox = self.inbox;
        self.letters.iter().filter_map(move |letter| inbox.get(mailbox::place(letter)))
    }

    /// How many letters count against the mailbox's bound.
    pub(super) fn counted(&self) -> u64 {
        self.mail().filter(|envelope| envelope.counted().is_some()).count() as u64
    }
}

/// Splits off what lies in front and is one agent's.
#[inline]
pub(super) fn split_front<'a, T>(items: &mut &'a [T], is_its: impl Fn(&T) -> bool) -> &'a [T] {
    let (its, later) = items.split_at(items.iter().take_while(|item| is_its(item)).count());
    *items = later;
    its
}
