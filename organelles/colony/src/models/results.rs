//! What a model's run leaves for people: what was measured, as a table and as a picture.

use std::fmt::Write as _;

use karyon::Series;
use karyon_plot::{Chart, Line, PlotError};

/// `series.csv`: `tick` and the measures by name, a row for each tick that was measured.
pub fn series_csv(series: &Series) -> String {
    let mut csv = String::from("tick");
    for name in &series.names {
        csv.push(',');
        csv.push_str(name);
    }
    csv.push('\n');
    for (tick, row) in &series.rows {
        // Writing into a String cannot fail.
        let mut written = write!(csv, "{tick}");
        for number in row {
            written = written.and_then(|()| write!(csv, ",{number}"));
        }
        if written.and_then(|()| writeln!(csv)).is_err() {
            break;
        }
    }
    csv
}

/// `series.svg`: a line for each measure, over ticks.
///
/// # Errors
/// [`PlotError`] with the plotting library's words.
pub fn series_svg(title: &str, series: &Series) -> Result<String, PlotError> {
    Chart::svg(&[chart(title, series)])
}

/// A line for each measure, over ticks.
fn chart(title: &str, series: &Series) -> Chart {
    let lines = series.names.iter().map(|name| Line {
        name: name.clone(),
        points: series.of(name).map(|(tick, number)| (tick as f64, number)).collect(),
        ..Line::default()
    });
    Chart { title: title.into(), across: "tick".into(), lines: lines.collect(), ..Chart::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Series {
        Series {
            names: vec!["a".into(), "b".into()],
            rows: vec![(0, vec![1.0, 0.5]), (7, vec![2.0, -1.0])],
        }
    }

    #[test]
    fn a_table_has_a_row_for_each_tick_that_was_measured() {
        assert_eq!(series_csv(&series()), "tick,a,b\n0,1,0.5\n7,2,-1\n");
    }

    #[test]
    fn a_picture_names_what_it_shows() {
        let svg = series_svg("a title", &series()).unwrap();
        for word in ["a title", ">\na\n<", ">\nb\n<"] {
            assert!(svg.contains(word), "{word}");
        }
        assert!(series_svg("nothing", &Series::default()).is_ok());
    }
}
