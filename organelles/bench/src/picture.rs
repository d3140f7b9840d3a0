//! The report as a picture: each sample of each workload.

use karyon_plot::{Chart, Line, PlotError};

use crate::report::{Measured, Report};
use crate::text::thousands;

impl Report {
    /// A chart for each workload, with a line for each level: how much a second, sample by sample.
    ///
    /// # Errors
    /// [`PlotError`] with the plotting library's words.
    pub fn to_svg(&self) -> Result<String, PlotError> {
        Chart::svg(&self.charts())
    }

    fn charts(&self) -> Vec<Chart> {
        let mut charts: Vec<(&str, Chart)> = Vec::new();
        for result in &self.results {
            let at = charts.iter().position(|(name, _)| *name == result.workload);
            let at = at.unwrap_or_else(|| {
                charts.push((&result.workload, self.chart(result)));
                charts.len() - 1
            });
            if let Some((_, chart)) = charts.get_mut(at) {
                chart.lines.push(line(result));
            }
        }
        charts.into_iter().map(|(_, chart)| chart).collect()
    }

    /// Without its lines. What a reader must not miss stands above each: a picture is cut apart.
    fn chart(&self, result: &Measured) -> Chart {
        let warnings = self.warnings();
        let warnings = if self.is_debug() {
            " (DEBUG BUILD)"
        } else {
            warnings.first().map_or("", |_| " (tmpfs)")
        };
        Chart {
            title: format!("{}, {} a second{warnings}", result.workload, result.unit),
            across: format!("sample; {}, {} threads", self.machine.cpu, result.threads),
            up: String::new(),
            lines: Vec::new(),
            from_to: Some((1.0, result.samples_ns.len() as f64)),
            top: None,
        }
    }
}

fn line(result: &Measured) -> Line {
    let name = format!("{}: {}", result.level, thousands(result.median_per_s));
    let points =
        (1..).zip(&result.samples_ns).map(|(number, ns)| (f64::from(number), result.per_s(*ns)));
    Line { name, points: points.collect(), band: Vec::new() }
}
