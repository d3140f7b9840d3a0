"""Kills runs, resumes them, compares their state: see kill_resume.sh, which starts this."""

import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KARYON = os.environ["KARYON"]
CHAOS = ["--chaos", "0.1"]  # Makes a run last longer; its state stays the same.
PATIENCE_S = 300
SECTOR = 4096
LONG_CONTACTS = 850_000  # Some 70 MiB of log.
RANDOM_SHORT, RANDOM_FULL, RANDOM_LONG = 6, 92, 8
# Each model by its name, large enough to be met while it runs; and how often it is killed.
MODELS = {
    "flocking": ["birds=400"],
    "forest-fire": ["density=0.62"],
    "gossip": [],
    "maki-thompson": [],
    "moran": ["individuals=200", "mutants=20"],
    "schelling": ["side=80", "agents=4000"],
    "sir": [],
    "sir-events": ["people=5000", "cases=20"],
    "wealth": ["time=300"],
    "wolf-sheep": ["steps=200"],
}
MODELS_SHORT, MODELS_FULL = 1, 5

# Where strace kills whoever does it, guardian or node: the class, what it is, the file whose calls
# alone are counted, the call, and which of them. `{keys}` is the configuration.
RENAMES, MKDIRS = "?rename,?renameat,?renameat2", "?mkdir,?mkdirat"
BEFORE, BETWEEN, LAST, BEHIND = "before genesis", "between commits", "last commit", "behind seal"
FORCED = [
    (BEFORE, "no safety folder yet", "safety", MKDIRS, 1),
    (BEFORE, "no marker yet", "safety/.marker.new", "fsync", 1),
    (BEFORE, "the marker is not running", "safety/.marker.new", "fsync", 2),
    (BEFORE, "no input copy yet", "inputs/.contacts.new", RENAMES, 1),
    (BEFORE, "the spare is empty", "log/spare.log", "pwrite64", 1),
    (BEFORE, "the log has no name yet", "log/spare.log", RENAMES, 1),
    (BEFORE, "the log is a header", "log/spare.log", "fallocate", 2),
    (BETWEEN, "right behind genesis", "log/00000000.log", "pwrite64", 2),
    (BEHIND, "no checkpoint yet", "log/.checkpoint.new", RENAMES, 1),
    (BEHIND, "no checkpoint elsewhere", "{keys}/checkpoints", MKDIRS, 1),
    (BEHIND, "no memory yet", "memory/run.redb", RENAMES, 1),
    (BEHIND, "no results yet", ".arrivals.csv.new", RENAMES, 1),
    (BEHIND, "the marker is not clear", "safety/.marker.new", "fsync", 3),
]
# Where strace kills between one file of the log and the next: what it is, whether in a run or in
# a resume (in which the log's thread alone makes a file of the spare), the file whose calls alone
# are counted, the call, and how many files the log has then.
TURNS = [
    ("turned, not cut to its length", "run", "log/00000000.log", "ftruncate", 1),
    ("turned, the spare is empty", "resume", "log/spare.log", "pwrite64", 1),
    ("turned, the spare has no name yet", "resume", "log/spare.log", RENAMES, 1),
    ("turned, the next has no commit", "run", "log/00000001.log", "pwrite64", 2),
    ("turned, no sync in the next", "run", "log/00000001.log", "fdatasync", 2),
    ("turned, no hashes of the records", "run", "log/records.new", RENAMES, None),
]
# The last commit is the seal. Before it is written the roots are taken: a kill when all records but
# the seal's are in the log comes before the write. What a power cut leaves of the write is made
# from a run that ended, with the marker of one that was killed.
SEALS = ["before its write", "before its sync", "torn in its write"]
SHORT = {"the log is a header", "right behind genesis"}


