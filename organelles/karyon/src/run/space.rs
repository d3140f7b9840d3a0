//! What all agents of a run see, what never changes, and what is measured.

use std::sync::{Arc, Mutex, PoisonError};

use karyon_runtime::{Layer, Mark, Observer, Space, codec};
use karyon_types::{Hasher, Tick};

use super::{Run, Worlds};
use crate::error::RunError;
use crate::series::{Series, View};

/// Inputs of a run that activate agents, at most: each has a number of its own.
const ACTIVATIONS_MAX: u64 = 1 << 32;

type Measure = Arc<dyn Fn(&View<'_>) -> Vec<f64> + Send + Sync>;
type Look = Arc<dyn Fn(&View<'_>) + Send + Sync>;
type IsOver = Arc<dyn Fn(u64, &[f64]) -> bool + Send + Sync>;

/// What all see, and who measures it.
#[derive(Clone, Default)]
pub(crate) struct Surroundings {
    space: Option<Space>,
    pub(super) worlds: Worlds,
    /// How often all are activated, and in how many ticks once.
    pub(super) activates: Option<(u64, u64)>,
    measures: Option<(Vec<String>, u64, Measure)>,
    look: Option<Look>,
    is_over: Option<IsOver>,
    /// Of what is measured, that behind every so many ticks is kept; all, if it is not said.
    keeps: Option<u64>,
}

impl Surroundings {
    pub(crate) fn space(&self) -> Option<Space> {
        self.space.clone()
    }

    pub(crate) fn activates(&self) -> Option<(u64, u64)> {
        self.activates
    }

    /// What a run's description says of them; nothing where there is nothing.
    pub(crate) fn describe(&self) -> String {
        let mut words = String::new();
        if let Some(space) = &self.space {
            let mut hasher = Hasher::for_domain("karyon space v1");
            space.add_to(&mut hasher);
            words.push_str(&format!("space = \"{}\"\n", hasher.finish()));
        }
        words.push_str(&self.worlds.describe());
        if let Some((times, each)) = self.activates {
            words.push_str(&format!("activates = [{times}, {each}]\n"));
        }
        words
    }

    pub(crate) fn check(&self, agents: u64) -> Result<(), RunError> {
        if self.space.is_none() && (self.measures.is_some() || self.is_over.is_some()) {
            return Err(RunError::NothingToMeasure);
        }
        let times = self.activates.map_or(0, |(times, _)| times);
        match agents.checked_mul(times) {
            Some(inputs) if inputs < ACTIVATIONS_MAX - agents => Ok(()),
            Some(_) | None => Err(RunError::TooManySteps(agents, times)),
        }
    }

    /// Who looks at a run, if it is to be measured, and what comes of that.
    pub(crate) fn reporter(&self) -> Option<(Box<dyn Observer>, Reported)> {
        let (names, mut each, measure) = self.measures.clone()?;
        let keeps = self.keeps.unwrap_or(each).max(each);
        if self.is_over.is_none() {
            // Nobody looks at what is not kept.
            each = keeps;
        }
        let series = Series { names, rows: Vec::new() };
        let reported = Reported(Arc::new(Mutex::new(series)));
        let reporter = Reporter {
            reported: reported.clone(),
            worlds: self.worlds.clone(),
            each,
            due: 0,
            keeps,
            kept: 0,
            measure,
            look: self.look.clone(),
            is_over: self.is_over.clone(),
        };
        Some((Box::new(reporter), reported))
    }
}

/// What was measured so far.
#[derive(Clone)]
pub(crate) struct Reported(Arc<Mutex<Series>>);

impl Reported {
    fn with<T>(&self, then: impl FnOnce(&mut Series) -> T) -> T {
        then(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The last tick of the next `each` ticks, or of these, where it lies behind.
fn last_of_next(tick: Tick, each: u64) -> u64 {
    ((tick.0 + 1) / each + 1).saturating_mul(each) - 1
}

/// Measures what it is shown.
struct Reporter {
    reported: Reported,
    worlds: Worlds,
    each: u64,
    /// The first tick behind which it measures again.
    due: u64,
    keeps: u64,
    /// The first tick of which it keeps a row again.
    kept: u64,
    measure: Measure,
    look: Option<Look>,
    is_over: Option<IsOver>,
}

impl Observer for Reporter {
    fn behind(&mut self, tick: Tick, space: &Space) -> bool {
        if tick.0 < self.due {
            return false;
        }
        self.due = last_of_next(tick, self.each);
        let view = View { tick, space, worlds: &self.worlds };
        let row = (self.measure)(&view);
        let is_over = self.is_over.as_ref().is_some_and(|is_over| is_over(tick.0, &row));
        if is_over || tick.0 >= self.kept {
            if let Some(look) = &self.look {
                look(&view);
            }
            self.kept = last_of_next(tick, self.keeps);
            self.reported.with(|series| series.rows.push((tick.0, row)));
        }
        is_over
    }

    fn save(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.reported.with(|series| codec::encode(&(self.due, self.kept, &*series), &mut bytes));
        bytes
    }

    fn load(&mut self, saved: &[u8]) -> bool {
        let Some((due, kept, saved)) = codec::decode::<(u64, u64, Series)>(saved) else {
            return false;
        };
        (self.due, self.kept) = (due, kept);
        self.reported.with(|series| *series = saved);
        true
    }
}

impl Run {
    /// What all agents see: these layers ([`Context::layer`](crate::Context::layer)), which they
    /// change by [`Context::mark`](crate::Context::mark). None, if it is not said. Neither in a
    /// free-running run, nor where agents belong to subjects.
    pub fn space(&mut self, layers: impl IntoIterator<Item = Layer>) -> &mut Run {
        self.surroundings.space = Some(Space::new(layers));
        self
    }

    /// Changes the space before the run begins. What it does not have is left out.
    pub fn mark(&mut self, mark: Mark) -> &mut Run {
        self.surroundings.space.iter_mut().for_each(|space| space.apply(&mark));
        self
    }

    /// Activates all agents that are there when the run begins, in tick 0 and each of the ticks that
    /// follow, `times` times in all: [`Agent::step`](crate::Agent::step). Who came to life later is
    /// not activated; it arms an interval. At most 2³² activations in a run.
    pub fn every_tick(&mut self, times: u64) -> &mut Run {
        self.every(1, times)
    }

    /// As [`Run::every_tick`], in every `ticks`th tick only (at least one): the stages of a step.
    pub fn every(&mut self, ticks: u64, times: u64) -> &mut Run {
        self.surroundings.activates = Some((times, ticks.max(1)));
        self
    }

    /// Measures what all see behind tick 0 and behind every `each`th tick (at least one; with six, 5, 11
    /// and so on: where a step has six stages, behind the last), or behind the first tick after that in
    /// which something happened: `names` are those of the numbers that `measure` gives back.
    /// They come with the [`Outcome`](crate::Outcome), and behind them those of the end. It has to
    /// give back the same whenever it is shown the same, and the run has to have a space.
    pub fn measure(
        &mut self,
        each: u64,
        names: impl IntoIterator<Item = impl Into<String>>,
        measure: impl Fn(&View<'_>) -> Vec<f64> + Send + Sync + 'static,
    ) -> &mut Run {
        let names = names.into_iter().map(Into::into).collect();
        self.surroundings.measures = Some((names, each.max(1), Arc::new(measure)));
        self
    }

    /// Shows what all see whenever it is measured and kept ([`Run::measure`]), to whoever wants more of it than
    /// numbers; when a run is repeated again. Changes nothing.
    pub fn look(&mut self, look: impl Fn(&View<'_>) + Send + Sync + 'static) -> &mut Run {
        self.surroundings.look = Some(Arc::new(look));
        self
    }

    /// Keeps of the measures only those behind every `ticks`th tick, and the last: what is measured
    /// in between is still what [`Run::until`] is given. All are kept, if it is not said.
    pub fn collect(&mut self, ticks: u64) -> &mut Run {
        self.surroundings.keeps = Some(ticks.max(1));
        self
    }

    /// Ends the run, complete, behind the first tick whose numbers are such: it is given the tick and
    /// what was measured. If it is said several times, whichever comes first ends it.
    pub fn until(
        &mut self,
        is_over: impl Fn(u64, &[f64]) -> bool + Send + Sync + 'static,
    ) -> &mut Run {
        let before = self.surroundings.is_over.take();
        self.surroundings.is_over = Some(Arc::new(move |tick, row| {
            before.as_ref().is_some_and(|is_over| is_over(tick, row)) || is_over(tick, row)
        }));
        self
    }

    /// How often agents are activated in all ([`Run::every_tick`]); `None`: they act when something
    /// reaches them, which nobody knows before.
    pub fn activations(&self) -> Option<u64> {
        let (times, _) = self.surroundings.activates?;
        Some((self.places.len() as u64).saturating_mul(times))
    }

    /// What was measured, with a last row for the state in which the run ended.
    pub(super) fn series(
        &self,
        reported: Option<Reported>,
        ticks: u64,
        space: Option<&Space>,
    ) -> Series {
        let mut series = reported.map(|all| all.with(std::mem::take)).unwrap_or_default();
        let last = ticks.saturating_sub(1);
        let is_measured = series.rows.last().is_some_and(|(tick, _)| *tick >= last);
        if let (Some((.., measure)), Some(space), false) =
            (&self.surroundings.measures, space, is_measured)
        {
            let view = View { tick: Tick(last), space, worlds: &self.surroundings.worlds };
            if let Some(look) = &self.surroundings.look {
                look(&view);
            }
            series.rows.push((last, measure(&view)));
        }
        series
    }
}
