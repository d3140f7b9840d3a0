//! Tables: as CSV, read and written, and as Parquet, written.

mod text;
mod tidy;

pub use text::{NotATable, Rows, read, write};
pub use tidy::{Cell, Column, Form, Tidy, TidyError};
