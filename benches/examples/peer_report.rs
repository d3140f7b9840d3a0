//! Tables and pictures of what criterion measured of Karyon and of other engines.
//!
//! `peer_report CONDITIONS CRITERION SIZES OUT`: CONDITIONS is Markdown for the head, CRITERION the
//! folder that criterion wrote, SIZES what `peer_sizes` printed; `report.md` and a picture for each
//! group are written to OUT. Medians, lowest and highest are those of criterion's samples, each the
//! mean of the repetitions in it. A ratio is beside ractor with as many threads in the same process,
//! as rates: above 1 is faster.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use karyon_plot::{Bar, Bars};
use serde_json::Value;

type Failed = Box<dyn Error>;

/// What was measured of one engine, as rates: what a second holds.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    engine: String,
    threads: String,
    median: f64,
    lowest: f64,
    highest: f64,
    samples: usize,
}

/// Rows by group, in the order in which they are shown.
type Groups = BTreeMap<String, Vec<Row>>;

fn main() -> Result<(), Failed> {
    let words: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [conditions, criterion, sizes, out] = words.as_slice() else {
        return Err("usage: peer_report CONDITIONS CRITERION SIZES OUT".into());
    };
    fs::create_dir_all(out)?;
    let mut groups = Groups::new();
    read(criterion, &mut groups)?;
    let mut report = format!("# Karyon and other engines\n\n{}\n", fs::read_to_string(conditions)?);
    for (group, rows) in &mut groups {
        rows.sort_by(|a, b| (&a.threads, &a.engine).cmp(&(&b.threads, &b.engine)));
        fs::write(out.join(format!("{group}.svg")), picture(group, rows).svg()?)?;
        report.push_str(&table(group, rows)?);
    }
    report.push_str(&size_tables(&fs::read_to_string(sizes)?)?);
    fs::write(out.join("report.md"), &report)?;
    println!("{report}");
    Ok(())
}

/// Each folder that holds a measurement, however deep.
fn read(folder: &Path, groups: &mut Groups) -> Result<(), Failed> {
    for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        let sample = path.join("sample.json");
        if path.file_name().is_some_and(|name| name == "new") && sample.exists() {
            let json = |file: &Path| -> Result<Value, Failed> {
                Ok(serde_json::from_str(&fs::read_to_string(file)?)?)
            };
            let (group, row) = row(&json(&path.join("benchmark.json"))?, &json(&sample)?)
                .ok_or_else(|| format!("{}: not as criterion writes it", path.display()))?;
            groups.entry(group).or_default().push(row);
        } else {
            read(&path, groups)?;
        }
    }
    Ok(())
}

fn row(benchmark: &Value, sample: &Value) -> Option<(String, Row)> {
    let text = |name: &str| Some(benchmark.get(name)?.as_str()?.to_owned());
    let elements = benchmark.get("throughput")?.get("Elements")?.as_f64()?;
    let numbers = |name: &str| -> Option<Vec<f64>> {
        sample.get(name)?.as_array()?.iter().map(Value::as_f64).collect()
    };
    let (times, iterations) = (numbers("times")?, numbers("iters")?);
    // Times are in nanoseconds.
    let rate = |(time, count): (&f64, &f64)| elements * count / time * 1e9;
    let mut rates: Vec<f64> = times.iter().zip(&iterations).map(rate).collect();
    rates.sort_by(f64::total_cmp);
    let row = Row {
        engine: text("function_id")?,
        threads: text("value_str")?,
        median: middle(&rates)?,
        lowest: *rates.first()?,
        highest: *rates.last()?,
        samples: rates.len(),
    };
    Some((text("group_id")?, row))
}

fn middle(sorted: &[f64]) -> Option<f64> {
    let (low, high) = ((sorted.len().checked_sub(1)?) / 2, sorted.len() / 2);
    Some((sorted.get(low)? + sorted.get(high)?) / 2.0)
}

fn table(group: &str, rows: &[Row]) -> Result<String, Failed> {
    let mut text = format!("\n## {group}\n![{group}]({group}.svg)\n\n");
    text.push_str("| engine | threads | a second, median | lowest | highest | ns each | ");
    text.push_str("beside ractor | samples |\n|---|---|---|---|---|---|---|---|\n");
    for row in rows {
        let peer = rows.iter().find(|peer| peer.engine == "ractor" && peer.threads == row.threads);
        let ratio = peer.map_or("".into(), |peer| format!("{:.2} ×", row.median / peer.median));
        let rates = [row.median, row.lowest, row.highest].map(grouped).join(" | ");
        let each = 1e9 / row.median;
        let Row { engine, threads, samples, .. } = row;
        writeln!(text, "| {engine} | {threads} | {rates} | {each:.1} | {ratio} | {samples} |")?;
    }
    Ok(text)
}

