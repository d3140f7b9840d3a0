//! Directories in use, disks that cannot be written, and disks that are full.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::support::{Place, skipped};

#[test]
fn one_process_at_a_time() {
    let place = Place::new();
    place.patient();
    let mut running = place.start_long("d");
    // It stands still, so that it does not end in the meantime.
    running.signal_node(&place.path("d"), "STOP");
    for args in
        [&["resume", "--data", "d"][..], &["safety", "resume", "--reason", "x", "--data", "d"]]
    {
        place.karyon(args).expect(1).says(&["d is in use by another process"]);
    }
    let refused = place.karyon(&["run", "rumour", "--data", "d"]).expect(1);
    assert!(["in use", "already holds a run"].iter().any(|w| refused.err.contains(w)));
    let status = place.karyon(&["safety", "status", "--data", "d", "--json"]).expect(0).json();
    assert_eq!((&status["running"], &status["start_permitted"]), (&true.into(), &false.into()));
    assert!(!running.has_ended(), "the run outlives those that were refused");
    running.signal("INT");
    running.signal_node(&place.path("d"), "CONT");
    running.end().expect(130);
    place.resumes_to_the_same_state("d");
}

#[test]
fn of_two_resumes_one_goes_on() {
    let place = Place::new();
    place.limits("free_space_mib = 0\n");
    let running = place.start_long("d");
    running.signal("INT");
    running.end().expect(130);
    let both = [(); 2].map(|()| place.start(&["resume", "--data", "d", "--schedulers", "1"]));
    let [a, b] = both.map(|running| running.end());
    let (done, refused) = if a.code == Some(0) { (a, b) } else { (b, a) };
    done.expect(0);
    refused.expect(1).says(&["in use"]);
    place.resumes_to_the_same_state("d");
}

#[test]
fn a_running_log_can_be_verified() {
    let place = Place::new();
    place.limits("free_space_mib = 0\n");
    let mut running = place.start_long("d");
    let mut times = 0;
    while !running.has_ended() {
        place.verified("d");
        times += 1;
    }
    running.end().expect(0);
    assert!(times > 0);
}

