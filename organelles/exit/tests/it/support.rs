//! A small data directory, its export, and a hand that takes exports apart and puts them together.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use karyon_engram::envelope;
use karyon_exit::{Export, Exported, ImportError, Manifest, Place as Target, export};
use karyon_identity::SecretKey;
use karyon_log::{
    Cause, Control, End, Genesis, GrantRecord, InputFile, Lane, LeaseRecord, Output,
    PrincipalRecord, ReasonRecord, Record, SegmentHeader,
};
use karyon_log_writer::{Block, FileStorage, Storage as _, Writer};
use karyon_memory_ops::{Content, Entity, Time, Valid, Value, Vertex, Write};
use karyon_runtime::datadir::{checkpoint_file, inputs, log_file, log_folder};
use karyon_statements::Checkpoint;
use karyon_types::{AgentId, GrantId, LeaseId, LogId, Tick, hash};
use karyon_verify::{KeyStatus, Report, Trust, verify};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// What is signed.
pub const PAYLOAD_TYPE: &str = "application/vnd.karyon.export.manifest.v1+json";

/// The node's key.
pub fn key() -> SecretKey {
    SecretKey::from_seed([3; 32]).unwrap()
}

/// Where a test works.
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// With a data directory `d`.
    pub fn new() -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(place.path("d")).unwrap();
        write_data(&place.path("d"));
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What lies here.
    pub fn names(&self) -> Vec<String> {
        names(self.folder.path())
    }

    /// Exports a data directory.
    pub fn export(&self, data: &str, key: Option<&SecretKey>, out: &str) -> Exported {
        let data = self.path(data);
        let report = report(&data).unwrap();
        let graph = karyon_memory::open(&data, &mut |_| ()).unwrap().graph;
        let reader = graph.read().unwrap();
        let out = self.path(out);
        let request = Export {
            data: &data,
            report: &report,
            reader: &reader,
            key,
            karyon: "0.1.0",
            out: &out,
        };
        export(&request, &mut |_| ()).unwrap()
    }

    /// Imports a file, all steps of it.
    pub fn import(&self, file: &str, data: &str) -> Result<Report, ImportError> {
        let file = File::open(self.path(file)).unwrap();
        let target = Target::take(&self.path(data))?;
        let mut staged = target.unpack(file, &mut |_| ())?;
        let report = staged.verify(&Trust::default())?;
        staged.build_memory()?;
        staged.put_in_place()?;
        Ok(report)
    }

    /// Requires that an archive of these bytes is refused as one that is not as it was written, and
    /// that nothing is left of it.
    #[track_caller]
    pub fn refuses(&self, bytes: &[u8], what: &str) -> ImportError {
        fs::write(self.path("forged.tar"), bytes).unwrap();
        let before = self.names();
        let error = self.import("forged.tar", "new").expect_err(what);
        assert_eq!(self.names(), before, "{what}: something is left");
        error
    }
}

pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub fn report(data: &Path) -> Option<Report> {
    let trust = Trust { node_key: Some(key().public_key()), known: Vec::new() };
    let report = verify(&log_folder(data), &checkpoint_file(data), &inputs(data), &trust).ok()?;
    assert_eq!(report.key, KeyStatus::Trusted);
    Some(report)
}

/// A log of three agents, with an input, facts and a checkpoint.
fn write_data(data: &Path) {
    fs::create_dir(log_folder(data)).unwrap();
    fs::create_dir(inputs(data)).unwrap();
    let input = b"one two 1\n".repeat(400);
    fs::write(inputs(data).join("contacts"), &input).unwrap();
    fs::write(inputs(data).join("stray"), "the log does not know it").unwrap();
    karyon_safety::initialise(data).unwrap();
    let key = Arc::new(key());
    let header = SegmentHeader { log: LogId([2; 16]), node_key: key.public_key() };
    let mut storage = FileStorage::create(&log_file(data)).unwrap();
    storage.write_at(0, &header.encode()).unwrap();
    let writer =
        Writer::start(Box::new(storage), &header, Arc::clone(&key), 1, End::of_new_log()).unwrap();
    let named =
        InputFile { name: "contacts".into(), size: input.len() as u64, hash: hash(&input).0 };
    for records in beginning(named).chunks(4).chain(facts().chunks(50)) {
        let (control, ticks): (Vec<_>, Vec<_>) =
            records.iter().partition(|record| matches!(record, Record::Control(_)));
        for (lane, records) in [(Lane::Control, control), (Lane::Ticks, ticks)] {
            if records.is_empty() {
                continue;
            }
            let mut body = Vec::new();
            records.iter().for_each(|record| record.encode(&mut body));
            let count = records.len() as u32;
            writer.append(Block { lane, count, body, wall_ms: 1, seals: false }).unwrap();
            writer.flush().unwrap();
        }
    }
    writer.close().unwrap();
    // What a crash may leave: bytes that were never committed.
    let end = report(data).unwrap().end;
    let log = fs::OpenOptions::new().write(true).open(log_file(data)).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&log, &[7; 100], end.offset).unwrap();
    let origin = karyon_log::origin(LogId([2; 16]));
    let note = Checkpoint { origin, size: end.tree.size(), root: end.tree.root() };
    fs::write(checkpoint_file(data), note.to_note(&key).unwrap()).unwrap();
}

