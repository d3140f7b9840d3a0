//! Mailboxes between two ticks, in a snapshot.

use super::{EMPTY, Envelope, Letter, NONE, Turns};

impl Turns {
    /// What lies in the mailboxes: by agent; of each, as it came.
    pub(in crate::scheduler) fn mail(&self) -> impl Iterator<Item = &Envelope> {
        let Turns {
            boxes,
            letters,
            // How many letters there are, and the places of none.
            waiting: _,
            free: _,
            // Drawn anew in each tick.
            order: _,
            now: _,
            known: _,
            added: _,
            // Whoever has letters or is told something; all others have nothing to do.
            later: _,
            // Space that is used again.
            inbox: _,
            places: _,
        } = self;
        boxes.iter().flat_map(move |mailbox| {
            let first = letters.get(mailbox.first as usize);
            let behind = |letter: &&Letter| letters.get(letter.behind as usize);
            std::iter::successors(first, behind).filter_map(|letter| letter.envelope.as_ref())
        })
    }

    /// Puts letters into the mailboxes of agents up to `last`; who has some has a turn.
    pub(in crate::scheduler) fn load(&mut self, mail: impl Iterator<Item = Envelope>, last: u64) {
        self.boxes = vec![EMPTY; last as usize];
        self.free = NONE;
        for envelope in mail {
            let to = envelope.to;
            self.deliver(envelope);
            if let Some(mailbox) = self.boxes.get_mut(to.0 as usize - 1)
                && !std::mem::replace(&mut mailbox.called, true)
            {
                self.later.push(to);
            }
        }
    }
}
