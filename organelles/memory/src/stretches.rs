//! Where a run's own records lie among all that its log holds.

use karyon_log::{Lane, WalkedBlock};
use karyon_types::Position;

/// The records of the lane of ticks, as far as the log was read.
#[derive(Default)]
pub(crate) struct Stretches(Vec<Stretch>);

/// Records of the run that lie behind each other in the log.
#[derive(Clone, Copy)]
pub(crate) struct Stretch {
    /// How many of the run lie before them.
    first: u64,
    count: u64,
    position: Position,
}

impl Stretch {
    /// The stretch of a block; `None`: it holds no records of the run.
    pub(crate) fn of(block: &WalkedBlock) -> Option<Stretch> {
        let (first, count) = (block.header.first, u64::from(block.header.count));
        let position = block.first_record;
        (block.header.lane == Lane::Ticks).then_some(Stretch { first, count, position })
    }
}

impl Stretches {
    /// The next one. From the first on, should the log be read anew.
    pub(crate) fn push(&mut self, next: Stretch) {
        if next.first == 0 {
            self.0.clear();
        }
        match self.0.last_mut() {
            Some(last) if last.position.0 + last.count == next.position.0 => {
                last.count += next.count;
            }
            Some(_) | None => self.0.push(next),
        }
    }

    /// The position of the last of the run's first `records`, if the log was read so far.
    pub(crate) fn last(&self, records: u64) -> Option<Position> {
        let behind = self.0.partition_point(|stretch| stretch.first < records);
        let stretch = self.0.get(behind.checked_sub(1)?)?;
        let within = records - stretch.first;
        (within <= stretch.count).then(|| Position(stretch.position.0 + within - 1))
    }

    /// How many of the run's records were read.
    pub(crate) fn records(&self) -> u64 {
        self.0.last().map_or(0, |last| last.first + last.count)
    }
}
