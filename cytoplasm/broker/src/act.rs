//! Acting: asked again, done, receipted.

use std::collections::BTreeMap;

use karyon_authority::{EffectState, No, Refusal, receipt_digest};
use karyon_guard::Event;
use karyon_identity::SecretKey;
use karyon_log::{Control, EffectStatus, Intent, OutcomeUnknown, Receipt};
use karyon_types::{Denial, EffectId, Hash, Hasher, LogId};

use crate::broker::Broker;
use crate::error::BrokerError;

/// How an attempt at an effect ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It happened.
    Done,
    /// It did not happen.
    #[default]
    Failed,
    /// The adapter cannot tell, for this reason.
    Unknown(String),
}

/// What an adapter says of what it did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Performed {
    /// How it ended.
    pub outcome: Outcome,
    /// The hash of what came back.
    pub payload: Option<Hash>,
    /// What was really used of each budget, by argument; what is absent counts in full if it
    /// succeeded, and not at all otherwise.
    pub used: BTreeMap<String, u64>,
}

/// Why an effect did not happen, or why nobody can tell.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// It was admitted, but may not happen any more. It did not.
    #[error("it was admitted, but is denied now: {0}")]
    Denied(No),
    /// The adapter cannot tell whether it happened: what it was to use stays used.
    #[error("nobody knows whether it happened: {0} (outcome_unknown)")]
    Unknown(String),
    /// There is no such effect, or it was begun before.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Before or after it happened, the log failed.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// The same for each attempt at one effect, and for no other: what to give to services that
/// recognise a repetition.
pub fn effect_key(log: LogId, effect: EffectId) -> Hash {
    Hasher::for_domain("karyon effect v1").update(&log.0).update(&effect.0.to_le_bytes()).finish()
}

impl Broker {
    /// Does an effect that was admitted, once: asks again right before, at the time that it is
    /// now, whether it may happen; lets `perform` do it; signs with the adapter's key what came of
    /// it, and makes that durable. Orders are carried out while it happens, and say that it is in
    /// flight. Without a live guardian it is not done.
    ///
    /// # Errors
    /// See [`ActError`].
    pub fn act(
        &self,
        effect: EffectId,
        adapter: &SecretKey,
        perform: impl FnOnce(&Intent) -> Performed,
    ) -> Result<Receipt, ActError> {
        let intent = self.begin(effect)?;
        let started = self.now();
        let performed = perform(&intent);
        let status = match &performed.outcome {
            Outcome::Done => EffectStatus::Done,
            Outcome::Failed => EffectStatus::Failed,
            Outcome::Unknown(why) => {
                let (effect, why) = (effect.0, why.clone());
                let unknown = Control::OutcomeUnknown(OutcomeUnknown { effect, why: why.clone() });
                self.enter()?.record(vec![unknown])?;
                return Err(ActError::Unknown(why));
            }
        };
        let receipt = self.receipt(effect, status, performed, started, adapter);
        self.settle(&receipt)?;
        Ok(receipt)
    }

    /// The last look before an effect happens.
    fn begin(&self, effect: EffectId) -> Result<Intent, ActError> {
        self.lock().check_guarded()?;
        let mut inner = self.enter()?;
        let lease = match inner.ledger.effect(effect) {
            None | Some((_, EffectState::Unknown)) => return Err(Refusal::UnknownTarget.into()),
            Some((intent, EffectState::InFlight)) => intent.lease,
        };
        if !inner.begun.insert(effect) {
            return Err(Refusal::AlreadyUsed.into());
        }
        let allowed = match inner.is_stopped() {
            true => Err(Denial::SystemHalted.into()),
            false => inner.ledger.recheck(effect).cloned(),
        };
        match allowed {
            Ok(intent) => {
                // A disk or a lock may have kept it waiting since.
                inner.check_guarded()?;
                Ok(intent)
            }
            Err(no) => {
                inner.report(Event::Rejection, lease, &format!("{}: {effect}", no.code()))?;
                let (now, nothing) = (self.now(), Performed::default());
                let receipt = self.receipt(effect, EffectStatus::NotDone, nothing, now, &self.key);
                inner.begun.remove(&effect);
                inner.record(vec![Control::Receipt(receipt)])?;
                Err(ActError::Denied(no))
            }
        }
    }

    /// Takes the receipt of an effect, also a late one of an effect whose outcome was unknown.
    ///
    /// # Errors
    /// [`ActError::Refused`], [`ActError::Broker`].
    pub fn settle(&self, receipt: &Receipt) -> Result<(), ActError> {
        let mut inner = self.enter()?;
        inner.ledger.receipt(receipt)?;
        let effect = EffectId(receipt.effect);
        let lease = inner.ledger.effect(effect).map_or(0, |(intent, _)| intent.lease);
        let words = effect.to_string();
        let told = match receipt.status {
            EffectStatus::Done => inner.tell(Event::Success, lease, &words),
            EffectStatus::Failed => inner.tell(Event::Failure, lease, &words),
            EffectStatus::NotDone => Ok(()),
        };
        // It has happened, whoever hears of it: the log is to know. Nothing comes after it, where
        // the guardian was lost.
        inner.record(vec![Control::Receipt(receipt.clone())])?;
        inner.begun.remove(&effect);
        told.map_err(|lost| inner.give_up(lost).into())
    }

    fn receipt(
        &self,
        effect: EffectId,
        status: EffectStatus,
        performed: Performed,
        started_unix_ms: u64,
        adapter: &SecretKey,
    ) -> Receipt {
        let mut receipt = Receipt {
            effect: effect.0,
            status,
            payload: performed.payload.unwrap_or(Hash::ZERO).0,
            used: performed.used,
            started_unix_ms,
            ended_unix_ms: self.now(),
            adapter: adapter.public_key().0,
            signature: Vec::new(),
        };
        receipt.signature = adapter.sign(&receipt_digest(self.log, &receipt).0).0.to_vec();
        receipt
    }
}
