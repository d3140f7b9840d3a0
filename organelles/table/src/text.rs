//! Small tables of text, as CSV.

/// A text that is no such table.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {what}")]
pub struct NotATable {
    /// Counted from 1.
    pub line: u64,
    /// What is wrong there.
    pub what: String,
}

impl NotATable {
    /// Of a line, counted from 1.
    pub fn new(line: u64, what: impl Into<String>) -> NotATable {
        NotATable { line, what: what.into() }
    }

    fn of(error: &csv::Error) -> NotATable {
        let line = error.position().map_or(1, csv::Position::line);
        NotATable::new(line, error.to_string())
    }
}

/// What stands in a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// The names of the columns.
    pub head: Vec<String>,
    /// Each with its line, counted from 1; all as long as the head.
    pub rows: Vec<(u64, Vec<String>)>,
}

/// Reads a table with a head.
///
/// # Errors
/// The first line that is longer or shorter than the head, or no UTF-8.
pub fn read(text: &[u8]) -> Result<Rows, NotATable> {
    let mut reader = csv::Reader::from_reader(text);
    let head = reader.headers().map_err(|error| NotATable::of(&error))?;
    let mut table = Rows { head: head.iter().map(str::to_owned).collect(), rows: Vec::new() };
    for record in reader.records() {
        let record = record.map_err(|error| NotATable::of(&error))?;
        let line = record.position().map_or(1, csv::Position::line);
        table.rows.push((line, record.iter().map(str::to_owned).collect()));
    }
    Ok(table)
}

/// A table as text; the first row is its head.
pub fn write(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        // Writing into memory cannot fail.
        if writer.write_record(&row).is_err() {
            break;
        }
    }
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_comes_back(rows in prop::collection::vec(
            prop::collection::vec("\\PC{0,8}|[\"\n\r,]{0,4}", 2), 1..6)
        ) {
            let text = write(rows.clone());
            let read = read(text.as_bytes()).unwrap();
            let back: Vec<_> = [read.head].into_iter()
                .chain(read.rows.into_iter().map(|(_, row)| row)).collect();
            prop_assert_eq!(back, rows);
        }

        #[test]
        fn nothing_that_is_read_ends_the_program(text in prop::collection::vec(any::<u8>(), 0..64)) {
            drop(read(&text));
        }
    }

    #[test]
    fn rows_have_their_lines() {
        let table = read(b"a,b\n1,\"x\ny\"\n2,z\n").unwrap();
        assert_eq!(table.rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 4]);
        let error = read(b"a,b\n1\n").unwrap_err();
        assert_eq!(error.line, 2);
    }
}
