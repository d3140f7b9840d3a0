//! A run: who is in it, what it is told, and how it is run.

mod data;
mod engine;
mod memory;
mod orders;
mod settings;
mod snapshots;
mod space;
mod subjects;
mod tree;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use karyon_runtime::{AgentKind, Born, codec};
use karyon_types::varint;

pub use self::data::{Begun, Data, Ended, Host, KnownFact, Replayed, Seen};
pub use self::orders::RefusedOrder;
pub(crate) use self::settings::Settings;
pub use self::tree::{AutoShutdown, Child, Supervisor};
pub(crate) use self::world::Worlds;
use crate::address::{AgentRef, Group, Pid};
use crate::agent::Agent;
use crate::directory::Directory;
use crate::error::RunError;
use crate::inputs::Input;
use crate::member::{Member, Read, kind_of, read};
use crate::wire;

/// The longest name of an agent, bytes: as names are in the log.
const NAME_BYTES_MAX: usize = 256;

/// A kind of agents of a run; its place in the list is its number.
#[derive(Clone, Copy)]
struct Known {
    name: &'static str,
    version: u32,
    type_name: &'static str,
    kind: &'static AgentKind,
    read: Read,
}

/// An agent of a run; its place in the list, from 1, is its number.
#[derive(Clone)]
struct Place {
    name: String,
    kind: usize,
    /// The state with which it begins, encoded; `None`: nobody is there yet.
    state: Option<Arc<[u8]>>,
}

/// A run of agents: who is in it, what it is told from outside, and how it is run.
///
/// Everything about it is said before it begins, and the same run does the same again, whatever the
/// number of threads. [`Run::test`] runs it in memory; [`Run::begin`] on a data directory, with a
/// log that is signed, and a grant by a principal.
///
/// What is wrong with it is told when it is run: all that builds it goes on.
#[derive(Clone)]
pub struct Run {
    name: String,
    kinds: Vec<Known>,
    places: Vec<Place>,
    numbers: BTreeMap<String, Pid>,
    groups: BTreeMap<&'static str, (Vec<Pid>, &'static str)>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) settings: Settings,
    tree: Option<Supervisor>,
    orders: Vec<orders::Due>,
    /// Whom agents belong to, by name.
    subjects: BTreeMap<Pid, String>,
    /// Until when what the run knows of them is kept.
    horizons: BTreeMap<String, i64>,
    /// Kinds that agents may spawn, by number.
    spawns: BTreeSet<usize>,
    surroundings: space::Surroundings,
    /// What it was made from, in the words of whoever made it.
    origin: Option<String>,
    /// The first thing that is wrong with it.
    fault: Option<Arc<dyn Fn() -> RunError + Send + Sync>>,
}

impl Run {
    /// A run without agents. Its name is recorded.
    pub fn new(name: &str) -> Run {
        Run {
            name: name.into(),
            kinds: Vec::new(),
            places: Vec::new(),
            numbers: BTreeMap::new(),
            groups: BTreeMap::new(),
            inputs: Vec::new(),
            settings: Settings::default(),
            tree: None,
            orders: Vec::new(),
            subjects: BTreeMap::new(),
            horizons: BTreeMap::new(),
            spawns: BTreeSet::new(),
            surroundings: space::Surroundings::default(),
            origin: None,
            fault: None,
        }
    }

    /// Adds an agent, with a name of 1 to 256 bytes that no other has, and the state with which it
    /// begins (and begins anew). These agents are there when the run begins, supervised by one
    /// `one_for_one` supervisor, or as [`Run::supervise`] says.
    pub fn agent<A: Agent>(&mut self, name: impl Into<String>, state: A) -> AgentRef<A> {
        let agent = self.reserve(name);
        self.put(agent, state);
        agent
    }

