//! Bars beside each other.

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::chart::{COLOURS, is_drawn, number, shown};
use crate::{Drawn, FAMILY, Failed, PlotError};

/// Bars in a picture, at most: more are too thin to be read.
pub const BARS_MAX: usize = 64;
/// Pixels down that a bar takes.
const BAR_HEIGHT: u32 = 30;
/// Pixels across where names are.
const NAMES_WIDTH: u32 = 260;

/// A bar: a value, and from where to where it was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bar {
    /// To its left.
    pub name: String,
    /// Where it ends; it begins at 0. What is not finite, or beyond ±10³⁰⁰, is left out.
    pub value: f64,
    /// The lowest and the highest that was found, a line across its end.
    pub spread: (f64, f64),
    /// Bars of one number have one colour.
    pub kind: usize,
}

/// Bars in one frame, the first on top.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bars {
    /// Above it.
    pub title: String,
    /// What goes across.
    pub across: String,
    /// At most [`BARS_MAX`] of them are drawn.
    pub bars: Vec<Bar>,
}

impl Bars {
    /// Draws them as SVG.
    ///
    /// # Errors
    /// [`PlotError`] with the plotting library's words.
    pub fn svg(&self) -> Result<String, PlotError> {
        crate::svg(self)
    }

    fn drawn(&self) -> impl Iterator<Item = &Bar> {
        let finite = |bar: &&Bar| is_drawn(bar.value);
        self.bars.iter().filter(finite).take(BARS_MAX)
    }

    /// From where to where it goes across.
    fn frame(&self) -> (f64, f64) {
        let ends = |bar: &Bar| [bar.value, bar.spread.0, bar.spread.1];
        let all = self.drawn().flat_map(ends).filter(|end| is_drawn(*end));
        let (low, high) = all.fold((0.0f64, 0.0f64), |(low, high), x| (low.min(x), high.max(x)));
        if low < high { (low, high) } else { (0.0, 1.0) }
    }
}

impl Drawn for Bars {
    fn size(&self) -> (u32, u32) {
        (960, 130 + BAR_HEIGHT * self.drawn().count() as u32)
    }

    fn draw<D: DrawingBackend<ErrorType: 'static>>(
        &self,
        area: &DrawingArea<D, Shift>,
    ) -> Result<(), Failed> {
        area.fill(&WHITE)?;
        let (low, high) = self.frame();
        let count = self.drawn().count().max(1);
        let mut chart = ChartBuilder::on(area)
            .caption(shown(&self.title), (FAMILY, 22))
            .margin(20)
            .x_label_area_size(48)
            .y_label_area_size(NAMES_WIDTH)
            .build_cartesian_2d(low..high * 1.05, (count as f64)..0.0)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .x_desc(shown(&self.across))
            .label_style((FAMILY, 14))
            .axis_desc_style((FAMILY, 16))
            .x_labels(6)
            .y_labels(0)
            .x_label_formatter(&|x| number(*x))
            .light_line_style(WHITE)
            .draw()?;
        let colours = COLOURS.iter().cycle();
        for (place, bar) in self.drawn().enumerate() {
            let (top, bottom) = (place as f64 + 0.15, place as f64 + 0.85);
            let colour = colours.clone().nth(bar.kind % COLOURS.len()).unwrap_or(&BLACK);
            let body = Rectangle::new([(0.0, top), (bar.value, bottom)], colour.mix(0.7).filled());
            chart.draw_series([body])?;
            let middle = (top + bottom) / 2.0;
            if is_drawn(bar.spread.0) && is_drawn(bar.spread.1) {
                let spread = [(bar.spread.0, middle), (bar.spread.1, middle)];
                chart.draw_series([PathElement::new(spread, BLACK.stroke_width(2))])?;
            }
            let (_, y) = chart.backend_coord(&(low, middle));
            let style = (FAMILY, 14).into_font().color(&BLACK);
            area.draw_text(&shown(&bar.name), &style, (24, y - 8))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, value: f64, kind: usize) -> Bar {
        Bar { name: name.into(), value, spread: (value * 0.9, value * 1.2), kind }
    }

    #[test]
    fn bars_are_named_and_as_long_as_their_values() {
        let all = vec![bar("one <", 4.0, 0), bar("two", 2.0, 1), bar("wild", f64::NAN, 2)];
        let bars = Bars { title: "a title".into(), across: "unit".into(), bars: all };
        let svg = bars.svg().unwrap();
        for word in [">\na title\n<", ">\nunit\n<", ">\none &lt;\n<", ">\ntwo\n<"] {
            assert!(svg.contains(word), "{word} in {svg}");
        }
        assert!(!svg.contains("wild") && !svg.contains("NaN"));
        let width = |colour: &str| -> f64 {
            let (before, _) = svg.split_once(&format!("fill=\"{colour}\"")).unwrap();
            let (_, width) = before.rsplit_once("width=\"").unwrap();
            width.split('"').next().unwrap().parse().unwrap()
        };
        let (one, two) = (width("#0072B2"), width("#D55E00"));
        assert!((one / two - 2.0).abs() < 0.05, "{one} {two}");
    }

    #[test]
    fn of_nothing_there_is_a_frame() {
        assert_eq!(Bars::default().frame(), (0.0, 1.0));
        assert!(Bars::default().svg().is_ok());
        let bars = vec![bar("", 1e308, 0), bar("", -5.0, 9)];
        assert_eq!(Bars { bars, ..Bars::default() }.frame(), (-6.0, 0.0));
    }
}
