//! What the guardian is told, before it becomes real. What it does not hear is not done, and
//! ends the node. Unguarded there is nobody to tell, and no effect happens.

use karyon_guard::{Event, LinkError};

use crate::broker::Inner;
use crate::error::BrokerError;

impl Inner {
    /// Tells the guardian, and waits until it has counted it.
    pub(crate) fn report(
        &mut self,
        event: Event,
        lease: u64,
        text: &str,
    ) -> Result<(), BrokerError> {
        self.tell(event, lease, text).map_err(|lost| self.give_up(lost))
    }

    /// The same, for what has happened already: whoever asks decides what follows.
    pub(crate) fn tell(&self, event: Event, lease: u64, text: &str) -> Result<(), LinkError> {
        match self.node.dir().guard() {
            Some(guard) => guard.report(event, lease, text),
            None => Ok(()),
        }
    }

    /// Effects need a guardian that was heard a moment ago. One that was lost ends the node.
    pub(crate) fn check_guarded(&mut self) -> Result<(), BrokerError> {
        match self.node.dir().guard() {
            Some(guard) if guard.is_live() => Ok(()),
            Some(_) => {
                // The halt is for the log; whoever asked is told what effects need.
                self.give_up(LinkError::Lost { why: "it was not heard in time".into() });
                Err(BrokerError::Unguarded)
            }
            None => Err(BrokerError::Unguarded),
        }
    }

    pub(crate) fn give_up(&mut self, lost: LinkError) -> BrokerError {
        self.ledger.gate().halt();
        self.node.give_up(lost).into()
    }
}
