//! Repeated denials of one agent with one code: the first is recorded at once, then each time their
//! number has doubled, and once more at the end. So nobody floods the log by asking in vain, and
//! the numbers are exact after a clean end.

use std::collections::BTreeMap;

use karyon_log::Refused;
use karyon_types::AgentId;

/// The most rows that are counted at once, an agent and a code each: bounds the memory. Then the
/// first ends early.
const ROWS_MAX: usize = 10_000;

/// What was denied, by agent and code: the last, and how many of them are recorded.
#[derive(Default)]
pub(crate) struct Denials {
    rows: BTreeMap<(Option<AgentId>, String), (Refused, u64)>,
}

impl Denials {
    /// Counts a denial of `agent`, or of somebody whom nobody knows: all of those share their rows.
    /// What is to be recorded.
    pub(crate) fn denied(&mut self, agent: Option<AgentId>, refused: Refused) -> Vec<Refused> {
        let row = (agent, refused.code.clone());
        if let Some((last, recorded)) = self.rows.get_mut(&row) {
            *last = Refused { count: last.count + 1, ..refused };
            if last.count < recorded.saturating_mul(2) {
                return Vec::new();
            }
            *recorded = last.count;
            return vec![last.clone()];
        }
        let mut due = Vec::new();
        if self.rows.len() >= ROWS_MAX {
            due.extend(self.rows.pop_first().and_then(|(_, row)| unrecorded(row)));
        }
        due.push(refused.clone());
        self.rows.insert(row, (refused, 1));
        due
    }

    /// All rows are over; what is to be recorded of them.
    pub(crate) fn all_ended(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.rows).into_values().filter_map(unrecorded).collect()
    }
}

fn unrecorded((last, recorded): (Refused, u64)) -> Option<Refused> {
    (last.count > recorded).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(agent: u64, code: &str) -> Refused {
        let (action, resource) = ("pay".into(), "bank".into());
        Refused { agent, lease: None, code: code.into(), action, resource, count: 1 }
    }

    fn counts(due: &[Refused]) -> Vec<u64> {
        due.iter().map(|row| row.count).collect()
    }

    #[test]
    fn a_row_is_recorded_at_its_doublings_and_at_its_end() {
        let mut denials = Denials::default();
        let mut recorded = Vec::new();
        for _ in 0..1000 {
            recorded.extend(counts(&denials.denied(Some(AgentId(1)), refused(1, "lease_expired"))));
        }
        assert_eq!(recorded, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        // Neither another agent nor another code ends it: whoever alternates gains nothing.
        assert_eq!(counts(&denials.denied(Some(AgentId(2)), refused(2, "lease_expired"))), [1]);
        assert_eq!(counts(&denials.denied(Some(AgentId(1)), refused(1, "lease_revoked"))), [1]);
        assert!(denials.denied(Some(AgentId(1)), refused(1, "lease_expired")).is_empty());
        // Whom nobody knows has no row of their own.
        assert_eq!(counts(&denials.denied(None, refused(77, "unknown_lease"))), [1]);
        assert_eq!(counts(&denials.denied(None, refused(78, "unknown_lease"))), [2]);
        assert!(denials.denied(None, refused(79, "unknown_lease")).is_empty());
        assert_eq!(counts(&denials.all_ended()), [3, 1001]);
        assert!(denials.all_ended().is_empty());
    }

    #[test]
    fn the_rows_are_bounded() {
        let mut denials = Denials::default();
        denials.denied(Some(AgentId(0)), refused(0, "lease_expired"));
        denials.denied(Some(AgentId(0)), refused(0, "lease_expired"));
        denials.denied(Some(AgentId(0)), refused(0, "lease_expired"));
        for agent in 1..ROWS_MAX as u64 {
            denials.denied(Some(AgentId(agent)), refused(agent, "lease_expired"));
        }
        let due = denials
            .denied(Some(AgentId(ROWS_MAX as u64)), refused(ROWS_MAX as u64, "lease_expired"));
        assert_eq!(counts(&due), [3, 1]);
        assert_eq!(denials.rows.len(), ROWS_MAX);
    }
}
