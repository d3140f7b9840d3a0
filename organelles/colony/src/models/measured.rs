//! What runs measured, read back from their `series.csv`, and pictures of it.

use karyon_plot::{Chart, Line};
use karyon_table::NotATable;

/// The longest `series.csv` that is read, bytes: a row for each of some ten million ticks.
pub const SERIES_BYTES_MAX: u64 = 1 << 30;

/// What a run measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// What goes before all measures: `tick`, or `time`.
    pub across: String,
    /// The measures, by name.
    pub names: Vec<String>,
    /// When, not decreasing, and the numbers.
    pub rows: Vec<(f64, Vec<f64>)>,
}

impl Measured {
    /// Reads a `series.csv`.
    ///
    /// # Errors
    /// The first line that is no row of numbers, or lies before the one above it.
    pub fn read(text: &[u8]) -> Result<Measured, NotATable> {
        let table = karyon_table::read(text)?;
        let mut head = table.head.into_iter();
        let across = head.next().unwrap_or_default();
        let names: Vec<_> = head.collect();
        if names.is_empty() {
            return Err(NotATable::new(1, "it names nothing that was measured"));
        }
        let mut rows: Vec<(f64, Vec<f64>)> = Vec::new();
        for (line, row) in table.rows {
            let number = |text: &String| {
                text.parse().map_err(|_| NotATable::new(line, format!("{text:?} is no number")))
            };
            let mut numbers = row.iter().map(number).collect::<Result<Vec<f64>, _>>()?.into_iter();
            let when = numbers.next().unwrap_or_default();
            if !when.is_finite() || rows.last().is_some_and(|(before, _)| *before > when) {
                return Err(NotATable::new(line, "it lies before the row above it"));
            }
            rows.push((when, numbers.collect()));
        }
        Ok(Measured { across, names, rows })
    }

    /// The numbers of one measure, over time.
    pub fn of(&self, name: &str) -> Vec<(f64, f64)> {
        let column = self.names.iter().position(|own| own == name);
        let rows = self.rows.iter();
        rows.filter_map(|(when, row)| Some((*when, *row.get(column?)?))).collect()
    }
}

/// Runs that are the same but for their seeds, under one name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// In legends.
    pub name: String,
    /// At least one.
    pub runs: Vec<Measured>,
}

/// Pictures of runs: of one group a chart with a line for each measure, of several a chart for each
/// measure with a line for each group. Several runs of a group are drawn as their mean, in the band of
/// one standard deviation. A run that ended stays as it was at its end.
pub fn charts(title: &str, groups: &[Group], measures: &[String]) -> Vec<Chart> {
    let across = groups.iter().flat_map(|group| &group.runs).next();
    let across = across.map_or(String::new(), |run| run.across.clone());
    let chart = |up: &str, lines: Vec<Line>| Chart {
        title: title.into(),
        across: across.clone(),
        up: up.into(),
        lines,
        ..Chart::default()
    };
    match groups {
        [group] => {
            let line = |name: &String| Line { name: name.clone(), ..line(group, name) };
            vec![chart("", measures.iter().map(line).collect())]
        }
        groups => {
            let of = |name: &String| {
                let line = |group: &Group| Line { name: group.name.clone(), ..line(group, name) };
                chart(name, groups.iter().map(line).collect())
            };
            measures.iter().map(of).collect()
        }
    }
}

fn line(group: &Group, name: &str) -> Line {
    let runs: Vec<_> = group.runs.iter().map(|run| run.of(name)).collect();
    if let [one] = runs.as_slice() {
        return Line { points: one.clone(), ..Line::default() };
    }
    let mut times: Vec<f64> = runs.iter().flatten().map(|(when, _)| *when).collect();
    times.sort_by(f64::total_cmp);
    times.dedup();
    let mut line = Line::default();
    let mut at = vec![0; runs.len()];
    for when in times {
        // What each run had measured last by then.
        let mut numbers = Vec::with_capacity(runs.len());
        for (run, at) in runs.iter().zip(&mut at) {
            while run.get(*at).is_some_and(|(time, _)| *time <= when) {
                *at += 1;
            }
            numbers.extend(at.checked_sub(1).and_then(|at| run.get(at)).map(|(_, number)| *number));
        }
        let (mean, deviation) = mean_and_deviation(&numbers);
        line.points.push((when, mean));
        line.band.push((when, mean - deviation, mean + deviation));
    }
    line
}

/// The mean of numbers, and their standard deviation (of a sample; 0 of less than two).
pub fn mean_and_deviation(numbers: &[f64]) -> (f64, f64) {
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count.max(1.0);
    let squares = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(text: &str) -> Measured {
        Measured::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let read = measured("tick,a,b\n0,1,0.5\n7,2,-1\n");
        assert_eq!((read.across.as_str(), read.names.len()), ("tick", 2));
        assert_eq!(read.of("b"), [(0.0, 0.5), (7.0, -1.0)]);
        assert_eq!(read.of("c"), []);
        // The time may stand still, and be of any kind.
        assert_eq!(measured("time,n\n0.5,1\n0.5,2\n").rows.len(), 2);
    }

    #[test]
    fn what_is_no_table_is_told_with_its_line() {
        for (text, line, words) in [
            ("", 1, "names nothing"),
            ("tick\n1\n", 1, "names nothing"),
            ("tick,a\n0,1\n1\n", 3, "found record with 1 fields"),
            ("tick,a\n0,1\n1,x\n", 3, "\"x\" is no number"),
            ("tick,a\n5,1\n4,1\n", 3, "before the row above"),
            ("tick,a\nNaN,1\n", 2, "before the row above"),
        ] {
            let error = Measured::read(text.as_bytes()).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(error.what.contains(words), "{text:?}: {error}");
        }
    }

    #[test]
    fn several_runs_are_a_mean_in_a_band_and_one_that_ended_stays() {
        let long = measured("tick,a\n0,1\n1,2\n2,4\n");
        let short = measured("tick,a\n0,3\n1,6\n");
        let group = Group { name: "g".into(), runs: vec![long.clone(), short.clone()] };
        let chart = charts("t", std::slice::from_ref(&group), &["a".into()]).remove(0);
        let line = &chart.lines[0];
        assert_eq!((line.name.as_str(), chart.across.as_str()), ("a", "tick"));
        assert_eq!(line.points, [(0.0, 2.0), (1.0, 4.0), (2.0, 5.0)]);
        let half = 2f64.sqrt();
        assert_eq!(line.band[0], (0.0, 2.0 - half, 2.0 + half));
        assert_eq!(line.band[2], (2.0, 5.0 - half, 5.0 + half));
        // Of several groups there is a chart for each measure.
        let other = Group { name: "h".into(), runs: vec![short] };
        let all = charts("t", &[group, other], &["a".into()]);
        assert_eq!((all.len(), all[0].up.as_str()), (1, "a"));
        let names: Vec<_> = all[0].lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["g", "h"]);
        assert_eq!(all[0].lines[1].band, [], "one run has no band");
    }

    #[test]
    fn means_and_deviations() {
        assert_eq!(mean_and_deviation(&[]), (0.0, 0.0));
        assert_eq!(mean_and_deviation(&[3.0]), (3.0, 0.0));
        assert_eq!(mean_and_deviation(&[1.0, 2.0, 3.0]), (2.0, 1.0));
    }
}