def last_commit(log, at, records):
    """Where the first sector behind the commits of a log is, and how many records they hold, read on
    from where both are known. See docs/formats.md."""
    if not log.exists():
        return at, records
    with log.open("rb") as file:
        while True:
            file.seek(at)
            head = file.read(64)
            if head[:4] != b"KCMT" or len(head) < 64:
                return at, records
            length, blocks, _, _, first, body = struct.unpack("<IIQQQQ", head[24:])
            file.seek(at + 128)
            entries = file.read(40 * blocks)
            if len(entries) < 40 * blocks:
                return at, records
            counts = [struct.unpack_from("<I", entries, 40 * n + 32)[0] for n in range(blocks)]
            records = first + sum(counts)
            at += -(-(length + body) // SECTOR) * SECTOR


def wait_until_free(data):
    """Until nobody uses it: whoever is killed, what the guardian held ends a moment later."""
    lock, begun = data / "lock", time.monotonic()
    while lock.exists() and time.monotonic() - begun < PATIENCE_S:
        inode = os.stat(lock).st_ino
        if f":{inode} " not in Path("/proc/locks").read_text():
            return
        time.sleep(0.005)


def remove(data):
    """Also as root, to whom a safety log can only be appended to."""
    events = data / "logs" / "safety_events.jsonl"
    if events.exists() and os.geteuid() == 0:
        subprocess.run(["chattr", "-a", events], check=False, stderr=subprocess.DEVNULL)
    shutil.rmtree(data)


class Wrong(Exception):
    """Something is not as promised."""


def karyon(*args):
    """Runs the program to its end: exit code, last object, words."""
    done = subprocess.run([KARYON, *args, "--json"], capture_output=True, text=True,
                          timeout=PATIENCE_S)
    lines = done.stdout.splitlines()
    try:
        answer = json.loads(lines[-1]) if lines else {}
    except ValueError:
        answer = {}
    return done.returncode, answer, done.stderr.strip()


def must(code, *args):
    found, answer, words = karyon(*args)
    if found != code:
        raise Wrong(f"{' '.join(args)}: exit {found}, expected {code}: {words}")
    return answer


def log_files(data):
    """The files that the log has."""
    return sorted(file for file in (data / "log").glob("*.log") if file.stem.isdigit())


class Trial:
    def __init__(self, work, scenario):
        self.work, self.scenario = work, scenario
        self.rows, self.failures, self.number = [], 0, 0
        self.long_ones, self.with_checkpoint = 0, 0
        self.expected = must(0, *self.run("reference"))
        begun = time.monotonic()
        with_chaos = must(0, *self.run("with-chaos"), *CHAOS)
        self.lasts_s = time.monotonic() - begun
        self.same_root(with_chaos)

    def run(self, data):
        return ["run", *self.scenario, "--data", str(self.work / data)]

    def same_root(self, answer):
        # `audit verify` knows the state root only: memory is no part of the log.
        roots = ("state_root", "memory_root") if "memory_root" in answer else ("state_root",)
        for root in roots:
            if answer[root] != self.expected[root]:
                raise Wrong(f"{root} {answer[root]}, expected {self.expected[root]}")

    def new_data(self):
        self.number += 1
        return self.work / f"killed-{self.number}"

    def random_kill(self, draw, earliest=0.02):
        """A kill at a random moment, from a share of the run on; again when the run was faster than the kill."""
        for _ in range(100):
            data = self.new_data()
            after_s = draw.uniform(earliest, 0.95) * self.lasts_s
            command = [KARYON, *self.run(data.name), *CHAOS, "--schedulers", draw.choice("124")]
            child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                child.wait(after_s)
                remove(data)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                wait_until_free(data)
                return data, f"{self.scenario[0]}, after {after_s * 1000:.0f} ms"
        raise Wrong("runs end before they can be killed")

    def strace(self, data, injections, only=None, action=None):
        trace = ",".join({injection.split(":")[0] for injection in injections} | {"pwrite64"})
        output = self.work / "strace"
        command = ["strace", "-f", "-qq", "-o", str(output), "-e", f"trace={trace}"]
        if only:
            command += ["-P", str(data / only.format(keys=os.environ["KARYON_CONFIG_HOME"]))]
        for injection in injections:
            command += ["-e", f"inject={injection}"]
        command += [KARYON, *(action or self.run(data.name)), "--schedulers", "1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        return done.returncode, output.read_text()

    def unable_to_force(self):
        """Why strace cannot be used here; `None`: it can."""
        if not shutil.which("strace"):
            return "there is no strace"
        code, text = self.strace(self.new_data(), ["pwrite64:delay_enter=1:when=1"])
        injected = "INJECTED" in text or "DELAYED" in text
        return None if code == 0 and injected else f"strace injects nothing, exit {code}"

    def forced_kill(self, what, injections, only=None, resumed=None):
        data = resumed or self.new_data()
        action = ["resume", "--data", str(data)] if resumed else None
        code, _ = self.strace(data, injections, only, action)
        if code not in (-9, 137):
            raise Wrong(f"was not killed: exit {code}")
        return data, f"forced: {what}"

    def killed_at_a_turn(self, what, action, file, call, files):
        before = None
        if action == "resume":
            before, _ = self.forced_kill("early", ["pwrite64:signal=KILL:when=9"], "log/00000000.log")
            must(0, "safety", "resume", "--reason", "killed early", "--data", str(before))
        data, label = self.forced_kill(what, [f"{call}:signal=KILL:when=1"], file, before)
        found = len(log_files(data))
        if files is not None and found != files:
            raise Wrong(f"the log has {found} files, expected {files}")
        return data, label

    def killed_before_the_seal(self):
        """A run that was killed when all was committed but the seal."""
        for _ in range(100):
            data = self.new_data()
            child = subprocess.Popen([KARYON, *self.run(data.name)], stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
            log, at, records = data / "log" / "00000000.log", SECTOR, 0
            while child.poll() is None and records < self.expected["records"] - 1:
                at, records = last_commit(log, at, records)
            child.kill()
            child.wait()
            wait_until_free(data)
            code, report, _ = karyon("audit", "verify", "--data", str(data))
            if code == 0 and report["records"] == self.expected["records"] - 1:
                return data
            remove(data)
        raise Wrong("the seal could not be met")

    def sealing_kill(self, what):
        killed = self.killed_before_the_seal()
        if what == "before its write":
            return killed, what
        data = self.new_data()
        kept = Path(os.environ["KARYON_CONFIG_HOME"]) / "checkpoints"
        before = set(kept.iterdir())
        must(0, *self.run(data.name))
        # What is made when the seal is durable: the checkpoints, the hashes of the records.
        for file in [*(data / "log").glob("*.records"), *(set(kept.iterdir()) - before)]:
            file.unlink()
        shutil.copy(killed / "safety" / "marker", data / "safety" / "marker")
        remove(killed)
        (data / "log" / "checkpoint").unlink()
        if what == "torn in its write":
            # What a disk may keep of a write when the power goes: its beginning, then zeros.
            log = data / "log" / "00000000.log"
            end = log.stat().st_size
            os.truncate(log, end - SECTOR + 256)
            os.truncate(log, end)
        return data, what

    def recover(self, data, wanted, draw):
        """Verifies, resumes, compares; says how it went."""
        where = ["--data", str(data)]
        code, report, words = karyon("audit", "verify", *where)
        nothing = code == 1 and ("nothing was recorded" in words or not data.exists()
                                 or "not a Karyon log" in words)
        if not nothing and code != 0:
            raise Wrong(f"verify: exit {code}: {words}")
        tail, commits, records = (report.get(k, 0) for k in ("tail_bytes", "commits", "records"))
        kind = self.kind(report, wanted)
        files = len(log_files(data))
        self.shown = [kind, files, tail, commits, records]
        self.long_ones += files > 1
        self.with_checkpoint += (data / "log" / "checkpoint").exists()
        if wanted and kind != wanted:
            raise Wrong(f"the kill was {kind}, not {wanted}")
        if kind == BEFORE:
            if data.exists():
                words = karyon("resume", *where)
                if words[0] == 4:
                    must(0, "safety", "resume", "--reason", f"kill {self.number}", *where)
                    words = karyon("resume", *where)
                if words[0] != 1 or "nothing was recorded" not in words[2]:
                    raise Wrong(f"resume: exit {words[0]}: {words[2]}")
            return "nothing was recorded, said so"
        if not must(0, "safety", "status", *where)["start_permitted"]:
            must(4, "resume", *where)
            must(0, "safety", "resume", "--reason", f"kill {self.number}", *where)
        schedulers = draw.choice("124")
        resumed = must(0, "resume", *where, "--schedulers", schedulers)
        self.same_root(resumed)
        sealed = must(0, "audit", "verify", *where)
        if sealed["state"] != "sealed":
            raise Wrong(f"the log is {sealed['state']}")
        self.same_root(sealed)
        return f"equal, {schedulers} schedulers"

    @staticmethod
    def kind(report, wanted):
        if report.get("commits", 0) == 0:
            return BEFORE
        if report["state"] == "sealed":
            # Killed before the sync of the commit that the system kept nevertheless.
            return LAST if wanted == LAST else BEHIND
        if wanted == LAST:
            return LAST  # As its bytes said when they were to be written.
        return "in a commit" if report["tail_bytes"] else BETWEEN

    def attempt(self, kill, wanted, draw, label=""):
        self.shown = [wanted or "?", "", "", "", ""]
        try:
            data, label = kill()
            result, ok = self.recover(data, wanted, draw), True
            if data.exists():
                remove(data)
        except (Wrong, KeyError, subprocess.TimeoutExpired) as wrong:
            result, ok = f"WRONG: {wrong}", False
            self.failures += 1
        print("{:>4}  {:40} {:16} {:>5} {:>10} {:>7} {:>8}  {}".format(
            len(self.rows) + 1, label, *map(str, self.shown), result), flush=True)
        self.rows.append((self.shown[0], ok))


def generated(work, how_many, contacts):
    """A network, the same for every seed."""
    draw = random.Random(1)
    people = lambda: int(how_many * draw.random() ** 2)
    file = work / "contacts.txt"
    file.write_text("".join(f"{people()} {people()} {time}\n" for time in range(contacts)))
    return file


def long_trial(work, rows):
    """Runs whose log has more than one file: a file ends at 64 MiB."""
    work.mkdir()
    trial = Trial(work, ["rumour", "--contacts", str(generated(work, 8_000, LONG_CONTACTS))])
    files = len(log_files(work / "reference"))
    if files < 2:
        raise Wrong("the long run fits in one file of the log: give it more contacts")
    trial.rows = rows
    print(f"long runs: {LONG_CONTACTS} contacts, {files} files of log, {trial.lasts_s:.2f} s each")
    return trial


def model_trial(work, name, rows):
    """Runs of a model."""
    folder = work / name
    folder.mkdir()
    trial = Trial(folder, [name, *(word for value in MODELS[name] for word in ("--set", value))])
    trial.rows = rows
    return trial


def main(mode):
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed} (repeat the choices with SEED={seed})")
    draw, begun = random.Random(seed), time.monotonic()
    work = Path(tempfile.mkdtemp(prefix="karyon-kill-"))
    os.environ["KARYON_CONFIG_HOME"] = str(work / "keys")
    contacts = Path(os.environ["KARYON_DATASETS"]) / "college-msg.txt"
    found = contacts.is_file()
    print(f"contacts: {contacts.name if found else 'generated (college-msg.txt was not found)'}")
    network = ["rumour", "--contacts", str(contacts.resolve() if found else generated(work, 1900, 60_000))]
    trial = Trial(work, network)
    # Traced runs are slow: they get a twentieth of the contacts.
    (work / "small").mkdir()
    few = work / "few-contacts.txt"
    lines = (work / "reference" / "inputs" / "contacts").read_text().splitlines(keepends=True)
    few.write_text("".join(lines[:3_000]))
    small = Trial(work / "small", ["rumour", "--contacts", str(few)])
    small.rows = trial.rows
    print(f"state root {trial.expected['state_root']}, {trial.lasts_s:.2f} s a run with chaos")
    long = long_trial(work / "long", trial.rows) if mode == "full" else None
    print("kill  moment                                   class            files tail bytes "
          "commits  records  result")
    missing = []
    unable = small.unable_to_force()
    if unable:
        missing = sorted({kind for kind, *_ in FORCED} | {"between two files"})
    else:
        for kind, what, only, call, when in FORCED:
            if mode == "full" or what in SHORT:
                injections = [f"{call}:signal=KILL:when={when}"]
                kill = lambda: small.forced_kill(what, injections, only)
                small.attempt(kill, kind, draw, f"forced: {what}")
        for turn in TURNS if long else []:
            long.attempt(lambda: long.killed_at_a_turn(*turn), None, draw, f"forced: {turn[0]}")
    for what in SEALS:
        trial.attempt(lambda: trial.sealing_kill(what), LAST, draw, what)
    for _ in range(RANDOM_FULL if long else RANDOM_SHORT):
        trial.attempt(lambda: trial.random_kill(draw), None, draw)
    for _ in range(RANDOM_LONG if long else 0):
        long.attempt(lambda: long.random_kill(draw), None, draw)
    models = [model_trial(work, name, trial.rows) for name in MODELS]
    for model in models:
        for _ in range(MODELS_FULL if long else MODELS_SHORT):
            model.attempt(lambda: model.random_kill(draw, 0.4), None, draw)

    counts = {}
    for kind, ok in trial.rows:
        counts[kind] = counts.get(kind, 0) + 1
    print("kills: " + ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())))
    trials = [trial, small, *models] + ([long] if long else [])
    print(f"of them {sum(t.long_ones for t in trials)} with more than one file of log, "
          f"{sum(t.with_checkpoint for t in trials)} with a checkpoint; "
          f"{time.monotonic() - begun:.0f} s in all")
    failures = sum(t.failures for t in trials)
    if failures:
        print(f"{failures} of {len(trial.rows)} WRONG; their directories are in {work}")
        return 1
    shutil.rmtree(work)
    if missing:
        print(f"not forced ({unable}): {', '.join(missing)}")
        return 2 if mode == "full" else 0
    print(f"all {len(trial.rows)} came to the same state")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
