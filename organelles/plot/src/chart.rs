//! Lines over time.

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::{Drawn, FAMILY, Failed, PlotError};

/// Colours that are told apart with any kind of sight. Source: Okabe, Ito, "Color universal design",
/// 2008.
pub(crate) const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
];
/// Points of a line, at most: what is beyond no screen shows.
const POINTS_MAX: usize = 4_000;
/// Names in a legend, at most: more hide what they name.
const NAMES_MAX: usize = 20;
/// Charts below each other, at most.
const CHARTS_MAX: usize = 16;

/// A line of a chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// In the legend; empty: it is not there.
    pub name: String,
    /// Across and up. What is not finite, or beyond ±10³⁰⁰, is left out.
    pub points: Vec<(f64, f64)>,
    /// Where something else lies below and above: across, from and to.
    pub band: Vec<(f64, f64, f64)>,
}

/// Lines in one frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// Above it.
    pub title: String,
    /// What goes across.
    pub across: String,
    /// What goes up; may be empty.
    pub up: String,
    /// In this order.
    pub lines: Vec<Line>,
    /// Ends of the axis across that it reaches at least.
    pub from_to: Option<(f64, f64)>,
    /// The upper end of the axis that goes up, that it reaches at least.
    pub top: Option<f64>,
}

impl Chart {
    /// Draws charts below each other, at most 16, as SVG.
    ///
    /// # Errors
    /// [`PlotError`] with the plotting library's words.
    pub fn svg(charts: &[Chart]) -> Result<String, PlotError> {
        crate::svg(&Charts(charts))
    }

    /// The same as PNG.
    ///
    /// # Errors
    /// [`PlotError`] with the plotting library's words.
    pub fn png(charts: &[Chart]) -> Result<Vec<u8>, PlotError> {
        crate::png(&Charts(charts))
    }

    /// From where to where it goes, across and up.
    fn frame(&self) -> ((f64, f64), (f64, f64)) {
        let bands = self
            .lines
            .iter()
            .flat_map(|line| line.band.iter().flat_map(|(x, low, high)| [(*x, *low), (*x, *high)]));
        let all = self.lines.iter().flat_map(|line| line.points.iter().copied()).chain(bands);
        let mut across = self.from_to.unwrap_or((f64::MAX, f64::MIN));
        let mut up = (0.0f64, self.top.unwrap_or(f64::MIN));
        for (x, y) in all.filter(|(x, y)| is_drawn(*x) && is_drawn(*y)) {
            across = (across.0.min(x), across.1.max(x));
            up = (up.0.min(y), up.1.max(y));
        }
        let wide = |(low, high): (f64, f64)| match (low <= high, low < high) {
            (true, true) => (low, high),
            (true, false) => (low, low + 1.0),
            (false, _) => (0.0, 1.0),
        };
        (wide(across), wide(up))
    }

    fn draw<D: DrawingBackend<ErrorType: 'static>>(
        &self,
        area: &DrawingArea<D, Shift>,
    ) -> Result<(), Failed> {
        let ((from, to), (low, high)) = self.frame();
        let above = if self.top == Some(high) { 0.0 } else { (high - low) * 0.05 };
        let mut chart = ChartBuilder::on(area)
            .caption(shown(&self.title), (FAMILY, 22))
            .margin(20)
            .x_label_area_size(48)
            .y_label_area_size(84)
            .build_cartesian_2d(from..to, low..high + above)?;
        chart
            .configure_mesh()
            .x_desc(shown(&self.across))
            .y_desc(shown(&self.up))
            .label_style((FAMILY, 14))
            .axis_desc_style((FAMILY, 16))
            .x_labels(6)
            .x_label_formatter(&|x| number(*x))
            .y_label_formatter(&|y| number(*y))
            .light_line_style(WHITE)
            .draw()?;
        let colours = COLOURS.iter().cycle();
        for (line, colour) in self.lines.iter().zip(colours.clone()) {
            let band = thin(&line.band);
            let band: Vec<_> = band.filter(|(_, a, b)| is_drawn(*a) && is_drawn(*b)).collect();
            let below = band.iter().map(|(x, low, _)| (*x, *low));
            let over = band.iter().rev().map(|(x, _, high)| (*x, *high));
            let around: Vec<_> = below.chain(over).collect();
            if around.len() > 2 {
                chart.draw_series([Polygon::new(around, colour.mix(0.2).filled())])?;
            }
        }
        let mut named = 0;
        for (line, colour) in self.lines.iter().zip(colours) {
            let points = thin(&line.points).filter(|(x, y)| is_drawn(*x) && is_drawn(*y));
            let drawn = chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
            if !line.name.is_empty() && named < NAMES_MAX {
                named += 1;
                drawn.label(shown(&line.name)).legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2))
                });
            }
        }
        if named > 0 {
            chart
                .configure_series_labels()
                .background_style(WHITE.mix(0.8))
                .border_style(BLACK.mix(0.3))
                .label_font((FAMILY, 14))
                .draw()?;
        }
        Ok(())
    }
}

