"""Lets a run run for long while it is disturbed: see soak.sh, which starts this."""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

KARYON = os.environ["KARYON"]
AGENTS = int(os.environ.get("AGENTS", 100_000))
RATE = int(os.environ.get("RATE", 5_000))
DELAY_MS = int(os.environ.get("DELAY_MS", 20))
PATIENCE_S = 600
# How often somebody outside does something.
PERIOD_S = 0.2
# Of forks, and of agents that are killed for good, there are only so many.
FORKS_MAX = 900
# Memory may grow by this from the second quarter of the time to the last: what one inspects, forks
# and kills is remembered, allocators keep what they got, and how much of its file the database keeps
# is not known to the last MiB: five short runs were between 1 MiB less and 8 MiB more.
GROWTH_MAX = 0.05
GROWTH_BYTES = 12 << 20
# As karyon_graph::limits::CACHE_BYTES.
CACHE_BYTES = 256 << 20

SCENARIO = """seed = {seed}
[model]
name = "rumour"
[population]
people = {agents}
[space]
generator = "activity-driven"
contacts = {contacts}
contacts_per_activation = 1
exponent = 2.1
smallest_potential = 0.01
activity_scale = 1.0
[supervision]
intensity = 4294967295
period_ticks = 10
[chaos]
probability = 0.01
"""


class Wrong(Exception):
    """Something is not as promised."""


def karyon(*args, expected=0):
    done = subprocess.run([KARYON, *map(str, args), "--json"], capture_output=True, text=True,
                          timeout=PATIENCE_S)
    if expected is not None and done.returncode != expected:
        raise Wrong(f"{' '.join(map(str, args))}: exit {done.returncode}: {done.stderr.strip()}")
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if lines and done.returncode == 0 else None


def runtime(data):
    """The number of the process that runs the agents."""
    lines = (data / "safety" / "guardian").read_text().splitlines()
    held = dict(line.split(" = ", 1) for line in lines)
    init = int(held["init"].split()[0])
    return int(Path(f"/proc/{init}/task/{init}/children").read_text().split()[0])


