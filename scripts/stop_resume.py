"""Stops runs, resumes them, compares their end: see stop_resume.sh, which starts this."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KARYON = os.environ["KARYON"]
RUN = ["run", "rumour", "--chaos", "0.1"]  # Lasts longer with chaos; its state stays the same.
PATIENCE_S = 120
CLEAN = {"SIGTERM", "SIGINT"}


class Wrong(Exception):
    """Something is not as promised."""


class Machine:
    """A configuration with its keys; resumes must be signed by a key that lies elsewhere."""

    def __init__(self, work):
        self.work = work
        self.config, self.signer = work / "config", work / "signer"
        self.stop = work / "host" / "STOP"
        self.stop.parent.mkdir()
        made = self.karyon(0, "key", "new", "judge", home=self.signer)
        self.config.mkdir(mode=0o700)
        (self.config / "guardian.conf").write_text(
            f"resume_key = {made['public_key']}\nhost_stop = {self.stop}\n")
        self.expected = self.karyon(0, *RUN, "--data", work / "reference")
        begun = time.monotonic()
        self.karyon(0, *RUN, "--data", work / "again")
        self.lasts_s = time.monotonic() - begun

    def environment(self, home=None):
        return {**os.environ, "KARYON_CONFIG_HOME": str(home or self.config)}

    def karyon(self, expected, *args, home=None):
        done = subprocess.run([KARYON, *map(str, args), "--json"], capture_output=True, text=True,
                              timeout=PATIENCE_S, env=self.environment(home))
        if done.returncode != expected:
            raise Wrong(f"{' '.join(map(str, args))}: exit {done.returncode}, expected {expected}: "
                        f"{done.stderr.strip()}")
        lines = done.stdout.splitlines()
        return json.loads(lines[-1]) if lines else {}


def guardian(data):
    """The numbers of the guardian and of the first process."""
    lines = (data / "safety" / "guardian").read_text().splitlines()
    held = dict(line.split(" = ", 1) for line in lines)
    return int(held["guardian"].split()[0]), int(held["init"].split()[0])


def runtime(init):
    children = Path(f"/proc/{init}/task/{init}/children").read_text().split()
    return int(children[0])


def stop_by(way, machine, data, child, own, init):
    """Stops a run by one way; what has to be taken back before it can go on."""
    if way == "STOP":
        (data / "safety" / "STOP").touch()
        return data / "safety" / "STOP"
    if way == "host STOP":
        machine.stop.touch()
        return machine.stop
    if way == "karyon halt":
        machine.karyon(0, "halt", "--reason", "enough", "--data", data)
    elif way in CLEAN:
        os.kill(child.pid, getattr(signal, way))
    else:
        who, what = way.split()
        number = {"guardian": own, "init": init, "runtime": runtime(init)}[who]
        os.kill(number, getattr(signal, what))
    return None


WAYS = ["SIGTERM", "SIGINT", "STOP", "host STOP", "karyon halt", "guardian SIGKILL",
        "guardian SIGSTOP", "init SIGKILL", "runtime SIGKILL", "runtime SIGSTOP"]


def begin(machine, command, data, after_s):
    """Starts, and waits until it has run for so long; None: it was faster."""
    child = subprocess.Popen([KARYON, *command, "--data", str(data)], stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True, env=machine.environment())
    begun = time.monotonic()
    while child.poll() is None:
        if (data / "safety" / "guardian").exists() and time.monotonic() - begun > after_s:
            return child
        time.sleep(0.002)
    return None


def is_free(data):
    """Whether nobody uses it: everything below the guardian is gone."""
    inode = os.stat(data / "lock").st_ino
    return not any(f":{inode} " in line for line in Path("/proc/locks").read_text().splitlines())


def is_dead(number):
    """Whether it ended, buried or not; as first process of its namespace: with all below it."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(") ", 1)[1].startswith("Z")
    except FileNotFoundError:
        return True


def wait_until(done, way):
    begun = time.monotonic()
    while not done():
        if time.monotonic() - begun > 30:
            raise Wrong(f"{way}: something still lives after 30 s")
        time.sleep(0.005)


