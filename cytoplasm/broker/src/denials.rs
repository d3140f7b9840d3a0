//! Denials in a row: the first is recorded at once, then each time their number has doubled, and
//! once more when the row ends. So nobody floods the log by asking in vain, and the number of each
//! row is exact once it has ended.

use std::collections::BTreeMap;

use karyon_log::Refused;
use karyon_types::AgentId;

/// The most rows that are open at once; then the one of the first agent ends early.
const ROWS_MAX: usize = 10_000;

/// The last row of each agent.
#[derive(Default)]
pub(crate) struct Denials {
    rows: BTreeMap<AgentId, (Refused, u64)>,
}

impl Denials {
    /// Counts a denial; what is to be recorded.
    pub(crate) fn denied(&mut self, refused: Refused) -> Vec<Refused> {
        let agent = AgentId(refused.agent);
        let mut due = Vec::new();
        match self.rows.get_mut(&agent) {
            Some((row, recorded)) if row.code == refused.code => {
                *row = Refused { count: row.count + 1, ..refused };
                if row.count >= recorded.saturating_mul(2) {
                    *recorded = row.count;
                    due.push(row.clone());
                }
            }
            Some(_) | None => {
                due.extend(self.ended(agent));
                if self.rows.len() >= ROWS_MAX
                    && let Some(first) = self.rows.keys().next().copied()
                {
                    due.extend(self.ended(first));
                }
                due.push(refused.clone());
                self.rows.insert(agent, (refused, 1));
            }
        }
        due
    }

    /// Something else happened to the agent: its row is over; what is to be recorded of it.
    pub(crate) fn ended(&mut self, agent: AgentId) -> Option<Refused> {
        let (row, recorded) = self.rows.remove(&agent)?;
        (row.count > recorded).then_some(row)
    }

    /// All rows are over.
    pub(crate) fn all_ended(&mut self) -> Vec<Refused> {
        let rows = std::mem::take(&mut self.rows).into_values();
        rows.filter(|(row, recorded)| row.count > *recorded).map(|(row, _)| row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(agent: u64, code: &str) -> Refused {
        let (action, resource) = ("pay".into(), "bank".into());
        Refused { agent, lease: None, code: code.into(), action, resource, count: 1 }
    }

    #[test]
    fn a_row_is_recorded_at_its_doublings_and_at_its_end() {
        let mut denials = Denials::default();
        let mut counts = Vec::new();
        for _ in 0..1000 {
            counts.extend(denials.denied(refused(1, "lease_expired")).iter().map(|row| row.count));
        }
        assert_eq!(counts, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        // Another agent's do not touch it; another code ends it.
        assert_eq!(denials.denied(refused(2, "lease_expired")).len(), 1);
        let due = denials.denied(refused(1, "lease_revoked"));
        assert_eq!(due.iter().map(|row| row.count).collect::<Vec<_>>(), [1000, 1]);
        assert_eq!(denials.ended(AgentId(1)), None);
        assert_eq!(denials.denied(refused(2, "lease_expired")).len(), 1);
        denials.denied(refused(2, "lease_expired"));
        assert_eq!(denials.all_ended().iter().map(|row| row.count).collect::<Vec<_>>(), [3]);
    }
}