fn beginning(input: InputFile) -> Vec<Record<'static>> {
    let control = |control| Record::Control(Box::new(control));
    let mut records = vec![
        control(Control::Genesis(Genesis {
            karyon: "0.1.0".into(),
            created_unix_ms: 0,
            scenario_name: "test".into(),
            scenario: String::new(),
            kinds: vec![("person".into(), 1)],
            inputs: vec![input],
        })),
        control(Control::Principal(PrincipalRecord {
            id: 1,
            name: "ada".into(),
            public_key: [9; 32],
        })),
        control(Control::Reason(ReasonRecord { id: 1, parent: None, label: "to learn".into() })),
        control(Control::Grant(GrantRecord {
            id: 1,
            principal: 1,
            reason: 1,
            rights: 3,
            scope_first: 1,
            scope_last: 3,
            expires: None,
            signed: vec![1, 2],
            terms: None,
        })),
    ];
    for agent in 1..=3 {
        records.push(Record::Lease(LeaseRecord {
            id: LeaseId(agent),
            owner: AgentId(agent),
            grant: GrantId(1),
            rights: 3,
            scope: (1, 3),
            expires: None,
            log_bytes: None,
            cut: None,
        }));
        let name = ["one", "two", "three"][agent as usize - 1];
        records.push(Record::Spawn { agent: AgentId(agent), kind: 0, lease: LeaseId(agent), name });
    }
    records
}

/// Three facts, each of them written a hundred times.
fn facts() -> Vec<Record<'static>> {
    let mut records = Vec::new();
    for number in 0..300u64 {
        let agent = number % 3 + 1;
        let write = Write {
            entity: Entity::Fact {
                subject: Vertex::Agent(AgentId(agent)),
                predicate: "counted".into(),
            },
            valid: Valid::since(Time::new(number as i64, 0).unwrap()),
            content: Content::with([("number", Value::Int(number as i64))]),
        };
        let mut bytes = Vec::new();
        write.encode(&mut bytes).unwrap();
        let write = bytes.leak();
        records.push(Record::Tick(Tick(number)));
        records.push(Record::Step {
            agent: AgentId(agent),
            step: number / 3 + 1,
            cause: Cause::Input(number as u32),
            outputs: vec![Output::Remembered { lease: LeaseId(agent), write }],
        });
    }
    records
}

/// An archive in pieces: headers and contents.
#[derive(Clone)]
pub struct Pieces(pub Vec<(Vec<u8>, Vec<u8>)>);

impl Pieces {
    /// Takes an archive apart.
    pub fn of(bytes: &[u8]) -> Pieces {
        let (mut pieces, mut rest) = (Vec::new(), bytes);
        while rest[0] != 0 {
            let (header, behind) = rest.split_at(512);
            let digits = std::str::from_utf8(&header[124..135]).unwrap();
            let size = usize::from_str_radix(digits, 8).unwrap();
            pieces.push((header.to_vec(), behind[..size].to_vec()));
            rest = &behind[size.next_multiple_of(512)..];
        }
        assert_eq!(rest, [0; 1024]);
        Pieces(pieces)
    }

    /// Puts it together.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (header, content) in &self.0 {
            bytes.extend(header);
            bytes.extend(content);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
        bytes.extend([0; 1024]);
        bytes
    }

    pub fn at(&self, name: &str) -> usize {
        let is_named = |(header, _): &(Vec<u8>, Vec<u8>)| {
            header.starts_with(name.as_bytes()) && header[name.len()] == 0
        };
        self.0.iter().position(is_named).unwrap_or_else(|| panic!("no {name}"))
    }

    pub fn content(&self, name: &str) -> &[u8] {
        &self.0[self.at(name)].1
    }

    pub fn manifest(&self) -> Manifest {
        serde_json::from_slice(self.content("manifest.json")).unwrap()
    }

    /// Replaces a file, and its header.
    pub fn put(&mut self, name: &str, content: &[u8]) {
        let at = self.at(name);
        self.0[at] = (header(name, content.len()), content.to_vec());
    }

    pub fn remove(&mut self, name: &str) {
        let at = self.at(name);
        self.0.remove(at);
    }

    /// Makes manifest and list fit the files that are there, as a careful forger would; signed by
    /// `key`, if there is one.
    pub fn mend(&mut self, key: Option<&SecretKey>, change: impl FnOnce(&mut Manifest)) {
        let mut manifest = self.manifest();
        for file in &mut manifest.files {
            let content = self.content(&file.name.clone());
            file.bytes = content.len() as u64;
            file.sha256 = digits(content);
        }
        change(&mut manifest);
        let bytes = manifest.encode().unwrap();
        self.put("manifest.json", &bytes);
        let mut sums = format!("{}  manifest.json\n", digits(&bytes));
        if let Some(key) = key {
            let sealed = envelope::seal(PAYLOAD_TYPE, &bytes, key);
            self.put("manifest.dsse.json", &sealed);
            sums += &format!("{}  manifest.dsse.json\n", digits(&sealed));
        }
        for file in &manifest.files {
            sums += &format!("{}  {}\n", file.sha256, file.name);
        }
        self.put("SHA256SUMS", sums.as_bytes());
    }
}

pub fn digits(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A header of a regular file, by nothing but the standard.
pub fn header(name: &str, size: usize) -> Vec<u8> {
    let mut header = vec![0; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644\x000000000\x000000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0        0");
    put(257, b"ustar\x0000");
    put(329, b"0000000\x000000000\0");
    seal_header(&mut header);
    header
}

/// Puts the sum of a header into it.
pub fn seal_header(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}
