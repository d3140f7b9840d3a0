//! The runs of a sweep, and tables of what came of them.

use karyon_table::NotATable;
use serde::{Deserialize, Serialize};

use super::measured::{Group, Measured, mean_and_deviation};

/// The longest `plan.csv` that is read, bytes: each of 100,000 runs has a line of some keys.
pub const PLAN_BYTES_MAX: u64 = 256 << 20;
/// The key that seeds stand under, and the only one in which the runs of a point differ.
const SEED: &str = "seed";

/// Which runs a sweep has: what each has for the keys that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The keys, with their sections; the seed last, if it is among them.
    pub keys: Vec<String>,
    /// For each run the values, as they stand in TOML.
    pub runs: Vec<Vec<String>>,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// How many ticks it had.
    pub ticks: u64,
    /// Steps that agents took.
    pub steps: u64,
    /// The root of its final state, hexadecimal.
    pub state_root: String,
    /// What was measured last, in the order of the model.
    pub measures: Vec<f64>,
}

impl Plan {
    /// The number of a run as its directory has it, from 1.
    pub fn name(run: usize) -> String {
        format!("{:06}", run + 1)
    }

    /// `plan.csv`: `run`, and the keys.
    pub fn to_csv(&self) -> String {
        let head = ["run".to_owned()].into_iter().chain(self.keys.iter().cloned()).collect();
        let row = |(run, values): (usize, &Vec<String>)| {
            [Plan::name(run)].into_iter().chain(values.iter().cloned()).collect()
        };
        karyon_table::write([head].into_iter().chain(self.runs.iter().enumerate().map(row)))
    }

    /// Reads a `plan.csv`.
    ///
    /// # Errors
    /// The first line that is not as [`Plan::to_csv`] writes it.
    pub fn read(text: &[u8]) -> Result<Plan, NotATable> {
        let table = karyon_table::read(text)?;
        let mut head = table.head.into_iter();
        if head.next().as_deref() != Some("run") {
            return Err(NotATable::new(1, "it does not begin with \"run\""));
        }
        let mut plan = Plan { keys: head.collect(), runs: Vec::new() };
        for (line, row) in table.rows {
            let mut values = row.into_iter();
            if values.next() != Some(Plan::name(plan.runs.len())) {
                return Err(NotATable::new(line, "runs are not numbered one after the other"));
            }
            plan.runs.push(values.collect());
        }
        Ok(plan)
    }

    /// The runs that are the same but for their seeds, in the order of the first of each.
    pub fn points(&self) -> Vec<(String, Vec<usize>)> {
        let mut points: Vec<(String, Vec<usize>)> = Vec::new();
        let mut places = std::collections::BTreeMap::new();
        for (run, values) in self.runs.iter().enumerate() {
            let own = self.keys.iter().zip(values).filter(|(key, _)| *key != SEED);
            let name = own.map(|(key, value)| format!("{} = {value}", short(key)));
            let name = name.collect::<Vec<_>>().join(", ");
            let at = *places.entry(name.clone()).or_insert(points.len());
            match points.get_mut(at) {
                Some((_, runs)) => runs.push(run),
                None => points.push((name, vec![run])),
            }
        }
        points
    }

    /// The measured runs of each point, for pictures; a run that is not there yet is left out.
    pub fn groups(&self, mut measured: impl FnMut(usize) -> Option<Measured>) -> Vec<Group> {
        let group = |(name, runs): (String, Vec<usize>)| Group {
            name,
            runs: runs.into_iter().filter_map(&mut measured).collect(),
        };
        let groups = self.points().into_iter().map(group);
        groups.filter(|group| !group.runs.is_empty()).collect()
    }

    /// `results.csv`: a row for each run that has an answer, with what was measured last.
    pub fn results_csv(&self, measures: &[&str], answers: &[Option<Answer>]) -> String {
        let fixed = ["ticks", "steps", "state_root"];
        let head = ["run"].into_iter().chain(self.keys.iter().map(String::as_str));
        let head = head.chain(measures.iter().copied()).chain(fixed).map(str::to_owned).collect();
        let rows = self.runs.iter().zip(answers).enumerate();
        let rows = rows.filter_map(|(run, (values, answer))| {
            let Answer { ticks, steps, state_root, measures } = answer.as_ref()?;
            let mut row = vec![Plan::name(run)];
            row.extend(values.iter().cloned());
            row.extend(measures.iter().map(f64::to_string));
            row.extend([ticks.to_string(), steps.to_string(), state_root.clone()]);
            Some(row)
        });
        karyon_table::write([head].into_iter().chain(rows))
    }

