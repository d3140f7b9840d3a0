//! Tables of any length, written row by row.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

/// Rows that are kept in memory until they are written, of a Parquet file: what readers skip at once.
const GROUP_ROWS: usize = 1 << 16;

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text with commas, as RFC 4180 says.
    Csv,
    /// Apache Parquet, version 1 of its pages, compressed by Snappy.
    Parquet,
}

impl Form {
    /// By the end of a name; `None`: it says neither.
    pub fn of(path: &Path) -> Option<Form> {
        match path.extension()?.to_str()? {
            "csv" => Some(Form::Csv),
            "parquet" => Some(Form::Parquet),
            _ => None,
        }
    }
}

/// What a column holds, with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// UTF-8.
    Text(String),
    /// Whole numbers, -2⁶³ to 2⁶³ - 1.
    Whole(String),
    /// Numbers, 64 bits.
    Number(String),
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Of a column of texts.
    Text(String),
    /// Of whole numbers.
    Whole(i64),
    /// Of numbers.
    Number(f64),
}

/// A table could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TidyError {
    /// The file cannot be written.
    #[error("{path}: {source}", path = .0.display(), source = .1)]
    File(PathBuf, io::Error),
    /// In the words of the library that writes it.
    #[error("{path}: {source}", path = .0.display(), source = .1)]
    Parquet(PathBuf, ParquetError),
    /// A row that does not fit the columns.
    #[error("a row does not fit the columns of the table")]
    Row,
}

enum Values {
    Text(Vec<ByteArray>),
    Whole(Vec<i64>),
    Number(Vec<f64>),
}

enum Writer {
    Csv(Box<csv::Writer<BufWriter<File>>>),
    Parquet(Box<SerializedFileWriter<File>>, Vec<Values>),
}

/// A table that is written row by row, beside its place, where it comes when it is whole.
pub struct Tidy {
    path: PathBuf,
    new: PathBuf,
    columns: Vec<Column>,
    writer: Writer,
    rows: u64,
}

impl Column {
    fn name(&self) -> &str {
        match self {
            Column::Text(name) | Column::Whole(name) | Column::Number(name) => name,
        }
    }

    fn to_parquet(&self) -> Result<Type, ParquetError> {
        let physical = match self {
            Column::Text(_) => Physical::BYTE_ARRAY,
            Column::Whole(_) => Physical::INT64,
            Column::Number(_) => Physical::DOUBLE,
        };
        let built = Type::primitive_type_builder(self.name(), physical)
            .with_repetition(Repetition::REQUIRED);
        match self {
            Column::Text(_) => built
                .with_logical_type(Some(LogicalType::String))
                .with_converted_type(ConvertedType::UTF8)
                .build(),
            Column::Whole(_) | Column::Number(_) => built.build(),
        }
    }

    fn values(&self) -> Values {
        match self {
            Column::Text(_) => Values::Text(Vec::new()),
            Column::Whole(_) => Values::Whole(Vec::new()),
            Column::Number(_) => Values::Number(Vec::new()),
        }
    }
}

impl Tidy {
    /// Begins a table. What is at `path` stays until the table is whole.
    ///
    /// # Errors
    /// [`TidyError::File`], [`TidyError::Parquet`].
    pub fn create(path: &Path, form: Form, columns: Vec<Column>) -> Result<Tidy, TidyError> {
        let mut new = path.as_os_str().to_owned();
        new.push(format!(".{}.new", std::process::id()));
        let new = PathBuf::from(new);
        let file = |error| TidyError::File(path.to_path_buf(), error);
        let failed = |error| TidyError::Parquet(path.to_path_buf(), error);
        let opened = File::create_new(&new).map_err(file)?;
        let writer = match form {
            Form::Csv => {
                let mut writer = csv::Writer::from_writer(BufWriter::new(opened));
                let written = writer.write_record(columns.iter().map(Column::name));
                written.map_err(|error| file(error.into()))?;
                Writer::Csv(Box::new(writer))
            }
            Form::Parquet => {
                let fields: Result<Vec<_>, _> =
                    columns.iter().map(|column| column.to_parquet().map(Arc::new)).collect();
                let fields = fields.map_err(failed)?;
                let built = Type::group_type_builder("table").with_fields(fields).build();
                let properties =
                    WriterProperties::builder().set_compression(Compression::SNAPPY).build();
                let schema = Arc::new(built.map_err(failed)?);
                let writer = SerializedFileWriter::new(opened, schema, Arc::new(properties));
                let values = columns.iter().map(Column::values).collect();
                Writer::Parquet(Box::new(writer.map_err(failed)?), values)
            }
        };
        Ok(Tidy { path: path.to_path_buf(), new, columns, writer, rows: 0 })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`TidyError::Row`], [`TidyError::File`], [`TidyError::Parquet`].
    pub fn push(&mut self, row: impl IntoIterator<Item = Cell>) -> Result<(), TidyError> {
        let row: Vec<Cell> = row.into_iter().collect();
        let fits = |(column, cell): (&Column, &Cell)| {
            matches!(
                (column, cell),
                (Column::Text(_), Cell::Text(_))
                    | (Column::Whole(_), Cell::Whole(_))
                    | (Column::Number(_), Cell::Number(_))
            )
        };
        if row.len() != self.columns.len() || !self.columns.iter().zip(&row).all(fits) {
            return Err(TidyError::Row);
        }
        self.rows += 1;
        match &mut self.writer {
            Writer::Csv(writer) => {
                let texts = row.into_iter().map(|cell| match cell {
                    Cell::Text(text) => text,
                    Cell::Whole(number) => number.to_string(),
                    Cell::Number(number) => number.to_string(),
                });
                let written = writer.write_record(texts);
                written.map_err(|error| TidyError::File(self.path.clone(), error.into()))
            }
            Writer::Parquet(_, values) => {
                for (values, cell) in values.iter_mut().zip(row) {
                    match (values, cell) {
                        (Values::Text(all), Cell::Text(text)) => all.push(text.into_bytes().into()),
                        (Values::Whole(all), Cell::Whole(number)) => all.push(number),
                        (Values::Number(all), Cell::Number(number)) => all.push(number),
                        _ => return Err(TidyError::Row),
                    }
                }
                match self.rows.is_multiple_of(GROUP_ROWS as u64) {
                    true => self.flush(),
                    false => Ok(()),
                }
            }
        }
    }

