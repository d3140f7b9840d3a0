//! Agents that are governed: a typed way to write them, run them and test them.
//!
//! Whoever knows Elixir finds a `GenServer` here that can do nothing but by an output, and each of
//! its outputs passes a gate and is recorded before it counts. Whoever knows Rust finds a trait, an
//! enum of messages and a builder. `docs/first-agent.md` is an hour's walk through all of it.
//!
//! - [`Agent`]: a state, its messages, and what happens to it.
//! - [`Context`]: the only way out: cast, call, reply, timers, monitors, links, groups, memories,
//!   new agents.
//! - [`Run`]: who is in a run, what it is told, and how it is run: in memory ([`Run::test`]) or on
//!   a data directory ([`Run::begin`], [`Run::resume`], [`Run::replay`]).
//! - [`testkit`]: random inputs and crashes against a property, and the shortest script that fails.
//!
//! | Elixir, OTP | here |
//! |---|---|
//! | `use GenServer`, `init/1` | [`Agent`], [`Agent::init`]; the state is the type itself |
//! | `handle_cast`, `handle_call`, `handle_info` | [`Agent::handle`], one enum of messages |
//! | `GenServer.cast`, `send` | [`Context::cast`] |
//! | `GenServer.call`, `:gen_server.send_request` | [`Context::call`], which does not block; [`Agent::answered`] |
//! | `GenServer.reply(from, …)` | [`Context::reply`] with a [`ReplyTo`] |
//! | `terminate/2`, also after a crash | [`Agent::terminate`], only for an end by its own will |
//! | `Process.send_after`, `:timer.send_interval` | [`Context::after`], [`Context::interval`]; in ticks |
//! | `Process.monitor`, `{:DOWN, …}` | [`Context::monitor`], [`Agent::down`] |
//! | `Process.link`, `trap_exit` | [`Context::link`], [`Context::trap_exit`], [`Agent::exit`] |
//! | child spec: `restart:`, `shutdown:`, `significant:` | [`Kind`], or [`Child`] in a tree |
//! | `Supervisor.start_link(children, strategy: …)` | [`Run::supervise`] with a [`Supervisor`] |
//! | `DynamicSupervisor.start_child`, `terminate_child` | [`Context::spawn_under`] a [`Supervisor::dynamic`], [`Agent::spawned`], [`Context::terminate_child`]; declared by [`Run::may_spawn`] |
//! | `Process.register`, `Process.whereis` | [`Context::register`], [`Context::whereis`] |
//! | `:pg`, `Registry.dispatch` | [`Group`]: [`Run::group`], [`Context::join`], [`Context::broadcast`] |
//! | `:sys.suspend`, `:sys.resume`, `Process.exit(pid, :kill)` | [`Run::order`], from outside alone |
//! | (nothing) | the run's memory: [`Context::remember`], [`Context::recall`], [`Agent::recalled`] |
//! | (nothing) | what is done in the world outside, and what came of it: [`Run::permit`], [`Run::performs`], [`Context::effect`], [`Agent::receipt`] |
//! | (nothing) | what agents learned, carried elsewhere and told to new ones: [`Data::export`], [`Data::import`], [`Data::brief`] |
//! | (nothing) | a fork: [`Order::Fork`], [`Agent::forked`] |
//! | a node of processes without ticks | [`Run::free_running`] |
//! | `ExUnit`, `StreamData` | [`Run::test`], [`testkit`] |
//!
//! What is promised of a step, and what is not, is in `docs/semantics.md`.

mod address;
mod agent;
mod book;
mod call;
mod context;
mod directory;
mod effect;
mod error;
mod inputs;
mod member;
mod names;
mod outcome;
mod recall;
mod run;
mod series;
mod signals;
mod spawn;
pub mod testkit;
mod wire;

pub use address::{AgentRef, Group, Pid};
pub use agent::{Agent, Kind, Result, failure};
pub use call::{Answer, Call, CallError, ReplyTo};
pub use context::Context;
pub use effect::{Came, Intent, Receipt};
pub use error::RunError;
pub use karyon_gate::Rights;
pub use karyon_keys::KeyDirectory;
/// What is taken out of a memory, and what came of bringing it in elsewhere.
pub use karyon_memory::{Imported, Selection};
/// What an agent writes when it remembers, and asks when it recalls.
pub use karyon_memory_ops as memory;
/// What can be ordered about an agent, and why it is not done.
pub use karyon_runtime::processes::{OrderVerb as Order, Refusal};
pub use karyon_runtime::{
    Adapter, Authority, Clock, Closed, Compared, Counts, Deed, Divergence, Effect, Ending, Every,
    ExitReason, Failure, Intensity, Lane, Layer, Limits, MEMBERSHIPS_MAX, Mark, NAMES_MAX, NotDone,
    Opaque, Refused, Schedule, Shed, Space, TimerId, Whose, Words, below, exponential, ln, unit,
};
pub use karyon_types::{Denial, Hash, Tick};
pub use outcome::Outcome;
pub use recall::{Recall, Recalled};
pub use run::{
    AutoShutdown, Begun, Child, Data, Ended, Host, KnownFact, RefusedOrder, Replayed, Run, Seen,
    Supervisor,
};
pub use series::{Series, View};
pub use spawn::{NotSpawned, Spawn, Spawned};