    /// For each point how many runs it has, and of each measure the mean and its standard error.
    pub fn means(&self, measures: usize, answers: &[Option<Answer>]) -> Vec<Means> {
        let means = |(name, runs): (String, Vec<usize>)| {
            let answers: Vec<_> =
                runs.iter().filter_map(|run| answers.get(*run)?.as_ref()).collect();
            let of = |column: usize| {
                let numbers = answers.iter().filter_map(|answer| answer.measures.get(column));
                let numbers: Vec<f64> = numbers.copied().collect();
                let (mean, deviation) = mean_and_deviation(&numbers);
                (mean, deviation / (numbers.len().max(1) as f64).sqrt())
            };
            Means { name, runs: answers.len(), measures: (0..measures).map(of).collect() }
        };
        self.points().into_iter().map(means).collect()
    }

    /// `points.csv`: a row for each point of which a run has an answer, `NAME` and `NAME_error` for each measure.
    pub fn points_csv(&self, measures: &[&str], answers: &[Option<Answer>]) -> String {
        let keys: Vec<_> = self.keys.iter().filter(|key| *key != SEED).cloned().collect();
        let mut head = keys.clone();
        head.push("runs".into());
        for measure in measures {
            head.extend([(*measure).to_owned(), format!("{measure}_error")]);
        }
        let firsts = self.points().into_iter().map(|(_, runs)| runs.first().copied());
        let means = self.means(measures.len(), answers).into_iter().zip(firsts);
        let rows = means.filter(|(means, _)| means.runs > 0).map(
            |(Means { runs, measures, .. }, first)| {
                let values = first.and_then(|run| self.runs.get(run));
                let mut row: Vec<String> =
                    values.into_iter().flatten().take(keys.len()).cloned().collect();
                row.push(runs.to_string());
                row.extend(measures.iter().flat_map(|(m, e)| [m.to_string(), e.to_string()]));
                row
            },
        );
        karyon_table::write([head].into_iter().chain(rows))
    }
}

/// The means of a point.
#[derive(Clone, Debug, PartialEq)]
pub struct Means {
    /// What it has for the keys that differ.
    pub name: String,
    /// Of how many runs.
    pub runs: usize,
    /// Mean and its standard error, of each measure.
    pub measures: Vec<(f64, f64)>,
}

/// A key without its section, as people say it.
fn short(key: &str) -> &str {
    key.rsplit_once('.').map_or(key, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan() -> Plan {
        let run = |need: &str, seed: &str| vec![need.to_owned(), seed.to_owned()];
        Plan {
            keys: vec!["model.need".into(), "seed".into()],
            runs: vec![run("3", "1"), run("3", "2"), run("\"a, b\"", "1"), run("\"a, b\"", "2")],
        }
    }

    fn answer(measure: f64) -> Option<Answer> {
        Some(Answer { ticks: 9, steps: 90, state_root: "ab".into(), measures: vec![measure, 0.5] })
    }

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let text = plan().to_csv();
        assert!(text.starts_with("run,model.need,seed\n000001,3,1\n"), "{text}");
        assert_eq!(Plan::read(text.as_bytes()), Ok(plan()));
        for (text, line, words) in [
            ("", 1, "does not begin"),
            ("walk,seed\n", 1, "does not begin"),
            ("run,seed\n000002,1\n", 2, "not numbered"),
            ("run,seed\n000001,1\n000003,1\n", 3, "not numbered"),
            ("run,seed\n000001\n", 2, "1 field"),
        ] {
            let error = Plan::read(text.as_bytes()).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(error.what.contains(words), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_values_come_back(values in prop::collection::vec(
            prop::collection::vec("\\PC{0,8}|[\"\n\r,]{0,4}", 2), 0..6)
        ) {
            let plan = Plan { keys: vec!["a.b".into(), "seed".into()], runs: values };
            prop_assert_eq!(Plan::read(plan.to_csv().as_bytes()), Ok(plan));
        }
    }

    #[test]
    fn runs_of_a_point_differ_in_their_seeds() {
        assert_eq!(
            plan().points(),
            [("need = 3".into(), vec![0, 1]), ("need = \"a, b\"".into(), vec![2, 3])]
        );
        let run = |_| Some(Measured::default());
        assert_eq!(plan().groups(run).len(), 2);
        let first = |run| (run == 1).then(Measured::default);
        assert_eq!(plan().groups(first).len(), 1, "a point without a run has no group");
    }

    #[test]
    fn tables_hold_what_there_is() {
        let answers = [answer(1.0), answer(2.0), None, answer(4.0)];
        let results = plan().results_csv(&["happy", "alike"], &answers);
        let lines: Vec<_> = results.lines().collect();
        assert_eq!(lines[0], "run,model.need,seed,happy,alike,ticks,steps,state_root");
        assert_eq!(lines[1], "000001,3,1,1,0.5,9,90,ab");
        assert_eq!(lines.len(), 4);
        let points = plan().points_csv(&["happy", "alike"], &answers);
        let lines: Vec<_> = points.lines().collect();
        assert_eq!(lines[0], "model.need,runs,happy,happy_error,alike,alike_error");
        assert_eq!(lines[1], "3,2,1.5,0.5,0.5,0");
        assert_eq!(lines[2], "\"\"\"a, b\"\"\",1,4,0,0.5,0");
    }
}
