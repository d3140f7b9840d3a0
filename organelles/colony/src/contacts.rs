//! Contact files: who sent a message to whom, and when.
//!
//! A line is `SRC DST TIME`. Fields are separated by blanks and tabs, or by one comma with blanks
//! around it if wanted; nothing can be quoted. Lines end in LF or CRLF; empty lines, and lines
//! whose first character is `#`, are skipped (a `#` further on belongs to its field). The text is
//! UTF-8, a byte-order mark is skipped. A person is any text without blanks, commas and control
//! characters; a time is a whole or decimal number. The first line may be a header: see
//! [`Note::Header`].
//!
//! This module reads bytes and never the file system. It keeps the input as it came.
//!
//! # Invariants
//! 1. The list is in time order; contacts of equal time stay in the order of their lines.
//! 2. People are numbered from 0 by first appearance in the list, the source before the target.
//! 3. There is at least one contact, and its source is person 0.
//! 4. `name(find(x)) == x` for every name, and every person takes part in some contact.

mod error;
mod field;
mod note;
#[cfg(test)]
pub(crate) mod tests;

use std::cmp::Reverse;
use std::collections::HashMap;

pub use error::{BadLine, ContactsError, Field, LISTED_BAD_LINES, QUOTED_CHARS, Reason};
pub use field::{MAX_DECIMALS, MAX_ID_BYTES};
pub use note::Note;

use error::BadLines;
use field::{BLANKS, Time};

/// Longest input in bytes: positions are held in 32 bits, which also bounds lines, contacts and
/// people (at least six bytes make a contact) below `u32::MAX`.
pub const MAX_FILE_BYTES: usize = u32::MAX as usize;

/// Longest line in bytes: two ids, a time and room for blanks or a comment. A longer line means
/// that this is no contact file.
pub const MAX_LINE_BYTES: usize = 4096;

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// One message from a person to another, or to themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    /// The person who sends.
    pub source: u32,
    /// The person who receives.
    pub target: u32,
    /// The time, in units of 10^-[`scale`](Contacts::scale).
    pub time: i64,
    /// The line of the input, from 1.
    pub line: u32,
    /// Where the time stands in the input, in bytes.
    time_at: u32,
}

/// All contacts of a file in time order, with the people and the input itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contacts {
    text: String,
    names: Vec<String>,
    /// Persons in the order of their names, for `find`.
    by_name: Vec<u32>,
    list: Vec<Contact>,
    scale: u8,
}

impl Contacts {
    /// Reads a whole contact file; the notes say what was skipped or put in order.
    ///
    /// # Errors
    /// [`ContactsError::TooLarge`], [`ContactsError::NotUtf8`], [`ContactsError::BadLines`] with
    /// every line that breaks the grammar or a limit, or [`ContactsError::NoContacts`].
    pub fn parse(raw: Vec<u8>) -> Result<(Self, Vec<Note>), ContactsError> {
        check_size(raw.len())?;
        let text = String::from_utf8(raw).map_err(|error| ContactsError::not_utf8(&error))?;
        let mut notes = Vec::new();
        let Scan { mut list, decimals, names } = scan(&text, &mut notes)?;
        let scale = decimals.iter().copied().max().unwrap_or(0);
        rescale(&text, &mut list, &decimals, scale)?;
        let late = late_lines(&list);
        if late > 0 {
            notes.push(Note::OutOfOrder { lines: late });
            list.sort_by_key(|contact| contact.time);
        }
        let names = renumber(&mut list, &names);
        let mut by_name: Vec<u32> = (0u32..).zip(&names).map(|(person, _)| person).collect();
        by_name.sort_unstable_by_key(|person| names.get(*person as usize));
        let contacts = Self { text, names, by_name, list, scale };
        Ok((contacts, notes))
    }

    /// The names of all people, by number.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of a person; `None` for a number that no person has.
    pub fn name(&self, person: u32) -> Option<&str> {
        self.names.get(person as usize).map(String::as_str)
    }

    /// The person with exactly this name.
    pub fn find(&self, name: &str) -> Option<u32> {
        self.by_name
            .binary_search_by(|person| self.name(*person).cmp(&Some(name)))
            .ok()
            .and_then(|position| self.by_name.get(position).copied())
    }

    /// The person who sends most; of several such, the one with the lowest number.
    pub fn busiest(&self) -> u32 {
        let mut sent = vec![0u32; self.names.len()];
        for contact in &self.list {
            if let Some(count) = sent.get_mut(contact.source as usize) {
                *count = count.saturating_add(1);
            }
        }
        // Of equal minima the first is taken.
        let busiest = (0u32..).zip(sent).min_by_key(|(_, count)| Reverse(*count));
        busiest.map_or(0, |(person, _)| person)
    }

    /// The contacts in time order.
    pub fn list(&self) -> &[Contact] {
        &self.list
    }