struct Charts<'a>(&'a [Chart]);

impl Charts<'_> {
    fn shown(&self) -> usize {
        self.0.len().clamp(1, CHARTS_MAX)
    }
}

impl Drawn for Charts<'_> {
    fn size(&self) -> (u32, u32) {
        (960, 540 * self.shown() as u32)
    }

    fn draw<D: DrawingBackend<ErrorType: 'static>>(
        &self,
        area: &DrawingArea<D, Shift>,
    ) -> Result<(), Failed> {
        area.fill(&WHITE)?;
        let areas = area.split_evenly((self.shown(), 1));
        self.0.iter().zip(&areas).try_for_each(|(chart, area)| chart.draw(area))
    }
}

/// Whether there is room for it: the axes are wider than what they hold.
pub(crate) fn is_drawn(number: f64) -> bool {
    number.abs() <= 1e300
}

/// A text without what no picture can hold.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// So many that a screen shows them; the last one among them.
fn thin<T: Copy>(points: &[T]) -> impl Iterator<Item = T> {
    let step = points.len().div_ceil(POINTS_MAX).max(1);
    let last = points.last().filter(|_| step > 1);
    points.iter().step_by(step).chain(last).copied()
}

/// As people read it: up to four places, and commas between thousands.
pub(crate) fn number(number: f64) -> String {
    if number != 0.0 && (number.abs() >= 1e15 || number.abs() < 1e-4) {
        return format!("{number:e}");
    }
    let text = format!("{number:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, places) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{places}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let line = |name: &str, points: &[(f64, f64)]| Line {
            name: name.into(),
            points: points.into(),
            band: vec![(0.0, 0.0, 1.0), (7.0, 1.0, 2.0)],
        };
        Chart {
            title: "a <title>".into(),
            across: "tick".into(),
            lines: vec![
                line("one", &[(0.0, 1.0), (7.0, 2.0)]),
                line("other", &[(0.0, 0.5), (3.0, f64::NAN), (7.0, -1.0)]),
            ],
            ..Chart::default()
        }
    }

    #[test]
    fn a_chart_names_what_it_shows() {
        let svg = Chart::svg(&[chart()]).unwrap();
        for word in ["a &lt;title&gt;", ">\none\n<", ">\nother\n<", ">\ntick\n<"] {
            assert!(svg.contains(word), "{word} in {svg}");
        }
        assert!(!svg.contains("NaN"));
        // Of nothing there is a frame.
        assert!(Chart::svg(&[Chart::default()]).is_ok() && Chart::svg(&[]).is_ok());
    }

    #[test]
    fn a_png_has_the_pixels_of_all_charts_and_text_in_them() {
        let bytes = Chart::png(&[chart(), chart()]).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (960, 1080));
        let mut without = chart();
        without.title.clear();
        assert_ne!(Chart::png(&[without.clone(), without]).unwrap(), bytes, "titles are drawn");
        let blue = pixels.chunks(3).filter(|pixel| *pixel == [0, 114, 178]).count();
        assert!(blue > 100, "{blue} pixels of the first line");
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        let mut wild = chart();
        wild.title = "a\u{1b}[31m\0".into();
        wild.lines[0].points = vec![(0.0, 1e308), (1.0, -1e308), (2.0, 1.0), (f64::INFINITY, 1.0)];
        let svg = Chart::svg(&[wild.clone()]).unwrap();
        assert!(!svg.contains('\u{1b}') && !svg.contains('\0'));
        assert!(Chart::png(&[wild]).is_ok());
    }

    #[test]
    fn frames_hold_all_that_is_finite() {
        assert_eq!(chart().frame(), ((0.0, 7.0), (-1.0, 2.0)));
        assert_eq!(Chart::default().frame(), ((0.0, 1.0), (0.0, 1.0)));
        let wider = Chart { from_to: Some((-1.0, 9.0)), top: Some(5.0), ..chart() };
        assert_eq!(wider.frame(), ((-1.0, 9.0), (-1.0, 5.0)));
    }

    #[test]
    fn numbers_are_read_by_people() {
        let all = [0.0, 1.0, -0.25, 1_234_567.0, 20_000.5, 1e20, 0.00001, 999.0, 1000.0, -1000.0];
        let texts =
            ["0", "1", "-0.25", "1,234,567", "20,000.5", "1e20", "1e-5", "999", "1,000", "-1,000"];
        assert_eq!(all.map(number), texts);
    }

    #[test]
    fn long_lines_are_thinned_and_keep_their_ends() {
        let points: Vec<_> = (0..9_999).collect();
        let few: Vec<_> = thin(&points).collect();
        assert!(few.len() <= POINTS_MAX + 1 && few.first() == Some(&0));
        assert_eq!(few.last(), Some(&9_998));
        assert_eq!(thin(&points[..3]).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