/// Three digits that count, commas between thousands.
fn grouped(rate: f64) -> String {
    let step = 10f64.powi((rate.abs().max(1.0).log10().floor() as i32 - 2).max(0));
    let digits = format!("{:.0}", (rate / step).round() * step);
    let commas = |(at, digit): (usize, char)| {
        let comma = at > 0 && (digits.len() - at).is_multiple_of(3);
        comma.then_some(',').into_iter().chain([digit]).collect::<Vec<_>>()
    };
    digits.chars().enumerate().flat_map(commas).collect()
}

fn picture(group: &str, rows: &[Row]) -> Bars {
    let mut engines: Vec<&str> = rows.iter().map(|row| row.engine.as_str()).collect();
    engines.sort_unstable();
    engines.dedup();
    let bar = |row: &Row| Bar {
        name: format!("{}, {}", row.engine, row.threads),
        value: row.median / 1e6,
        spread: (row.lowest / 1e6, row.highest / 1e6),
        kind: engines.iter().position(|engine| *engine == row.engine).unwrap_or_default(),
    };
    Bars {
        title: group.replace('_', " "),
        across: "millions a second; the line: lowest to highest".into(),
        bars: rows.iter().map(bar).collect(),
    }
}

/// The lines of `peer_sizes`, as two tables; those that are not there have none.
fn size_tables(lines: &str) -> Result<String, Failed> {
    let (mut idle, mut records) = (String::new(), String::new());
    for line in lines.lines() {
        let told: Value = serde_json::from_str(line)?;
        let text = |name: &str| told.get(name).and_then(Value::as_str);
        let bytes = told.get("bytes").and_then(Value::as_f64).ok_or("a size without bytes")?;
        match (text("idle"), text("records"), text("mode")) {
            (Some(engine), None, None) => {
                let agents = told.get("agents").and_then(Value::as_u64).ok_or("without agents")?;
                writeln!(idle, "| {engine} | {agents} | {bytes:.0} |")?;
            }
            (None, Some(workload), Some(mode)) => {
                writeln!(records, "| {workload} | {mode} | {bytes:.1} |")?;
            }
            _ => return Err(format!("not a size: {line}").into()),
        }
    }
    let mut text = String::new();
    if !idle.is_empty() {
        text.push_str(
            "\n## An idle agent\n| engine | agents | bytes resident, each |\n|---|---|---|\n",
        );
        text.push_str(&idle);
    }
    if !records.is_empty() {
        text.push_str(
            "\n## A message in Karyon's log\n| workload | mode | bytes |\n|---|---|---|\n",
        );
        text.push_str(&records);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn measured(engine: &str, times: &[f64]) -> Row {
        let benchmark = json!({
            "group_id": "g", "function_id": engine, "value_str": "1",
            "throughput": { "Elements": 1_000 },
        });
        let iterations = vec![2.0; times.len()];
        let sample = json!({ "sampling_mode": "Flat", "iters": iterations, "times": times });
        let (group, row) = row(&benchmark, &sample).unwrap();
        assert_eq!(group, "g");
        row
    }

    #[test]
    fn medians_and_spread_are_those_of_the_samples() {
        // Twice 1,000 in 1, 2, 4 and 5 ms.
        let row = measured("ractor", &[4e6, 1e6, 2e6, 5e6]);
        assert_eq!((row.median, row.lowest, row.highest), (750_000.0, 400_000.0, 2_000_000.0));
        assert_eq!((row.samples, row.threads.as_str()), (4, "1"));
        assert_eq!(middle(&[1.0, 2.0, 9.0]), Some(2.0));
        assert_eq!(middle(&[]), None);
    }

    #[test]
    fn ratios_are_beside_ractor_with_as_many_threads() {
        let mut rows = vec![measured("karyon memory", &[1e6]), measured("ractor", &[4e6])];
        rows.push(Row { threads: "2".into(), ..rows[0].clone() });
        let text = table("g", &rows).unwrap();
        assert!(text.contains(
            "| karyon memory | 1 | 2,000,000 | 2,000,000 | 2,000,000 | 500.0 | 4.00 × | 1 |"
        ));
        assert!(
            text.contains("| ractor | 1 | 500,000 | 500,000 | 500,000 | 2000.0 | 1.00 × | 1 |")
        );
        assert!(
            text.contains(
                "| karyon memory | 2 | 2,000,000 | 2,000,000 | 2,000,000 | 500.0 |  | 1 |"
            )
        );
    }

    #[test]
    fn rates_have_three_digits_that_count() {
        let texts = [0.0, 7.4, 999.0, 1_234.0, 9_876_543.0].map(grouped);
        assert_eq!(texts, ["0", "7", "999", "1,230", "9,880,000"]);
    }

    #[test]
    fn sizes_are_told_as_they_are() {
        let idle = json!({ "idle": "karyon", "agents": 10, "bytes": 240.4 });
        let record = json!({ "records": "big", "mode": "ticks", "bytes": 25.03 });
        let text = size_tables(&format!("{idle}\n{record}\n")).unwrap();
        assert!(text.contains("| karyon | 10 | 240 |") && text.contains("| big | ticks | 25.0 |"));
        assert_eq!(size_tables("").unwrap(), "");
        assert!(size_tables("{\"bytes\": 1}").is_err());
    }
}
