//! What a model's run leaves for people: what was measured, as a table and as a picture.

use std::fmt::Write as _;

use karyon::Series;
use plotters::prelude::*;

use crate::report::PlotError;

/// Colours that are told apart with any kind of sight. Source: Okabe, Ito, "Color universal design",
/// 2008.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
/// Points of a line, at most: what is beyond no screen shows.
const POINTS_MAX: usize = 4_000;

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
    let mut svg = String::new();
    draw(&mut svg, title, series).map_err(|error| PlotError::new(&*error))?;
    Ok(svg)
}

fn draw(svg: &mut String, title: &str, series: &Series) -> Result<(), Box<dyn std::error::Error>> {
    let numbers = || series.rows.iter().flat_map(|(_, row)| row.iter().copied());
    let finite = || numbers().filter(|number| number.is_finite());
    let (low, high) = (finite().fold(0.0, f64::min), finite().fold(f64::MIN, f64::max));
    let high = if high > low { high } else { low + 1.0 };
    let last = series.rows.last().map_or(1, |(tick, _)| *tick).max(1) as f64;
    let area = SVGBackend::with_string(svg, (960, 540)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 22))
        .margin(20)
        .x_label_area_size(48)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..last, low..high * 1.05)?;
    chart
        .configure_mesh()
        .x_desc("tick")
        .label_style(("sans-serif", 14))
        .axis_desc_style(("sans-serif", 16))
        .x_labels(6)
        .light_line_style(WHITE)
        .draw()?;
    let step = series.rows.len().div_ceil(POINTS_MAX).max(1);
    for (column, name) in series.names.iter().enumerate() {
        let colour = COLOURS.get(column % COLOURS.len()).copied().unwrap_or(BLACK);
        let rows = series.rows.iter().step_by(step).chain(series.rows.last());
        let points = rows.filter_map(|(tick, row)| Some((*tick as f64, *row.get(column)?)));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 14))
        .draw()?;
    area.present()?;
    Ok(())
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
