//! What agents and messages take, beside other engines: a line of JSON each.
//!
//! `peer_sizes idle ENGINE AGENTS`: bytes of memory for each agent of a population to which nothing
//! happens, one scheduler or worker; ENGINE is karyon, ractor, kameo, actix or channels. A process
//! each, so that no engine finds what another has left.
//! `peer_sizes records`: bytes of the log for each message of each workload of the bench `patterns`,
//! in ticks and free-running: what twice as many messages take more than once as many.

use karyon_benches::idle::{governed, ungoverned};
use karyon_benches::{
    Actix, Channels, Hopper, Kameo, LogPlace, Ractor, Run, Schedule, Traffic, workloads,
};
use serde_json::json;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let told = match words.as_slice() {
        ["idle", engine, agents] => agents.parse().is_ok_and(|agents| idle(engine, agents)),
        ["records"] => {
            records();
            true
        }
        _ => false,
    };
    if !told {
        eprintln!("usage: peer_sizes idle karyon|ractor|kameo|actix|channels AGENTS | records");
        std::process::exit(2);
    }
}

fn folder() -> String {
    // On a disk, unlike `/tmp` may be.
    std::env::var("PEER_SIZES_FOLDER").unwrap_or_else(|_| ".".into())
}

fn idle(engine: &str, agents: u64) -> bool {
    let bytes = match engine {
        "karyon" => governed(agents, 1, &folder()),
        "ractor" => ungoverned::<Ractor>(agents, 1),
        "kameo" => ungoverned::<Kameo>(agents, 1),
        "actix" => ungoverned::<Actix>(agents, 1),
        "channels" => ungoverned::<Channels>(agents, 1),
        _ => return false,
    };
    let each = bytes as f64 / agents as f64;
    println!("{}", json!({ "idle": engine, "agents": agents, "bytes": each }));
    true
}

fn records() {
    for (name, traffic) in workloads() {
        // A tenth: commits are padded to 4 KiB, which is less than half a byte a message of it.
        let traffic = Traffic { hops: traffic.hops.div_ceil(10), ..traffic };
        let twice = Traffic { hops: 2 * traffic.hops, ..traffic };
        for (mode, schedule) in [("ticks", Schedule::default()), ("free", Schedule::free())] {
            let bytes = |traffic| {
                let run = Run::<Hopper<false>>::hops(traffic, 1, LogPlace::Memory(0), &folder());
                run.with(schedule).go().log_bytes as f64
            };
            let more = (twice.messages() - traffic.messages()) as f64;
            let each = (bytes(twice) - bytes(traffic)) / more;
            println!("{}", json!({ "records": name, "mode": mode, "bytes": each }));
        }
    }
}
