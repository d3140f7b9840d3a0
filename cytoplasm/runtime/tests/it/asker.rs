//! Somebody outside who asks at ticks that are known before: whatever is put when the run looks
//! for the inputs of a tick is answered before that tick begins.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};

use karyon_runtime::processes::{Answer, Desk, Order, OrderVerb, Question, Refusal};
use karyon_runtime::{Batch, InputSource};
use karyon_types::{AgentId, Tick};

/// Asks beside the inputs of another source.
pub struct Asker<S> {
    pub inputs: S,
    pub desk: Arc<Desk>,
    questions: Mutex<BTreeMap<u64, Vec<Question>>>,
    put: Mutex<Vec<Put>>,
}

type Put = (u64, Question, Result<Receiver<Answer>, Refusal>);

pub fn order(verb: OrderVerb, agent: u64) -> Question {
    Question::Order(Order { verb, agent: AgentId(agent), uid: 1000 })
}

impl<S> Asker<S> {
    pub fn new(inputs: S, questions: impl IntoIterator<Item = (u64, Question)>) -> Arc<Asker<S>> {
        let mut by_tick = BTreeMap::<u64, Vec<Question>>::new();
        for (tick, question) in questions {
            by_tick.entry(tick).or_default().push(question);
        }
        let (questions, put) = (Mutex::new(by_tick), Mutex::default());
        Arc::new(Asker { inputs, desk: Arc::default(), questions, put })
    }

    /// What was answered to what was asked, in its order; those that were never put are left out.
    pub fn answers(&self) -> Vec<(u64, Question, Answer)> {
        let put = self.put.lock().unwrap().drain(..).collect::<Vec<_>>();
        put.into_iter()
            .map(|(tick, question, answer)| {
                let answer = answer.map(|receiver| {
                    receiver.try_recv().unwrap_or(Answer::Refused(Refusal::NotRunning))
                });
                (tick, question, answer.unwrap_or_else(Answer::Refused))
            })
            .collect()
    }
}

impl<S: InputSource> InputSource for Asker<S> {
    fn released(&self, tick: Tick) -> Batch<'_> {
        let due = self.questions.lock().unwrap().remove(&tick.0);
        for question in due.into_iter().flatten() {
            let answer = self.desk.put(question.clone());
            self.put.lock().unwrap().push((tick.0, question, answer));
        }
        self.inputs.released(tick)
    }

    fn payload(&self, index: u32, out: &mut Vec<u8>) {
        self.inputs.payload(index, out);
    }

    fn everybody(&self, tick: Tick) -> Option<u32> {
        self.inputs.everybody(tick)
    }

    fn ends(&self) -> Tick {
        self.inputs.ends()
    }
}