/// A shell in a mount namespace of its own, with a small disk on `disk` in the place.
struct Mounted {
    shell: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Mounted {
    /// `None`, and a visible word, where that is not permitted.
    fn new(place: &Place, options: &str) -> Option<Mounted> {
        std::fs::create_dir(place.path("disk")).unwrap();
        // As root, or as an ordinary user in a user namespace.
        ["-m", "-rm"].iter().find_map(|how| Mounted::by(how, place, options)).or_else(|| {
            skipped("a small disk: no mount namespace is permitted here");
            None
        })
    }

    fn by(how: &str, place: &Place, options: &str) -> Option<Mounted> {
        let mut shell = Command::new("unshare")
            .args([how, "sh"])
            .current_dir(place.path(""))
            .env("KARYON_CONFIG_HOME", place.keys())
            .env("KARYON", env!("CARGO_BIN_EXE_karyon"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let input = shell.stdin.take().unwrap();
        let output = BufReader::new(shell.stdout.take().unwrap());
        let mut mounted = Mounted { shell, input, output };
        // Twice: a user namespace may permit the first and not the second.
        for line in [
            format!("mount -t tmpfs -o {options} tmpfs disk"),
            format!("mount -o remount,{options} disk"),
        ] {
            mounted.try_shell(&line).filter(|(code, _)| *code == 0)?;
        }
        Some(mounted)
    }

    /// Runs a line; its exit code and what it said on both streams.
    fn try_shell(&mut self, line: &str) -> Option<(i32, String)> {
        writeln!(self.input, "{{ {line}\n}} 2>&1; echo \"=$?\"").ok()?;
        let mut said = String::new();
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end().strip_prefix('=').map(str::parse) {
                Some(Ok(code)) => return Some((code, said)),
                _ => said.push_str(&line),
            }
        }
    }

    #[track_caller]
    fn shell(&mut self, code: i32, line: &str) -> String {
        let (found, said) = self.try_shell(line).unwrap();
        assert_eq!(found, code, "{line}\n{said}");
        said
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.shell.kill().unwrap();
        self.shell.wait().unwrap();
    }
}

#[test]
fn a_full_disk_ends_the_run_and_keeps_what_was_recorded() {
    let place = Place::new();
    place.limits("free_space_mib = 0\n");
    // Half of what contacts, log and spare need.
    let Some(mut disk) = Mounted::new(&place, "size=12m") else { return };
    place.write("c.txt", &crate::support::contacts(200_000, 2_000));
    let run = "\"$KARYON\" run rumour --contacts c.txt --json --data";
    let whole = disk.shell(0, &format!("{run} whole"));
    let said = disk.shell(1, &format!("{run} disk/d"));
    for words in [
        "the log cannot be written: No space left on device",
        "free some space",
        "karyon safety resume",
        "karyon resume",
    ] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    let verify = "\"$KARYON\" audit verify --json --data disk/d";
    let report: serde_json::Value = last(&disk.shell(0, verify));
    assert_eq!(report["state"], "unsealed");
    assert!(report["records"].as_u64().unwrap() > 1000, "{report}");
    disk.shell(4, "\"$KARYON\" resume --data disk/d");
    disk.shell(0, "mount -o remount,size=128m disk");
    disk.shell(4, "\"$KARYON\" resume --data disk/d");
    disk.shell(0, "\"$KARYON\" safety resume --reason \"a larger disk\" --data disk/d");
    let resumed = last(&disk.shell(0, "\"$KARYON\" resume --json --data disk/d"));
    assert_eq!(resumed["state_root"], last(&whole)["state_root"]);
    assert_eq!(last(&disk.shell(0, verify))["state"], "sealed");
}

/// Leaves that many KiB free on the disk, by a file that fills the rest.
fn leave(disk: &mut Mounted, kib: u64) {
    disk.shell(0, "rm -f disk/filler");
    let free = disk.shell(0, "df --output=avail -k disk | tail -n 1");
    let free: u64 = free.trim().parse().unwrap();
    assert!(free >= kib, "the disk is too small: {free} KiB");
    disk.shell(0, &format!("head -c {} /dev/zero > disk/filler", (free - kib) * 1024));
}

/// A run on a disk with that much room ends with a word; with more it comes to the same roots.
fn fills_up(disk: &mut Mounted, kib: u64, cause: &str, marker: &str, whole: &serde_json::Value) {
    // A safety log of root's can only be appended to.
    disk.shell(0, "[ ! -e disk/d ] || chattr -R -f -a disk/d || true; rm -rf disk/d");
    leave(disk, kib);
    let said = disk.shell(1, "\"$KARYON\" run rumour --contacts c.txt --data disk/d");
    assert!(said.contains(cause) && said.contains("No space left on device"), "{kib}: {said}");
    let status = disk.shell(0, "\"$KARYON\" safety status --data disk/d");
    assert!(status.contains(marker), "{kib}: {status}");
    disk.shell(0, "[ ! -e disk/d/memory/graph.redb ] && [ ! -e disk/d/series.csv ]");
    let report = last(&disk.shell(0, "\"$KARYON\" audit verify --json --data disk/d"));
    assert_eq!(report["state"], "unsealed");
    let end = disk.shell(0, "\"$KARYON\" audit tail --data disk/d | tail -n 1");
    // A full log has room for last words; the memory's failure is none of the log.
    assert_eq!(end.contains("the node was halted: the log"), marker.contains("log"), "{end}");
    disk.shell(0, "cp disk/d/log/00000000.log before");

    // With no room at all not even a person's word is taken, and nothing is changed by it.
    leave(disk, 0);
    let said = disk.try_shell("\"$KARYON\" safety resume --reason early --data disk/d").unwrap();
    assert!(said.0 == 1 && said.1.contains("No space left"), "{kib}: {said:?}");
    disk.shell(4, "\"$KARYON\" resume --data disk/d");
    // With too little the resume is halted again, and says why.
    leave(disk, 64);
    disk.shell(0, "\"$KARYON\" safety resume --reason \"too early\" --data disk/d");
    let said = disk.shell(1, "\"$KARYON\" resume --data disk/d");
    assert!(said.contains("No space left") && said.contains("free some space"), "{kib}: {said}");
    let status = disk.shell(0, "\"$KARYON\" safety status --data disk/d");
    assert!(status.contains("halted") && status.contains("No space left"), "{kib}: {status}");

    disk.shell(0, "rm disk/filler");
    disk.shell(0, "\"$KARYON\" safety resume --reason \"space was freed\" --data disk/d");
    let resumed = last(&disk.shell(0, "\"$KARYON\" resume --json --data disk/d"));
    for root in ["state_root", "memory_root"] {
        assert_eq!(resumed[root], whole[root], "{kib}: {root}");
    }
    // What was acknowledged is there, byte for byte.
    disk.shell(0, &format!("cmp -n {} before disk/d/log/00000000.log", report["log_bytes"]));
    let sealed = last(&disk.shell(0, "\"$KARYON\" audit verify --json --data disk/d"));
    assert_eq!(sealed["state"], "sealed");
}

#[test]
fn whenever_the_disk_fills_up_the_run_comes_to_the_same_roots() {
    let place = Place::new();
    place.limits("free_space_mib = 0\n");
    let Some(mut disk) = Mounted::new(&place, "size=64m") else { return };
    // 1 MiB of contacts, 5 MiB of log, which takes its space in steps of 4 MiB.
    place.write("c.txt", &crate::support::contacts(60_000, 400));
    let whole = last(&disk.shell(0, "\"$KARYON\" run rumour --contacts c.txt --json --data whole"));
    let halted = "halted(0): the log cannot be written: No space left on device";
    fills_up(&mut disk, 8 << 10, "the log cannot be written", halted, &whole);
    let unbuilt = "halted(0): the run is recorded, but its memory cannot be built: ";
    fills_up(&mut disk, 12 << 10, "its memory cannot be built", unbuilt, &whole);
}

#[test]
fn what_cannot_be_written_is_not_there() {
    let place = Place::new();
    place.limits("free_space_mib = 0\n");
    let Some(mut disk) = Mounted::new(&place, "size=8m") else { return };
    place.write("c.txt", &crate::support::contacts(5_000, 50));
    disk.shell(0, "\"$KARYON\" run rumour --contacts c.txt --data d");
    for kib in [0, 4, 100] {
        leave(&mut disk, kib);
        for (line, file) in [
            ("audit export --data d --out", "e"),
            ("audit prove '#100' --data d --out", "p"),
            ("export --data d --out", "all.tar"),
            ("engram export --agent p1 p2 p3 p4 p5 p6 p7 --data d --out", "g.engram"),
        ] {
            let run = format!("\"$KARYON\" {line} disk/{file}");
            let (code, said) = disk.try_shell(&run).unwrap();
            if code == 0 && kib > 0 {
                disk.shell(0, &format!("rm disk/{file}"));
                continue;
            }
            assert!(code == 1 && said.contains("No space left on device"), "{kib} {run}: {said}");
            disk.shell(0, "[ \"$(ls -A disk)\" = filler ]");
        }
    }
    // A key is made whole or not at all, and then made by the same command.
    for kib in [0, 4, 8, 12] {
        leave(&mut disk, kib);
        disk.shell(0, "mkdir -m 700 disk/keys");
        let new = "KARYON_CONFIG_HOME=\"$PWD/disk/keys\" \"$KARYON\" key new alice";
        let (code, said) = disk.try_shell(new).unwrap();
        assert!(code == 0 || said.contains("No space left on device"), "{kib}: {said}");
        disk.shell(0, "[ -z \"$(find disk/keys -name 'alice.*' -size 0)\" ]");
        disk.shell(0, "rm disk/filler");
        if code != 0 {
            let (code, said) = disk.try_shell(new).unwrap();
            assert!(code == 0 || said.contains("alice"), "{kib}: {said}");
        }
        let show = "KARYON_CONFIG_HOME=\"$PWD/disk/keys\" \"$KARYON\" key show alice";
        disk.shell(0, show);
        disk.shell(0, "rm -r disk/keys");
    }
}

#[test]
fn an_import_that_finds_no_room_leaves_nothing() {
    let place = Place::new();
    place.limits("free_space_mib = 0\n");
    let Some(mut disk) = Mounted::new(&place, "size=32m") else { return };
    place.write("c.txt", &crate::support::contacts(5_000, 50));
    disk.shell(0, "\"$KARYON\" run rumour --contacts c.txt --data d");
    disk.shell(0, "\"$KARYON\" export --data d --out d.tar");
    let (mut refused, mut taken) = (0, 0);
    // Too little for the log, for the memory, for what is between; and enough.
    for kib in [0, 4, 64, 300, 700, 1_000, 2_000, 3_000, 4_000, 6_000, 20_000] {
        leave(&mut disk, kib);
        let (code, said) = disk.try_shell("\"$KARYON\" import d.tar --data disk/e --json").unwrap();
        if code == 0 {
            taken += 1;
            disk.shell(0, "\"$KARYON\" audit verify --data disk/e && rm -r disk/e");
        } else {
            refused += 1;
            assert!(code == 1 && said.contains("No space left on device"), "{kib}: {said}");
        }
        disk.shell(0, "[ \"$(ls -A disk)\" = filler ]");
    }
    assert!(refused > 2 && taken > 0, "{refused} refused, {taken} taken");
}

fn last(said: &str) -> serde_json::Value {
    serde_json::from_str(said.lines().last().unwrap()).unwrap()
}

#[test]
fn a_disk_that_is_full_at_once_ends_the_run_with_a_word() {
    for size in ["16k", "64k", "200k", "2m"] {
        let place = Place::new();
        place.limits("free_space_mib = 0\n");
        let Some(mut disk) = Mounted::new(&place, &format!("size={size}")) else { return };
        place.write("c.txt", &crate::support::contacts(5_000, 50));
        let said = disk.shell(1, "\"$KARYON\" run rumour --contacts c.txt --data disk/d");
        assert!(said.contains("No space left on device"), "{size}: {said}");
        let (code, said) = disk.try_shell("\"$KARYON\" audit verify --data disk/d").unwrap();
        assert!(code == 0 || code == 1 && said.contains("nothing was recorded"), "{size}: {said}");
    }
}

#[test]
fn a_read_only_disk_is_said_and_can_be_verified() {
    let place = Place::new();
    place.limits("free_space_mib = 0\n");
    let Some(mut disk) = Mounted::new(&place, "size=64m") else { return };
    place.write("c.txt", "a b 1\nb c 2\n");
    let run = "\"$KARYON\" run rumour --contacts c.txt --data";
    disk.shell(0, &format!("{run} disk/d"));
    disk.shell(0, "mkdir disk/empty");
    disk.shell(0, "mount -o remount,ro disk");
    for line in [&format!("{run} disk/new"), &format!("{run} disk/empty")] {
        let said = disk.shell(1, line);
        assert!(said.contains("disk/") && said.contains("Read-only file system"), "{said}");
    }
    let said = disk.shell(1, "\"$KARYON\" resume --data disk/d");
    assert!(said.contains("Read-only file system"), "{said}");
    let said = disk.shell(0, "\"$KARYON\" audit verify --json --data disk/d");
    assert_eq!(last(&said)["state"], "sealed");
    let said = disk.shell(0, "\"$KARYON\" safety status --json --data disk/d");
    assert_eq!(last(&said)["stop_present"], false);
    // The index of causes is not there, and cannot be put there.
    let said = disk.shell(0, "\"$KARYON\" why c --json --data disk/d");
    for words in ["cannot be written to: the index of causes", "is not kept"] {
        assert!(said.contains(words), "{said}");
    }
    assert!(!said.contains("the memory was built"), "that one is there: {said}");
    assert_eq!(last(&said)["ref"], "c");
    disk.shell(0, "mount -o remount,rw disk && rm -r disk/d/memory && mount -o remount,ro disk");
    let said = disk.shell(0, "\"$KARYON\" memory count contact --json --data disk/d");
    assert!(said.contains("cannot be written to: the memory was built in memory"), "{said}");
    assert_eq!(last(&said)["count"], 2);
}
