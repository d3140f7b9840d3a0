//! The row of a vertex.

use karyon_types::varint;

/// The row of a vertex: the length of its identity, the identity, the name.
pub(crate) fn vertex(identity: &[u8], name: &str) -> Vec<u8> {
    let mut row = Vec::new();
    varint::write(&mut row, identity.len() as u64);
    row.extend_from_slice(identity);
    row.extend_from_slice(name.as_bytes());
    row
}

/// Identity and name; `None` when the row is damaged.
pub(crate) fn read_vertex(mut row: &[u8]) -> Option<(&[u8], &str)> {
    let len = usize::try_from(varint::read(&mut row)?).ok()?;
    let (identity, name) = row.split_at_checked(len)?;
    Some((identity, std::str::from_utf8(name).ok()?))
}
