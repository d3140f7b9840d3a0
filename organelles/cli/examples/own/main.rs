//! A program with agents of its own, and how it runs under the guardian: see `docs/guardian.md`.
//!
//! ```text
//! mkdir d
//! own sign RUN | karyon-guardian --data "$PWD/d" -- own begin RUN "$PWD/d"
//! own sign RUN | own replay RUN d
//! ```
//!
//! Its first life (`sign`) has the keys of this machine, and runs nothing. The second (`begin`,
//! `resume`, `replay`) has the agents, and of the keys only what it is handed on standard input.
//! `RUN` is one of those in `runs.rs`.

#![allow(clippy::unwrap_used, reason = "what goes wrong here shall be seen by whoever started it")]

mod runs;

use std::error::Error;
use std::time::Duration;

use karyon::{Authority, Data, KeyDirectory, Outcome, Rights, Run};
use karyon_identity::{PublicKey, SecretKey};
use karyon_statements::{GrantTerms, SignedGrant};

/// Who answers for the runs.
const PRINCIPAL: &str = "ada";
/// What these runs take.
const RIGHTS: Rights = Rights::SEND.and(Rights::REMEMBER);

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["sign", name] => println!("{}", signed(&runs::of(name).run)?),
        ["begin", name, data] => ended(name, &runs::of(name).run.begin(&handed(data)?)?),
        ["resume", name, data] => ended(name, &runs::of(name).run.resume(&handed(data)?)?),
        ["replay", name, data] => println!("{}", runs::of(name).run.replay(&handed(data)?)?),
        // Busy with its results behind the run.
        ["linger", name, data, ms] => {
            ended(name, &runs::of(name).run.begin(&handed(data)?)?);
            std::thread::sleep(Duration::from_millis(ms.parse()?));
        }
        // One guardian, one run.
        ["twice", name, data] => {
            let (run, data) = (runs::of(name).run, handed(data)?);
            run.begin(&data)?;
            run.resume(&data)?;
        }
        _ => return Err("own sign RUN, own begin|resume|replay RUN DIR".into()),
    }
    Ok(())
}

/// Outside: what the node needs, for its standard input alone. It holds the node's secret.
fn signed(run: &Run) -> Result<String, Box<dyn Error>> {
    let keys = KeyDirectory::from_environment()?;
    let (node, _) = keys.load_or_create_node_key()?;
    if keys.load_principal_key(PRINCIPAL).is_err() {
        keys.create_principal(PRINCIPAL)?;
    }
    let key = keys.load_principal_key(PRINCIPAL)?;
    let terms = GrantTerms {
        principal: PRINCIPAL.into(),
        principal_key: key.public_key(),
        node_key: node.public_key(),
        reason: "to see it run under a guardian".into(),
        rights: RIGHTS.0,
        resource: run.resource(),
        scenario: run.digest(),
        expires_tick: None,
        nonce: GrantTerms::random_nonce()?,
    };
    let grant: Vec<_> = terms.sign(&key)?.encode().iter().map(|b| format!("{b:02x}")).collect();
    Ok(format!("{} {} {}", node.seed_hex(), key.public_key(), grant.concat()))
}

/// Inside: the directory, with what was signed outside.
fn handed(data: &str) -> Result<Data, Box<dyn Error>> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let words: Vec<_> = line.split_whitespace().collect();
    let [node, principal, grant] = words.as_slice() else {
        return Err("nothing was signed".into());
    };
    let node = SecretKey::from_seed_hex(node).ok_or("the node's key is none")?;
    let principal_key = PublicKey::from_hex(principal).ok_or("the principal's key is none")?;
    let pairs = (0..grant.len()).step_by(2).map(|at| grant.get(at..at + 2).unwrap_or_default());
    let bytes = pairs.map(|pair| u8::from_str_radix(pair, 16)).collect::<Result<Vec<_>, _>>()?;
    let signed = SignedGrant::decode(&bytes)?;
    Ok(Data::granted(data, node, Authority { signed, principal_key }))
}

/// Says how it ended, and whether all adds up.
fn ended(name: &str, outcome: &Outcome) {
    let (root, sum, counts) = (outcome.state_root, runs::of(name).sum(outcome), &outcome.counts);
    let went = counts.delivered + counts.denied + counts.refused + counts.dead_lettered;
    println!("{root} {sum} {} {}", counts.sent - went, counts.crashes);
}
