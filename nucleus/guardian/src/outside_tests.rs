use super::*;
use std::process::Command;

#[test]
fn a_tree_of_processes_is_seen() {
    let mut child = Command::new("sh").args(["-c", "sleep 60 & sleep 60"]).spawn().unwrap();
    let number = child.id() as i32;
    let mut processes = Processes::below(number);
    let found = loop {
        let used = processes.look();
        if used.processes == 3 {
            break used;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    assert!(found.memory_bytes > 0 && found.open_files > 0);
    let mut limits = Limits { processes: 3, ..Limits::default() };
    assert_eq!(found.check(&limits), Ok(()));
    limits.processes = 2;
    assert_eq!(
        found.check(&limits).unwrap_err(),
        "processes: 3, and 2 is the most that is allowed"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    Command::new("pkill").args(["-P", &number.to_string()]).status().ok();
}

#[test]
fn disk_use_and_free_space() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x"), vec![1; 3 << 20]).unwrap();
    let mut limits = Limits { disk_use_mib: 4, free_space_mib: 0, ..Limits::default() };
    assert_eq!(disk(dir.path(), &limits), Ok(()));
    limits.disk_use_mib = 2;
    assert!(disk(dir.path(), &limits).unwrap_err().starts_with("disk_use_mib: 3"));
    limits.free_space_mib = u64::MAX;
    assert!(disk(dir.path(), &limits).unwrap_err().starts_with("free_space_mib: "));
}

#[test]
fn every_change_of_the_contract_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let [there, absent] = ["there", "absent"].map(|name| dir.path().join(name));
    std::fs::write(&there, "1").unwrap();
    let taken = || Contract::of([there.clone(), absent.clone()]);
    let mut contract = taken();
    assert_eq!(contract.broken(), None);
    std::fs::write(&absent, "").unwrap();
    assert_eq!(contract.broken(), Some(absent.as_path()));
    contract = taken();
    assert_eq!(contract.broken(), None);
    std::fs::write(&there, "2").unwrap();
    assert_eq!(contract.broken(), Some(there.as_path()));
    contract = taken();
    std::fs::remove_file(&there).unwrap();
    assert_eq!(contract.broken(), Some(there.as_path()));
}
