//! What a log's past must be: that of the checkpoints and of the record hashes that are known.

use std::sync::Arc;

use karyon_statements::Checkpoint;
use karyon_types::LogId;

use karyon_log::{
    Damage, End, LogError, ReadFolder, SegmentHeader, Tree, Walk, WalkedBlock, list_records, origin,
};

use crate::record_hashes::{RecordHashes, RecordHashesError, frames, record_hash};
use crate::verify::VerifyError;

/// Compares a log with checkpoints, while it is walked.
pub(crate) struct Past {
    /// The ones that were not reached yet, the largest first.
    known: Vec<Checkpoint>,
    tree: Tree,
    /// The first block and the first record that no checkpoint confirms yet.
    from: (u64, u64),
}

impl Past {
    pub(crate) fn new<'a>(
        log: LogId,
        known: impl Iterator<Item = &'a Checkpoint>,
    ) -> Result<Past, VerifyError> {
        let mut known: Vec<_> = known.cloned().collect();
        known.sort_by_key(|checkpoint| std::cmp::Reverse(checkpoint.size));
        let mut past = Past { known, tree: Tree::default(), from: (0, 0) };
        match past.known.iter().find(|checkpoint| checkpoint.origin != origin(log)) {
            Some(foreign) => Err(past.forked(foreign)),
            None => past.compare(0).map(|()| past),
        }
    }

    pub(crate) fn extend(&mut self, block: &WalkedBlock) -> Result<(), VerifyError> {
        self.tree.push(block.hash);
        self.compare(block.first_record.0 + u64::from(block.header.count))
    }

    /// All must have been reached.
    pub(crate) fn finish(&self, end: &End) -> Result<(), VerifyError> {
        self.known.first().map_or(Ok(()), |largest| Err(beyond(end, largest).into()))
    }

    fn compare(&mut self, records: u64) -> Result<(), VerifyError> {
        let size = self.tree.size();
        while let Some(checkpoint) = self.known.pop_if(|checkpoint| checkpoint.size == size) {
            if checkpoint.root != self.tree.root() {
                return Err(self.forked(&checkpoint));
            }
            self.from = (size, records);
        }
        Ok(())
    }

    fn forked(&self, checkpoint: &Checkpoint) -> VerifyError {
        let (first_block, first_record) = self.from;
        let (origin, size) = (checkpoint.origin.clone(), checkpoint.size);
        VerifyError::Forked { origin, size, first_block, first_record }
    }
}

/// The checkpoint covers what lies behind `end`: a tail was no tail then.
fn beyond(end: &End, checkpoint: &Checkpoint) -> LogError {
    let (segment, mut damage) = match &end.tail {
        Some(tail) => (end.tail_segment(), tail.clone()),
        None => (end.segment, Damage::behind(end, "the log is shorter than a checkpoint of it")),
    };
    damage.last_block.get_or_insert(checkpoint.size.saturating_sub(1));
    LogError::Damaged(damage).in_segment(segment)
}

/// Compares a log's records with the signed hashes that lie beside it, while it is walked.
pub(crate) struct Hashes<'a> {
    folder: Arc<dyn ReadFolder>,
    header: &'a SegmentHeader,
    /// The segment that is walked.
    segment: Option<u32>,
    /// The hashes of its records, should there be some.
    hashes: Option<RecordHashes>,
}

impl Hashes<'_> {
    pub(crate) fn new(folder: Arc<dyn ReadFolder>, header: &SegmentHeader) -> Hashes<'_> {
        Hashes { folder, header, segment: None, hashes: None }
    }

    pub(crate) fn check(&mut self, block: &WalkedBlock) -> Result<(), LogError> {
        let first = block.first_record.0;
        let refute = |what, first, last| {
            Err(LogError::Damaged(block.damage(what, first, last)).in_segment(block.segment))
        };
        let last = first + u64::from(block.header.count).saturating_sub(1);
        if self.segment != Some(block.segment) {
            if !self.is_complete(first) {
                return refute(
                    "the file before it has more or fewer records than hashes",
                    first,
                    last,
                );
            }
            self.segment = Some(block.segment);
            self.hashes = match RecordHashes::read(&*self.folder, self.header, block.segment) {
                Ok(hashes) => hashes,
                Err(RecordHashesError::Io(error)) => return Err(error.into()),
                Err(RecordHashesError::Altered { .. }) => {
                    let what = "the hashes of the file's records are not what was signed";
                    return refute(what, first, last);
                }
            };
        }
        let Some(hashes) = &self.hashes else { return Ok(()) };
        for (position, frame) in (first..).zip(frames(&block.body)) {
            if hashes.at(position) != Some(record_hash(frame)) {
                return refute(NOT_THE_RECORD, position, position);
            }
        }
        Ok(())
    }

    /// Nothing may be missing behind `end`.
    pub(crate) fn finish(&self, end: &End) -> Result<(), LogError> {
        let more = list_records(&*self.folder)?;
        let more = more.into_iter().any(|number| self.segment.is_none_or(|last| number > last));
        if more || !self.is_complete(end.records) {
            let what = "records are missing: the hashes of their file name more";
            return Err(LogError::Damaged(Damage::behind(end, what)).in_segment(end.segment));
        }
        Ok(())
    }

    fn is_complete(&self, behind: u64) -> bool {
        let end = |hashes: &RecordHashes| hashes.first_record + hashes.hashes.len() as u64;
        self.hashes.as_ref().is_none_or(|hashes| end(hashes) == behind)
    }

    /// Says which record of a damaged block was altered, should its hash be known.
    pub(crate) fn name_record(&self, error: LogError, walk: &Walk) -> LogError {
        let Some((segment, damage)) = damage_in(&error, 0) else { return error };
        let Some((first, body)) = walk.suspect().filter(|(first, _)| *first == damage.first_record)
        else {
            return error;
        };
        // Hashes that are damaged themselves name nothing; the block is enough to refute the log.
        let Ok(Some(hashes)) = RecordHashes::read(&*self.folder, self.header, segment) else {
            return error;
        };
        let differs = |(position, frame): &(u64, &[u8])| {
            hashes.at(*position).is_some_and(|hash| hash != record_hash(frame))
        };
        match (first..).zip(frames(body)).find(differs) {
            None => error,
            Some((position, _)) => LogError::Damaged(Damage {
                what: NOT_THE_RECORD,
                first_record: position,
                last_record: Some(position),
                ..damage.clone()
            })
            .in_segment(segment),
        }
    }
}

/// The damage that an error tells of, and the segment in which it lies.
fn damage_in(error: &LogError, segment: u32) -> Option<(u32, &Damage)> {
    match error {
        LogError::Damaged(damage) => Some((segment, damage)),
        LogError::Segment { segment, source } => damage_in(source, *segment),
        LogError::Io(_) | LogError::NotALog | LogError::Header | LogError::Version { .. } => None,
    }
}

const NOT_THE_RECORD: &str = "the record does not match its signed hash";
