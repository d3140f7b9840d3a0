//! Pictures: what was measured over time, as SVG and as PNG, what was measured beside what, and an
//! agent's neighbourhood.
//!
//! Nothing of the machine is needed, neither a browser nor its fonts: the one font that is measured
//! and drawn with is part of the program.

mod bars;
mod chart;
mod neighbourhood;

use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

pub use bars::{BARS_MAX, Bar, Bars};
pub use chart::{Chart, Line};
pub use neighbourhood::{DRAWN_MAX, Picture, Ray, Spot};

/// A picture could not be drawn, in the plotting library's words.
#[derive(Debug, thiserror::Error)]
#[error("the picture could not be drawn: {0}")]
pub struct PlotError(String);

type Failed = Box<dyn std::error::Error>;

/// DejaVu Sans, Latin and Greek: see `font/LICENSE`.
const FONT: &[u8] = include_bytes!("../font/plot.ttf");
/// By which styles name it; in an SVG the viewer's own.
const FAMILY: &str = "sans-serif";

fn with_font() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Bytes that were tested: what is refused would be told when a text is measured.
        drop(register_font(FAMILY, FontStyle::Normal, FONT));
    });
}

/// What can be drawn on any surface.
trait Drawn {
    /// Pixels across and down.
    fn size(&self) -> (u32, u32);

    fn draw<D: DrawingBackend<ErrorType: 'static>>(
        &self,
        area: &DrawingArea<D, Shift>,
    ) -> Result<(), Failed>;
}

fn svg(drawn: &impl Drawn) -> Result<String, PlotError> {
    with_font();
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, drawn.size()).into_drawing_area();
    drawn.draw(&area).map_err(|error| PlotError(error.to_string()))?;
    area.present().map_err(|error| PlotError(error.to_string()))?;
    drop(area);
    Ok(svg)
}

fn png(drawn: &impl Drawn) -> Result<Vec<u8>, PlotError> {
    with_font();
    let (width, height) = drawn.size();
    // Three bytes a pixel.
    let mut pixels = vec![0; width as usize * height as usize * 3];
    let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
    drawn.draw(&area).map_err(|error| PlotError(error.to_string()))?;
    area.present().map_err(|error| PlotError(error.to_string()))?;
    drop(area);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
    written.map_err(|error| PlotError(error.to_string()))?;
    Ok(bytes)
}