def resident(number):
    for line in Path(f"/proc/{number}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return None


def cached(data):
    """What the memory's database may keep of its file: it fills until its bound, and no further."""
    try:
        return min((data / "memory" / "run.redb").stat().st_blocks * 512, CACHE_BYTES)
    except FileNotFoundError:
        return 0


def slow_down(number):
    """Delays each fdatasync; None where that cannot be done."""
    if shutil.which("strace") is None:
        return None
    delay = f"inject=fdatasync:delay_exit={DELAY_MS * 1000}"
    tracer = subprocess.Popen(["strace", "-f", "-q", "-p", str(number), "-e", "trace=fdatasync",
                               "-e", delay, "-o", "/dev/null"], stderr=subprocess.DEVNULL)
    time.sleep(1)
    return tracer if tracer.poll() is None else None


def end(tracer):
    if tracer:
        tracer.terminate()
        tracer.wait(PATIENCE_S)


class Outside:
    """Somebody who asks and orders at random."""

    def __init__(self, data, chance):
        self.data, self.chance = data, chance
        self.did, self.refused, self.paused, self.took = Counter(), Counter(), [], []

    def act(self):
        what = self.chance.choice(["inspect", "ps", "kill", "fork", "pause", "restart", "tree"])
        if what == "fork" and self.did["fork"] >= FORKS_MAX:
            what = "inspect"
        if what == "pause" and len(self.paused) >= 3:
            what = "resume"
        agent = self.paused.pop(0) if what == "resume" else self.chance.randint(1, AGENTS)
        args = {"ps": ["ps", "--sort", "mailbox", "--desc", "--limit", "10"],
                "tree": ["tree", "--limit", "10"]}.get(what, [what, f"id:{agent}"])
        begun = time.monotonic()
        answer = karyon(*args, "--data", self.data, expected=None)
        self.took.append(time.monotonic() - begun)
        (self.did if answer is not None else self.refused)[what] += 1
        if what == "pause" and answer is not None:
            self.paused.append(agent)

    def release(self):
        for agent in self.paused:
            karyon("resume", f"id:{agent}", "--data", self.data)
        self.paused = []


def main(minutes):
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    print(f"seed {seed}, {AGENTS:,} agents, {RATE:,} messages and inputs/s, {minutes} minutes")
    work = Path(tempfile.mkdtemp(prefix="soak-"))
    os.environ["KARYON_CONFIG_HOME"] = str(work / "config")
    data, scenario = work / "data", work / "soak.toml"
    # An input and the message that it brings about.
    contacts = int(RATE * minutes * 60 / 2)
    scenario.write_text(SCENARIO.format(seed=seed % (1 << 31), agents=AGENTS, contacts=contacts))
    out = open(work / "out", "w+")
    errors = open(work / "errors", "w+")
    run = subprocess.Popen([KARYON, "run", scenario, "--rate", str(RATE), "--data", data, "--json"],
                           stdout=out, stderr=errors, text=True)
    tracer = None
    try:
        begun = time.monotonic()
        while karyon("ps", "--limit", "1", "--data", data, expected=None) is None:
            if run.poll() is not None or time.monotonic() - begun > PATIENCE_S:
                raise Wrong(f"it does not begin: {(work / 'errors').read_text()}")
            time.sleep(0.2)
        number = runtime(data)
        tracer = slow_down(number)
        print(f"each fdatasync takes {DELAY_MS} ms longer" if tracer else
              "NOT CHECKED: a slow disk; strace is missing or may not trace")
        outside, memory, begun = Outside(data, random.Random(seed)), [], time.monotonic()
        while time.monotonic() - begun < minutes * 60 * 0.9 and run.poll() is None:
            outside.act()
            memory.append((resident(number), cached(data)))
            time.sleep(PERIOD_S)
        if run.poll() is None:
            outside.release()
        # What is left is to make the memory ready to be asked, which is not what is looked at here.
        tracer = end(tracer)
        if run.wait(PATIENCE_S + minutes * 60) != 0:
            raise Wrong(f"exit {run.returncode}: {(work / 'errors').read_text()}")
    finally:
        end(tracer)
        if run.poll() is None:
            run.terminate()
            run.wait(PATIENCE_S)
    report = json.loads((work / "out").read_text().splitlines()[-1])
    counted = report["messages"]
    kept = {key: counted[key] for key in ("delivered", "denied", "refused", "dead_lettered")}
    print(f"sent {counted['sent']:,} = {' + '.join(f'{value:,} {key}' for key, value in kept.items())}")
    if counted["sent"] != sum(kept.values()):
        raise Wrong("messages were lost or doubled")
    took = sorted(outside.took)
    print(f"from outside: {dict(outside.did)}, refused {dict(outside.refused)}; a command took "
          f"{statistics.median(took) * 1000:.0f} ms, 99 of 100 at most "
          f"{took[int(len(took) * 0.99)] * 1000:.0f} ms")
    quarter = len(memory) // 4
    whole, own = [r for r, _ in memory], [r - cache for r, cache in memory]
    early, late = statistics.median(own[quarter:2 * quarter]), statistics.median(own[3 * quarter:])
    print(f"memory: {early / 2**20:.1f} MiB in the second quarter, {late / 2**20:.1f} MiB in the last, "
          f"beside what is kept of the memory's file; {max(whole) / 2**20:.1f} MiB at most with it")
    if late > early * (1 + GROWTH_MAX) + GROWTH_BYTES:
        raise Wrong("memory grows")
    verified = karyon("audit", "verify", "--data", data)
    replayed = karyon("replay", "--verify", "--data", data)
    roots = {report["state_root"], verified["state_root"], replayed["state_root"]}
    print(f"state root {report['state_root']}; {verified['records']:,} records")
    if len(roots) != 1:
        raise Wrong(f"the roots differ: {roots}")
    subprocess.run(["chattr", "-R", "-f", "-a", str(work)], check=False)
    shutil.rmtree(work)
    print("all held")


try:
    main(float(sys.argv[1]))
except Wrong as wrong:
    sys.exit(f"WRONG: {wrong}")
