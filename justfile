# The commands that people repeat. `just` lists them.

_default:
    @just --list

# The command line: `just run --help`
run *arguments:
    cargo run --release -- {{arguments}}

# All tests; with a name, only those
test *filter:
    cargo test --workspace {{filter}}

# Format, then what CI refuses
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Import arrows, forbidden crates, lines of code of the kernel
house:
    cargo test -p karyon-cli --test house -- --nocapture

# The measured claims, at full size; with a name, only those
bench *filter:
    cargo bench -p karyon-benches -- {{filter}}

# Models against exact and published values, in full; minutes
models:
    cargo test --release -p karyon-colony --test it models -- --include-ignored --nocapture

# `karyon bench run`, with the commit built in: a report that says of itself where it comes from
bench-report *arguments:
    KARYON_COMMIT=$(git describe --always --abbrev=40 --dirty --exclude '*') cargo run --release -- bench run {{arguments}}

# The pictures of the README, made anew
pictures:
    cargo build --release
    scripts/pictures.sh

# ractor, kameo, actix and tokio's channels beside the agents: patterns, spawn, restart, sizes, or all; report and pictures in target/bench-peers
bench-peers *what:
    scripts/bench_peers.sh {{what}}

# DuckDB, CozoDB and Raphtory beside the memory, with the same load; needs Python and the network
memory-peers *mutations:
    scripts/memory_peers/run.sh {{mutations}}

# Mesa and krABMaga beside the same models here, and a million agents; minutes, needs Python and the network
model-peers *what:
    scripts/model_peers/run.sh {{what}}

# Licences, bans, sources and advisories of the dependencies
deny:
    cargo deny check

# Kill a run in the middle, resume it, compare the roots
kill-test *arguments:
    scripts/kill_resume.sh {{arguments}}

# Stops runs by every way there is, resumes them with a signature, compares.
stop-test *arguments:
    scripts/stop_resume.sh {{arguments}}

# A long run on a slow disk, disturbed from outside; minutes, 30 if none are given
soak *minutes:
    scripts/soak.sh {{minutes}}

# Simulated crashes at random moments; the seed is printed
crash-test crashes="100000" seed="1":
    KARYON_CRASHES={{crashes}} KARYON_SEED={{seed}} cargo test --release -p karyon-verify -- --ignored simulated_crashes --nocapture

# Everything that CI runs
ci:
    .ci/run
