//! What a run leaves for people: who heard when and from whom, and the curve of it.

use std::fmt::Write as _;

use karyon_plot::{Chart, Line, PlotError};

use crate::contacts::Contacts;
use crate::direct::Arrival;

/// One row of `arrivals.csv`.
struct Row<'a> {
    name: &'a str,
    time: &'a str,
    from: &'a str,
}

/// `arrivals.csv`: `agent,informed_at,from`, those informed only, sorted by the bytes of the id;
/// the source has an empty `from`. Times as in the input.
pub fn arrivals_csv(contacts: &Contacts, arrivals: &[Option<Arrival>]) -> String {
    let mut rows: Vec<Row<'_>> = contacts
        .names()
        .iter()
        .zip(arrivals)
        .filter_map(|(name, arrival)| {
            let arrival = arrival.as_ref()?;
            Some(Row {
                name,
                // The source knows from the time of the first contact on.
                time: contacts.time_text(arrival.contact.unwrap_or(0)),
                from: arrival.from.and_then(|person| contacts.name(person)).unwrap_or(""),
            })
        })
        .collect();
    rows.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    let mut csv = String::from("agent,informed_at,from\n");
    for row in rows {
        push_field(&mut csv, row.name);
        csv.push(',');
        push_field(&mut csv, row.time);
        csv.push(',');
        push_field(&mut csv, row.from);
        csv.push('\n');
    }
    csv
}

/// Ids hold neither commas nor blanks, but may hold quotes.
fn push_field(csv: &mut String, field: &str) {
    if field.contains('"') {
        csv.push('"');
        csv.push_str(&field.replace('"', "\"\""));
        csv.push('"');
    } else {
        csv.push_str(field);
    }
}

/// How many know at which time: one point for each time at which somebody heard.
fn series<'a>(contacts: &'a Contacts, arrivals: &[Option<Arrival>]) -> Vec<(i64, &'a str, u64)> {
    let mut times: Vec<_> = arrivals
        .iter()
        .flatten()
        .map(|arrival| (arrival.time, arrival.contact.unwrap_or(0)))
        .collect();
    times.sort_unstable();
    let mut points: Vec<(i64, &str, u64)> = Vec::new();
    for (informed, (time, contact)) in (1..).zip(times) {
        match points.last_mut() {
            Some(point) if point.0 == time => point.2 = informed,
            Some(_) | None => points.push((time, contacts.time_text(contact), informed)),
        }
    }
    points
}

/// `series.csv`: `time,informed`, a row for each time at which somebody heard.
pub fn series_csv(contacts: &Contacts, arrivals: &[Option<Arrival>]) -> String {
    let mut csv = String::from("time,informed\n");
    for (_, time, informed) in series(contacts, arrivals) {
        // Writing into a String cannot fail.
        if writeln!(csv, "{time},{informed}").is_err() {
            break;
        }
    }
    csv
}

/// `adoption.svg`: how many know, over time.
///
/// # Errors
/// [`PlotError`] with the plotting library's words.
pub fn adoption_svg(
    title: &str,
    contacts: &Contacts,
    arrivals: &[Option<Arrival>],
) -> Result<String, PlotError> {
    let points = series(contacts, arrivals);
    let unit = 10f64.powi(i32::from(contacts.scale()));
    let time = |mantissa: i64| mantissa as f64 / unit;
    let (first, last) = match (contacts.list().first(), contacts.list().last()) {
        (Some(first), Some(last)) => (time(first.time), time(last.time)),
        _ => (0.0, 1.0),
    };
    // A step at each hearing; level until the last contact.
    let mut steps = Vec::with_capacity(points.len() * 2 + 1);
    let mut before = 0.0;
    for (at, _, informed) in &points {
        steps.push((time(*at), before));
        before = *informed as f64;
        steps.push((time(*at), before));
    }
    steps.push((if last > first { last } else { first + 1.0 }, before));
    Chart::svg(&[Chart {
        title: title.into(),
        across: "time, as in the input".into(),
        up: "people who know".into(),
        lines: vec![Line { points: steps, ..Line::default() }],
        from_to: Some((first, last)),
        top: Some(arrivals.len() as f64),
    }])
}
