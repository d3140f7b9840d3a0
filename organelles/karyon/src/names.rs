//! Names and groups that agents take while the run goes on.

use std::collections::BTreeSet;

use crate::address::{AgentRef, Group, Pid};
use crate::agent::Agent;
use crate::context::Context;
use crate::wire;

impl<A: Agent> Context<'_, A> {
    /// Is found by `name` ([`Context::whereis`]) from the next tick on, beside the name with which
    /// it came: Elixir's `Process.register`. It has the name until it gives it up, ends or begins
    /// anew; one whose kind [keeps its state](crate::Kind::keeps_its_state) has it still when it
    /// goes on.
    ///
    /// Of several who want a name in a tick the first gets it: the lowest number, then the earliest
    /// step. A name that another has, one of the agents with which the run began among them, comes
    /// to [`Agent::denied`] in the next tick, as `Deed::Register` of who has it; so does one beyond
    /// [`NAMES_MAX`](crate::NAMES_MAX) in the run, of nobody (0). A name has 1 to 256 bytes. One
    /// output.
    pub fn register(&mut self, name: &str) {
        self.inner.register(name);
    }

    /// Gives a name up, from the next tick on. One that it does not have is no error. One output.
    pub fn unregister(&mut self, name: &str) {
        self.inner.unregister(name);
    }

    /// The agent of this name, if there is one and it is of kind `B`: `whereis::<Counter>("c")`.
    /// The names of agents with which the run began stay, also of one which ended; then come those
    /// that agents registered, as they were when this tick began.
    pub fn whereis<B: Agent>(&self, name: &str) -> Option<AgentRef<B>> {
        let kind = B::KIND.0.name;
        let registered = || {
            let found = self.inner.whereis(name).filter(|found| found.kind == kind);
            found.map(|found| Pid::from(found.agent))
        };
        self.directory.whereis(name, kind).or_else(registered).map(Pid::of)
    }

    /// Is in this group from the next tick on, for as long as it would have a name: `:pg.join`.
    /// Twice is once. One beyond [`MEMBERSHIPS_MAX`](crate::MEMBERSHIPS_MAX) in the run is denied.
    /// One output.
    pub fn join(&mut self, group: Group<A>) {
        self.inner.join(group.name());
    }

    /// Leaves a group that it joined, from the next tick on. Who is in it by
    /// [`Run::group`](crate::Run::group) stays. One output.
    pub fn leave(&mut self, group: Group<A>) {
        self.inner.leave(group.name());
    }

    /// Who is in a group as this tick begins: those of [`Run::group`](crate::Run::group) in that
    /// order, the ones that ended included, then those that joined, by number. Nobody, if there is
    /// nobody of kind `B` in it.
    pub fn members<B: Agent>(&self, group: Group<B>) -> Vec<AgentRef<B>> {
        self.in_group(group).into_iter().map(Pid::of).collect()
    }

    /// Sends a message to each member of a group, itself included if it is one: one output each,
    /// and each asks the gate.
    pub fn broadcast<B: Agent>(&mut self, group: Group<B>, message: &B::Message) {
        let payload = wire::message(message);
        for pid in self.in_group(group) {
            self.inner.send(pid.id(), &payload);
        }
    }

    fn in_group<B: Agent>(&self, group: Group<B>) -> Vec<Pid> {
        let kind = B::KIND.0.name;
        let mut members = self.directory.members(group.name(), kind).to_vec();
        let mut joined = self.inner.members(group.name()).peekable();
        if joined.peek().is_some() {
            let declared: BTreeSet<Pid> = members.iter().copied().collect();
            let joined = joined.filter(|member| member.kind == kind).map(|member| member.agent);
            members.extend(joined.map(Pid::from).filter(|pid| !declared.contains(pid)));
        }
        members
    }
}
