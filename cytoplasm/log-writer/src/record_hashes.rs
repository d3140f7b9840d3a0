//! Makes the record hashes of segments that have ended.

use std::io;

use karyon_identity::SecretKey;
use karyon_log::limits::SECTOR_BYTES;
use karyon_log::{
    BlockHeader, Commit, LogError, SegmentHeader, SegmentReader, list_records, list_segments,
    records_name,
};
use karyon_types::hash;
use karyon_verify::{RecordHashes, frames, record_hash};

use crate::folder::Folder;

const TEMPORARY: &str = "records.new";

/// Makes what is missing of the hashes of the segments up to `last`, all of which have ended.
/// Each file is there as a whole or not at all.
///
/// # Errors
/// The system's, or that a segment is damaged.
pub(crate) fn complete(
    folder: &dyn Folder,
    header: &SegmentHeader,
    key: &SecretKey,
    last: u32,
) -> Result<(), LogError> {
    let have = list_records(folder)?;
    for segment in list_segments(folder)?.range(..=last).filter(|number| !have.contains(number)) {
        let bytes = of_segment(folder, header, *segment)?.encode(key);
        let mut file = folder.create(TEMPORARY)?;
        file.write_at(0, &bytes)?;
        file.sync()?;
        folder.rename(TEMPORARY, &records_name(*segment))?;
        folder.sync()?;
    }
    Ok(())
}

fn of_segment(
    folder: &dyn Folder,
    header: &SegmentHeader,
    segment: u32,
) -> Result<RecordHashes, LogError> {
    let file = SegmentReader::open(folder, segment)?;
    let (mut first_record, mut hashes, mut offset) = (None, Vec::new(), SECTOR_BYTES);
    loop {
        let Some(group) = read_bodies(&file, header, offset)? else {
            return Err(io::Error::other("a block of an ended segment cannot be read").into());
        };
        let first_record = *first_record.get_or_insert(group.first_record);
        hashes.extend(group.bodies.iter().flat_map(|body| frames(body)).map(record_hash));
        if group.ends_file {
            return Ok(RecordHashes { log: header.log, segment, first_record, hashes });
        }
        offset = group.behind;
    }
}

/// The bodies of a group's blocks.
struct Bodies {
    first_record: u64,
    bodies: Vec<Vec<u8>>,
    /// The offset behind the group.
    behind: u64,
    /// Whether nothing follows in the file.
    ends_file: bool,
}

/// The bodies of the blocks of the group at `start`, each checked against its hash only;
/// `None` when there is no such group.
fn read_bodies(
    file: &SegmentReader,
    header: &SegmentHeader,
    start: u64,
) -> Result<Option<Bodies>, LogError> {
    let Some((commit, _)) = file.read_commit(header, start)? else { return Ok(None) };
    let mut offset = start + Commit::len(commit.entries.len()) as u64;
    let (mut bodies, mut ends_file) = (Vec::with_capacity(commit.entries.len()), false);
    for entry in &commit.entries {
        let block = file.read(offset, u64::from(entry.len))?;
        let Some(mut block) = block.filter(|block| hash(block) == entry.hash) else {
            return Ok(None);
        };
        ends_file = BlockHeader::decode(&block).is_some_and(|block| block.seals || block.turns);
        block.drain(..BlockHeader::BYTES.min(block.len()));
        bodies.push(block);
        offset += u64::from(entry.len);
    }
    let (first_record, behind) = (commit.first_record, start + commit.group_len());
    Ok(Some(Bodies { first_record, bodies, behind, ends_file }))
}