    /// Writes the rows that are kept as a group.
    fn flush(&mut self) -> Result<(), TidyError> {
        let Writer::Parquet(writer, values) = &mut self.writer else { return Ok(()) };
        let failed = |error| TidyError::Parquet(self.path.clone(), error);
        let mut group = writer.next_row_group().map_err(failed)?;
        for values in values {
            let Some(mut column) = group.next_column().map_err(failed)? else { break };
            let written = match values {
                Values::Text(all) => {
                    column.typed::<ByteArrayType>().write_batch(&std::mem::take(all), None, None)
                }
                Values::Whole(all) => {
                    column.typed::<Int64Type>().write_batch(&std::mem::take(all), None, None)
                }
                Values::Number(all) => {
                    column.typed::<DoubleType>().write_batch(&std::mem::take(all), None, None)
                }
            };
            written.and_then(|_| column.close()).map_err(failed)?;
        }
        group.close().map(drop).map_err(failed)
    }

    /// Ends the table and puts it in its place; how many rows it has.
    ///
    /// # Errors
    /// [`TidyError::File`], [`TidyError::Parquet`].
    pub fn finish(mut self) -> Result<u64, TidyError> {
        let left = match &self.writer {
            Writer::Csv(_) => 0,
            Writer::Parquet(..) => self.rows % GROUP_ROWS as u64,
        };
        if left > 0 {
            self.flush()?;
        }
        let file = |error| TidyError::File(self.path.clone(), error);
        match self.writer {
            Writer::Csv(mut writer) => writer.flush().map_err(file)?,
            Writer::Parquet(writer, _) => {
                writer.close().map_err(|error| TidyError::Parquet(self.path.clone(), error))?;
            }
        }
        std::fs::rename(&self.new, &self.path).map_err(file)?;
        Ok(self.rows)
    }

    /// Gives the table up.
    pub fn abandon(self) {
        drop(self.writer);
        // What is left has a name that says so.
        drop(std::fs::remove_file(&self.new));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::Field;

    fn columns() -> Vec<Column> {
        vec![
            Column::Text("measure".into()),
            Column::Whole("tick".into()),
            Column::Number("value".into()),
        ]
    }

    fn row(tick: i64) -> Vec<Cell> {
        vec![Cell::Text(format!("a \"{}\"", tick % 3)), Cell::Whole(tick), Cell::Number(0.5)]
    }

    fn table(form: Form, rows: i64) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table");
        let mut tidy = Tidy::create(&path, form, columns()).unwrap();
        (0..rows).for_each(|tick| tidy.push(row(tick)).unwrap());
        assert!(!path.exists(), "a table is there when it is whole");
        assert_eq!(tidy.finish().unwrap(), rows as u64);
        (folder, path)
    }

    #[test]
    fn a_table_is_text() {
        let (_folder, path) = table(Form::Csv, 2);
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text, "measure,tick,value\n\"a \"\"0\"\"\",0,0.5\n\"a \"\"1\"\"\",1,0.5\n");
    }

    #[test]
    fn a_table_is_parquet_whatever_its_length() {
        for rows in [0, 1, GROUP_ROWS as i64, GROUP_ROWS as i64 + 7] {
            let (_folder, path) = table(Form::Parquet, rows);
            let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
            let schema = reader.metadata().file_metadata().schema_descr();
            let names: Vec<_> = schema.columns().iter().map(|c| c.name().to_owned()).collect();
            assert_eq!(names, ["measure", "tick", "value"]);
            let mut seen = 0;
            for (tick, read) in (0..).zip(reader.get_row_iter(None).unwrap()) {
                let read: Vec<_> = read.unwrap().into_columns().into_iter().map(|c| c.1).collect();
                let text = format!("a \"{}\"", tick % 3);
                let expected = [Field::Str(text), Field::Long(tick), Field::Double(0.5)];
                assert_eq!(read, expected);
                seen += 1;
            }
            assert_eq!(seen, rows);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        assert_eq!(Form::of(&path), Some(Form::Csv));
        assert_eq!(Form::of(Path::new("table.xlsx")), None);
        std::fs::write(&path, "before").unwrap();
        let mut tidy = Tidy::create(&path, Form::Csv, columns()).unwrap();
        assert!(matches!(tidy.push([Cell::Whole(1)]), Err(TidyError::Row)));
        let wrong = [Cell::Whole(1), Cell::Whole(1), Cell::Number(1.0)];
        assert!(matches!(tidy.push(wrong), Err(TidyError::Row)));
        tidy.abandon();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