    /// The next agent's address, for one that another has to know before it is there. It comes by
    /// [`Run::put`].
    pub fn reserve<A: Agent>(&mut self, name: impl Into<String>) -> AgentRef<A> {
        let name = name.into();
        let pid = Pid(self.places.len() as u64 + 1);
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
            let name = name.clone();
            self.wrong(move || RunError::Name(name.clone()));
        }
        if self.numbers.insert(name.clone(), pid).is_some() {
            let name = name.clone();
            self.wrong(move || RunError::TwoAgents(name.clone()));
        }
        let kind = self.kind::<A>();
        self.places.push(Place { name, kind, state: None });
        pid.of()
    }

    /// Puts an agent where its place was reserved.
    pub fn put<A: Agent>(&mut self, agent: AgentRef<A>, state: A) {
        let mut bytes = Vec::new();
        codec::encode(&state, &mut bytes);
        let Some(place) = self.place(agent.pid()) else {
            return self.wrong(move || RunError::NoAgent(agent.pid().0));
        };
        let (name, before) = (place.name.clone(), place.state.is_some());
        place.state = Some(bytes.as_slice().into());
        if before {
            self.wrong(move || RunError::SomebodyThere(name.clone()));
        } else if read::<A>(&bytes).is_none() {
            self.wrong(move || RunError::State(name.clone()));
        }
    }

    /// Adds `count` agents, called `name 1` and so on; `state` is given the number of each, from 0,
    /// and its address.
    pub fn agents<A: Agent>(
        &mut self,
        name: &str,
        count: u64,
        mut state: impl FnMut(u64, AgentRef<A>) -> A,
    ) -> Vec<AgentRef<A>> {
        let agents: Vec<_> =
            (1..=count).map(|number| self.reserve(format!("{name} {number}"))).collect();
        for (number, agent) in (0..).zip(&agents) {
            self.put(*agent, state(number, *agent));
        }
        agents
    }

    /// Says who is in a group, in this order, for the whole run.
    pub fn group<A: Agent>(
        &mut self,
        group: Group<A>,
        members: impl IntoIterator<Item = AgentRef<A>>,
    ) {
        let members: Vec<Pid> = members.into_iter().map(AgentRef::pid).collect();
        if let Some(stranger) = members.iter().copied().find(|pid| self.place(*pid).is_none()) {
            self.wrong(move || RunError::NoAgent(stranger.0));
        }
        if self.groups.insert(group.name(), (members, A::KIND.0.name)).is_some() {
            self.wrong(move || RunError::TwoGroups(group.name()));
        }
    }

    /// Tells an agent something from outside at a tick, from 0. In one tick inputs come behind
    /// timers and in front of messages, and those of one agent in the order in which they are
    /// given here.
    pub fn input<A: Agent>(&mut self, tick: u64, to: AgentRef<A>, message: A::Message) -> &mut Run {
        if self.place(to.pid()).is_none() {
            self.wrong(move || RunError::NoAgent(to.pid().0));
        }
        self.inputs.push((tick, to.pid(), wire::message(&message).to_vec()));
        self
    }

    /// Lets agents bring agents of this kind to life ([`Context::spawn`](crate::Context::spawn)), and
    /// `most` more agents come to life in the run, of all kinds together: what is said of several
    /// kinds is added up, and to [`Limits::spawned`](crate::Limits). Adds `Rights::SPAWN` to what
    /// the principal grants, and lets leases reach whoever comes.
    pub fn may_spawn<B: Agent>(&mut self, most: u64) -> &mut Run {
        let kind = self.kind::<B>();
        self.spawns.insert(kind);
        self.settings.spawned = self.settings.spawned.saturating_add(most);
        self
    }

    /// The name of an agent; empty, if it is of another run.
    pub fn name_of(&self, agent: impl Into<Pid>) -> &str {
        let place = (agent.into().0 as usize).checked_sub(1).and_then(|at| self.places.get(at));
        place.map_or("", |place| &place.name)
    }

    /// How many agents there are when it begins.
    pub fn size(&self) -> u64 {
        self.places.len() as u64
    }

    /// The agent of a name; `None`: there is none when it begins.
    pub fn agent_of(&self, name: &str) -> Option<Pid> {
        self.numbers.get(name).copied()
    }

    fn place(&mut self, pid: Pid) -> Option<&mut Place> {
        self.places.get_mut((pid.0 as usize).checked_sub(1)?)
    }

    fn kind<A: Agent>(&mut self) -> usize {
        let type_name = std::any::type_name::<A>();
        let (name, version) = (A::KIND.0.name, A::KIND.0.version);
        if let Some(at) = self.kinds.iter().position(|known| known.type_name == type_name) {
            return at;
        }
        if self.kinds.iter().any(|known| known.name == name) {
            self.wrong(move || RunError::TwoKinds(name));
        }
        if self.kinds.len() >= karyon_runtime::KINDS_MAX {
            self.wrong(|| RunError::TooManyKinds);
        }
        let kind = kind_of::<A>();
        self.kinds.push(Known { name, version, type_name, kind, read: read::<A> });
        self.kinds.len() - 1
    }

    fn wrong(&mut self, error: impl Fn() -> RunError + Send + Sync + 'static) {
        self.fault.get_or_insert_with(|| Arc::new(error));
    }

    /// Whether it can be run, as far as that is known before.
    ///
    /// # Errors
    /// What is wrong with it first.
    pub fn check(&self) -> Result<(), RunError> {
        if let Some(fault) = &self.fault {
            return Err(fault());
        }
        self.settings.check()?;
        if self.settings.schedule.is_free() && !self.subjects.is_empty() {
            return Err(RunError::FreeSubjects);
        }
        self.surroundings.check(self.places.len() as u64)?;
        self.supervised()?;
        self.supervisors()?;
        self.check_orders()?;
        match self.places.iter().find(|place| place.state.is_none()) {
            Some(place) => Err(RunError::NobodyThere(place.name.clone())),
            None => Ok(()),
        }
    }

    fn directory(&self) -> Directory {
        let kinds = self.kinds.iter().map(|known| known.kind).collect();
        let groups = self.groups.clone();
        let worlds = self.surroundings.worlds.clone();
        let mut directory = Directory { groups, kinds, worlds, ..Directory::default() };
        for (serial, place) in (1..).zip(&self.places) {
            let kind = self.kinds.get(place.kind).map_or("", |known| known.name);
            directory.names.insert(place.name.clone(), (Pid(serial), kind));
        }
        for number in &self.spawns {
            if let Some(known) = self.kinds.get(*number) {
                directory.spawns.insert(known.name, *number as u32);
            }
        }
        // The run was checked.
        directory.supervisors = self.supervisors().unwrap_or_default();
        directory
    }

    /// Makes agents that others spawn, from the number of their kind and their state.
    fn born(&self, directory: Arc<Directory>) -> Option<Born<Member>> {
        let kinds = self.kinds.clone();
        (!self.spawns.is_empty()).then(|| -> Born<Member> {
            Arc::new(move |_, mut how| {
                let number = varint::read(&mut how)?.try_into().ok()?;
                let agent = (kinds.get(number as usize)?.read)(how)?;
                Some(Member::new(number, agent, Arc::clone(&directory)))
            })
        })
    }

    /// Makes agents as they are born: once for each at the beginning, and for whoever begins anew.
    fn births(
        &self,
        directory: Arc<Directory>,
    ) -> impl Fn(karyon_types::AgentId) -> Member + Send + Sync + use<> {
        let (places, kinds) = (self.places.clone(), self.kinds.clone());
        move |id| {
            let place = (id.0 as usize).checked_sub(1).and_then(|at| places.get(at));
            let born = place.and_then(|place| {
                let agent = (kinds.get(place.kind)?.read)(place.state.as_ref()?)?;
                Some(Member::new(place.kind as u32, agent, Arc::clone(&directory)))
            });
            #[expect(clippy::expect_used, reason = "the run was checked before it began")]
            born.expect("each agent of the run has a state that can be read")
        }
    }
}
