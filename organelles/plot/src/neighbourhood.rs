//! An agent's neighbourhood as a picture.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::{Drawn, FAMILY, Failed, PlotError};

/// The most neighbours that are drawn: more names than this cannot be read around a circle.
pub const DRAWN_MAX: usize = 60;

const SIZE: (u32, u32) = (960, 960);
const CENTRE: (f64, f64) = (480.0, 500.0);
const RADIUS: f64 = 360.0;

const OUT: RGBColor = RGBColor(31, 97, 141);
const IN: RGBColor = RGBColor(183, 110, 30);
const KNOWS: RGBColor = RGBColor(31, 97, 141);
const PLAIN: RGBColor = RGBColor(240, 240, 240);

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// Above everything.
    pub title: String,
    /// The agent in the middle.
    pub centre: Spot,
    /// Its neighbours, as many as [`DRAWN_MAX`] of them are drawn.
    pub around: Vec<Ray>,
    /// What a filled spot knows, such as "heard".
    pub facts: Vec<String>,
}

/// A vertex.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// Its name.
    pub name: String,
    /// Whether some fact holds of it.
    pub knows: bool,
}

/// A neighbour, with the edges between it and the middle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ray {
    /// The neighbour.
    pub spot: Spot,
    /// Whether an edge comes from the middle.
    pub out: bool,
    /// Whether an edge goes to the middle.
    pub inward: bool,
}

impl Picture {
    /// Draws it as SVG.
    ///
    /// # Errors
    /// [`PlotError`] with the plotting library's words.
    pub fn to_svg(&self) -> Result<String, PlotError> {
        crate::svg(self)
    }

    /// Draws it as PNG.
    ///
    /// # Errors
    /// [`PlotError`] with the plotting library's words.
    pub fn to_png(&self) -> Result<Vec<u8>, PlotError> {
        crate::png(self)
    }

    fn legend(&self) -> String {
        let more = match self.around.len().saturating_sub(DRAWN_MAX) {
            0 => String::new(),
            more => format!("; {more} more neighbours are not drawn"),
        };
        let filled = match self.facts.is_empty() {
            true => String::new(),
            false => format!("; filled: {}", self.facts.join(", ")),
        };
        format!("blue arrows go out, brown ones come in{filled}{more}")
    }
}

impl Drawn for Picture {
    fn size(&self) -> (u32, u32) {
        SIZE
    }

    fn draw<D: DrawingBackend<ErrorType: 'static>>(
        &self,
        area: &DrawingArea<D, Shift>,
    ) -> Result<(), Failed> {
        area.fill(&WHITE)?;
        let text = |size: i32| (FAMILY, size).into_font();
        area.draw_text(&self.title, &text(24).color(&BLACK), (24, 20))?;
        area.draw_text(&self.legend(), &text(15).color(&BLACK), (24, 56))?;
        let drawn = self.around.len().min(DRAWN_MAX);
        for (place, ray) in self.around.iter().take(drawn).enumerate() {
            let turn = std::f64::consts::TAU * place as f64 / drawn as f64;
            let (x, y) = (turn.sin(), -turn.cos());
            let at = |radius: f64| ((CENTRE.0 + x * radius) as i32, (CENTRE.1 + y * radius) as i32);
            // Two edges lie side by side.
            let aside = |shift: f64, radius: f64| {
                let (px, py) = at(radius);
                ((f64::from(px) - y * shift) as i32, (f64::from(py) + x * shift) as i32)
            };
            let shift = if ray.out && ray.inward { 3.0 } else { 0.0 };
            if ray.out {
                let (from, to) = (aside(shift, 26.0), aside(shift, RADIUS - 12.0));
                arrow(area, from, to, OUT)?;
            }
            if ray.inward {
                let (from, to) = (aside(-shift, RADIUS - 12.0), aside(-shift, 26.0));
                arrow(area, from, to, IN)?;
            }
            area.draw(&spot(at(RADIUS), 8, ray.spot.knows))?;
            area.draw(&ring(at(RADIUS), 8))?;
            let anchor = if x < -0.01 { HPos::Right } else { HPos::Left };
            let label = text(13).color(&BLACK).pos(Pos::new(anchor, VPos::Center));
            area.draw_text(&ray.spot.name, &label, at(RADIUS + 14.0))?;
        }
        let middle = (CENTRE.0 as i32, CENTRE.1 as i32);
        area.draw(&spot(middle, 22, self.centre.knows))?;
        area.draw(&ring(middle, 22))?;
        let colour = if self.centre.knows { WHITE } else { BLACK };
        let label = text(16).color(&colour).pos(Pos::new(HPos::Center, VPos::Center));
        area.draw_text(&self.centre.name, &label, middle)?;
        Ok(())
    }
}

fn spot(at: (i32, i32), radius: i32, knows: bool) -> Circle<(i32, i32), i32> {
    Circle::new(at, radius, if knows { KNOWS } else { PLAIN }.filled())
}

fn ring(at: (i32, i32), radius: i32) -> Circle<(i32, i32), i32> {
    Circle::new(at, radius, BLACK.stroke_width(1))
}

fn arrow<D: DrawingBackend>(
    area: &DrawingArea<D, Shift>,
    from: (i32, i32),
    to: (i32, i32),
    colour: RGBColor,
) -> Result<(), DrawingAreaErrorKind<D::ErrorType>> {
    area.draw(&PathElement::new(vec![from, to], colour.stroke_width(1)))?;
    let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
    let length = dx.hypot(dy).max(1.0);
    let (dx, dy) = (dx / length, dy / length);
    let back = |side: f64| {
        let x = f64::from(to.0) - dx * 9.0 - dy * side;
        let y = f64::from(to.1) - dy * 9.0 + dx * side;
        (x as i32, y as i32)
    };
    area.draw(&Polygon::new(vec![to, back(4.0), back(-4.0)], colour.filled()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(neighbours: usize) -> Picture {
        Picture {
            title: "9 as of <now> & then".into(),
            centre: Spot { name: "9".into(), knows: true },
            around: (0..neighbours)
                .map(|number| Ray {
                    spot: Spot { name: format!("person {number}"), knows: number == 0 },
                    out: number.is_multiple_of(2),
                    inward: number.is_multiple_of(3),
                })
                .collect(),
            facts: vec!["heard".into()],
        }
    }

    #[test]
    fn everybody_is_drawn_up_to_the_bound() {
        for (neighbours, names) in [(0, 0), (1, 1), (7, 7), (DRAWN_MAX, 60), (100, 60)] {
            let svg = picture(neighbours).to_svg().unwrap();
            assert_eq!(svg.matches("person ").count(), names);
            // Each spot is filled and has a ring.
            assert_eq!(svg.matches("<circle").count(), 2 * (names + 1));
            assert!(svg.contains("&lt;now&gt; &amp; then"), "names are escaped");
            assert_eq!(svg.contains("40 more neighbours"), neighbours == 100);
        }
    }
}
