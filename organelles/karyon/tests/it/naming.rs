//! Names, groups and lanes in the library.

use karyon::{
    Agent, AgentRef, Context, Deed, Denial, Group, Kind, Lane, Limits, Pid, Result, Rights, Run,
};
use serde::{Deserialize, Serialize};

const CREW: Group<Sailor> = Group::new("crew");
/// The same name, for another kind.
const OTHERS: Group<Guest> = Group::new("crew");

#[derive(Default, Serialize, Deserialize)]
struct Sailor {
    heard: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Do {
    Register(String),
    Find(String),
    Join,
    Leave,
    Cry(String),
    SayIn(Lane, AgentRef<Sailor>, String),
    Hear(String),
}

impl Agent for Sailor {
    type Message = Do;
    const KIND: Kind = Kind::new("sailor");

    fn handle(&mut self, _from: Pid, message: Do, ctx: &mut Context<'_, Self>) -> Result {
        match message {
            Do::Register(name) => ctx.register(&name),
            Do::Find(name) => {
                let (sailor, guest) = (ctx.whereis::<Sailor>(&name), ctx.whereis::<Guest>(&name));
                let found = (sailor.map(|s| s.pid().0), guest.map(|g| g.pid().0));
                self.heard.push(format!("{name}: {found:?}"));
            }
            Do::Join => ctx.join(CREW),
            Do::Leave => ctx.leave(CREW),
            Do::Cry(what) => {
                let members: Vec<_> = ctx.members(CREW).iter().map(|m| m.pid().0).collect();
                let others = ctx.members(OTHERS).len();
                self.heard.push(format!("{members:?} and {others}"));
                ctx.broadcast(CREW, &Do::Hear(what));
            }
            Do::SayIn(lane, to, what) => ctx.send_in(lane, to, &Do::Hear(what)),
            Do::Hear(what) => self.heard.push(what),
        }
        Ok(())
    }

    fn denied(&mut self, deed: Deed, denial: Denial, ctx: &mut Context<'_, Self>) -> Result {
        self.heard.push(format!("{}: {deed:?} {denial}", ctx.now().0));
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Guest;

impl Agent for Guest {
    type Message = ();
    const KIND: Kind = Kind::new("guest");

    fn init(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        ctx.register("lounge");
        ctx.join(OTHERS);
        Ok(())
    }

    fn handle(&mut self, _: Pid, (): (), _: &mut Context<'_, Self>) -> Result {
        Ok(())
    }
}

#[test]
fn names_are_of_kinds_and_those_with_which_agents_came_stay() {
    let mut run = Run::new("ship");
    let [one, two] = ["one", "two"].map(|name| run.agent(name, Sailor::default()));
    run.agent("guest", Guest);
    for name in ["captain", "two"] {
        run.input(0, one, Do::Register(name.into()));
    }
    for name in ["captain", "two", "lounge", "guest", "nobody"] {
        run.input(2, two, Do::Find(name.into()));
    }
    let outcome = run.test().unwrap();
    let heard = |agent: AgentRef<Sailor>| outcome.state(agent).unwrap().heard.clone();
    assert_eq!(heard(one), ["1: Register(AgentId(2)) budget_exhausted"]);
    let found = ["captain: (Some(1), None)", "two: (Some(2), None)", "lounge: (None, Some(3))"];
    assert_eq!(heard(two)[..3], found);
    assert_eq!(heard(two)[3..], ["guest: (None, Some(3))", "nobody: (None, None)"]);
}

#[test]
fn a_group_is_who_was_named_in_it_and_who_joined_of_its_kind() {
    let mut run = Run::new("ship");
    let [one, two, three] = ["one", "two", "three"].map(|name| run.agent(name, Sailor::default()));
    run.agent("guest", Guest);
    run.group(CREW, [three]);
    run.input(0, one, Do::Join).input(0, three, Do::Join);
    run.input(1, two, Do::Cry("aye".into()));
    run.input(3, one, Do::Leave).input(3, three, Do::Leave).input(4, two, Do::Cry("no".into()));
    let outcome = run.test().unwrap();
    let heard = |agent: AgentRef<Sailor>| outcome.state(agent).unwrap().heard.clone();
    assert_eq!(heard(two), ["[3, 1] and 1", "[3] and 1"]);
    assert_eq!((heard(one), heard(three)), (vec!["aye".into()], vec!["aye".into(), "no".into()]));
}

#[test]
fn messages_go_in_lanes() {
    let mut run = Run::new("ship");
    let [one, two] = ["one", "two"].map(|name| run.agent(name, Sailor::default()));
    run.rights(Rights::SEND.and(Rights::CRITICAL)).limits(Limits::default());
    for lane in [Lane::Speculative, Lane::Normal, Lane::Critical] {
        run.input(0, one, Do::SayIn(lane, two, format!("{lane:?}")));
    }
    let outcome = run.test().unwrap();
    assert_eq!(outcome.state(two).unwrap().heard, ["Critical", "Normal", "Speculative"]);
    let outcome = run.rights(Rights::SEND).test().unwrap();
    assert_eq!(outcome.state(two).unwrap().heard, ["Normal", "Speculative"]);
}