    /// The input, byte for byte.
    pub fn raw(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The time of a contact exactly as the input writes it; empty for an index past the end.
    pub fn time_text(&self, contact: u32) -> &str {
        self.list
            .get(contact as usize)
            .and_then(|contact| self.text.get(contact.time_at as usize..))
            .map_or("", field::leading)
    }

    /// How many decimals a unit of [`Contact::time`] has: the most seen in the file, 0 to 9.
    pub fn scale(&self) -> u8 {
        self.scale
    }
}

fn check_size(size_bytes: usize) -> Result<(), ContactsError> {
    if size_bytes > MAX_FILE_BYTES {
        return Err(ContactsError::TooLarge { size_bytes });
    }
    Ok(())
}

/// Contacts in line order, with people numbered by line and times at scales of their own.
#[derive(Default)]
struct Scan<'a> {
    list: Vec<Contact>,
    decimals: Vec<u8>,
    names: Vec<&'a str>,
}

fn scan<'a>(text: &'a str, notes: &mut Vec<Note>) -> Result<Scan<'a>, ContactsError> {
    let mut scan = Scan::default();
    let mut people: HashMap<&'a str, u32> = HashMap::new();
    let mut bad = BadLines::default();
    let mut may_be_header = true;
    let mut at = 0usize;
    for (number, whole) in (1u32..).zip(text.split('\n')) {
        let start = at;
        at += whole.len() + 1;
        let line = whole.strip_prefix(BYTE_ORDER_MARK).filter(|_| start == 0);
        let line = line.unwrap_or(whole);
        let line = line.strip_suffix('\r').unwrap_or(line).trim_matches(BLANKS);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let first = std::mem::replace(&mut may_be_header, false);
        let row = match row(line) {
            Ok(row) => row,
            Err(_) if first && field::is_header(line) => {
                notes.push(Note::Header { line: number, text: error::quote(line) });
                continue;
            }
            Err((field, text, reason)) => {
                bad.add(number, field, text, reason);
                continue;
            }
        };
        let mut person = |name: &'a str| {
            let next = scan.names.len() as u32;
            *people.entry(name).or_insert_with(|| {
                scan.names.push(name);
                next
            })
        };
        let (source, target) = (person(row.source), person(row.target));
        // `row.time` is a part of `text`, so the difference of addresses is its position.
        let time_at = row.time.as_ptr().addr() - text.as_ptr().addr();
        scan.decimals.push(row.value.decimals);
        scan.list.push(Contact {
            source,
            target,
            time: row.value.mantissa,
            line: number,
            time_at: time_at as u32,
        });
    }
    bad.none()?;
    if scan.list.is_empty() {
        return Err(ContactsError::NoContacts);
    }
    Ok(scan)
}

struct Row<'a> {
    source: &'a str,
    target: &'a str,
    time: &'a str,
    value: Time,
}

/// Splits a line that is neither empty nor a comment; the error names the field and quotes it.
fn row(line: &str) -> Result<Row<'_>, (Field, &str, Reason)> {
    if line.len() > MAX_LINE_BYTES {
        return Err((Field::Line, line, Reason::LineTooLong));
    }
    let mut fields = field::Fields::of(line);
    let (Some(source), Some(target), Some(time), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        let found = field::Fields::of(line).count();
        return Err((Field::Line, line, Reason::FieldCount { found }));
    };
    field::check_id(source).map_err(|reason| (Field::Source, source, reason))?;
    field::check_id(target).map_err(|reason| (Field::Target, target, reason))?;
    let value = Time::parse(time).map_err(|reason| (Field::Time, time, reason))?;
    Ok(Row { source, target, time, value })
}

/// Brings all times to one scale.
fn rescale(
    text: &str,
    list: &mut [Contact],
    decimals: &[u8],
    scale: u8,
) -> Result<(), ContactsError> {
    let mut bad = BadLines::default();
    for (contact, own) in list.iter_mut().zip(decimals) {
        let factor = 10i64.pow(u32::from(scale.saturating_sub(*own)));
        match contact.time.checked_mul(factor) {
            Some(time) => contact.time = time,
            None => {
                let time = text.get(contact.time_at as usize..).map_or("", field::leading);
                let reason = Reason::OutOfRange { decimals: scale };
                bad.add(contact.line, Field::Time, time, reason);
            }
        }
    }
    bad.none()
}

/// How many contacts are earlier than one on a line before theirs.
fn late_lines(list: &[Contact]) -> u32 {
    let mut latest = i64::MIN;
    let mut late = 0u32;
    for contact in list {
        late += u32::from(contact.time < latest);
        latest = latest.max(contact.time);
    }
    late
}

/// Numbers people by first appearance in the list, and returns their names by that number.
fn renumber(list: &mut [Contact], names: &[&str]) -> Vec<String> {
    const NONE: u32 = u32::MAX;
    let mut numbers = vec![NONE; names.len()];
    let mut ordered = Vec::with_capacity(names.len());
    for contact in list {
        for person in [&mut contact.source, &mut contact.target] {
            let old = *person as usize;
            if let (Some(number), Some(name)) = (numbers.get_mut(old), names.get(old)) {
                if *number == NONE {
                    *number = ordered.len() as u32;
                    ordered.push((*name).to_owned());
                }
                *person = *number;
            }
        }
    }
    ordered
}