def stopped(machine, command, data, way, after_s):
    """Whether it was stopped before it ended by itself."""
    child = begin(machine, command, data, after_s)
    if child is None:
        return False
    try:
        own, init = guardian(data)
        back = stop_by(way, machine, data, child, own, init)
    except (OSError, IndexError, ValueError):
        # It ended meanwhile.
        child.wait(PATIENCE_S)
        return False
    if way == "guardian SIGSTOP":
        # A guardian that is frozen holds the lock; what it guarded must be gone all the same.
        wait_until(lambda: is_dead(init), way)
        child.kill()
    wait_until(lambda: is_free(data), way)
    child.wait(PATIENCE_S)
    if back:
        back.unlink()
    return True


def resume(machine, data, cycle):
    """Verifies and, where it is safe mode, ends that: unsigned in vain, then signed, once."""
    where = ["--data", data]
    machine.karyon(0, "audit", "verify", *where)
    if machine.karyon(0, "safety", "status", *where)["start_permitted"]:
        return "clear"
    machine.karyon(4, "resume", *where)
    reason, paper = f"cycle {cycle}", machine.work / "paper"
    # The key lies elsewhere; what is to be signed is asked for here.
    machine.karyon(3, "safety", "resume", "--reason", reason, *where)
    paper.unlink(missing_ok=True)
    machine.karyon(0, "safety", "sign", "--reason", reason, "--as", "judge", "--out", paper, *where,
                   home=machine.signer)
    signed = ["safety", "resume", "--reason", reason, "--signature", paper, *where]
    machine.karyon(0, *signed)
    return "signed"


def remove(data):
    """Also as root, to whom a safety log can only be appended to."""
    subprocess.run(["chattr", "-R", "-f", "-a", data], check=False, stderr=subprocess.DEVNULL)
    shutil.rmtree(data)


def cycle(machine, number, draw):
    data = machine.work / f"stopped-{number}"
    ways = draw.sample(WAYS, draw.choice([1, 1, 2]))
    story = []
    command = RUN
    for way in ways:
        for _ in range(20):
            after_s = draw.uniform(0.05, 0.9) * machine.lasts_s
            if stopped(machine, command, data, way, after_s):
                break
            if command == RUN:
                remove(data)
        else:
            raise Wrong(f"{way}: runs end before they can be stopped")
        if not (data / "log" / "00000000.log").exists():
            return ", ".join(story + [way, "nothing was recorded"])
        story += [way, resume(machine, data, number)]
        command = ["resume"]
    ended = machine.karyon(0, "resume", "--data", data)
    for root in ("state_root", "memory_root"):
        if ended[root] != machine.expected[root]:
            raise Wrong(f"{root} {ended[root]}, expected {machine.expected[root]}")
    remove(data)
    return ", ".join(story)


def main(cycles):
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed} (repeat the choices with SEED={seed})")
    draw, begun, failures = random.Random(seed), time.monotonic(), 0
    work = Path(tempfile.mkdtemp(prefix="karyon-stop-"))
    machine = Machine(work)
    print(f"state root {machine.expected['state_root']}, {machine.lasts_s:.2f} s a run")
    counts = {}
    for number in range(1, cycles + 1):
        try:
            story = cycle(machine, number, draw)
            for way in story.split(", "):
                counts[way] = counts.get(way, 0) + 1
        except (Wrong, KeyError, subprocess.TimeoutExpired) as wrong:
            story = f"WRONG: {wrong}"
            failures += 1
        print(f"{number:>4}  {story}", flush=True)
    print("stops: " + ", ".join(f"{counts.get(way, 0)} {way}" for way in WAYS))
    if failures:
        print(f"{failures} of {cycles} WRONG; their directories are in {work}")
        return 1
    # As root a safety log can only be appended to.
    subprocess.run(["chattr", "-R", "-f", "-a", work], check=False, stderr=subprocess.DEVNULL)
    shutil.rmtree(work, ignore_errors=True)
    print(f"all {cycles} came to the same state, {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
