//! A disk in memory that crashes, tears, forgets and fills up.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use karyon_log::{ReadFolder, ReadStorage};
use karyon_log_writer::{Folder, Storage};

/// What tears as one, bytes.
const SECTOR: usize = 512;

/// A folder whose operations are counted.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    name_changes: Vec<NameChange>,
    operations: u64,
    /// The operation with this number and all behind it fail.
    fails_at: Option<u64>,
    /// From the operation with this number on there is no more space.
    full_at: Option<u64>,
}

#[derive(Clone, Default)]
struct File {
    seen: Vec<u8>,
    durable: Vec<u8>,
    changes: Vec<Change>,
    /// Bytes that have space on the disk.
    allocated: usize,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

enum NameChange {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

impl Disk {
    pub fn fail_at(&self, operation: Option<u64>) {
        self.lock().fails_at = operation;
    }

    pub fn full_at(&self, operation: Option<u64>) {
        self.lock().full_at = operation;
    }

    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// What a restart finds: all that was synced, and of the rest what `random` chooses.
    pub fn after_crash(&self, random: &mut dyn FnMut() -> u64) -> Disk {
        let world = self.lock();
        let mut names = world.durable_names.clone();
        for change in &world.name_changes {
            if random().is_multiple_of(2) {
                change.apply(&mut names);
            }
        }
        let mut files = world.files.clone();
        for file in &mut files {
            file.crash(random);
        }
        let after = World { files, durable_names: names.clone(), names, ..World::default() };
        Disk(Arc::new(Mutex::new(after)))
    }

    fn find(&self, name: &str) -> io::Result<Handle> {
        let world = self.lock();
        let file = *world.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Handle { disk: self.clone(), file })
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            NameChange::Create(name, file) => {
                names.insert(name.clone(), *file);
            }
            NameChange::Rename(from, to) => {
                // Where its creation was lost, so is this.
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            NameChange::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl File {
    fn crash(&mut self, random: &mut dyn FnMut() -> u64) {
        let mut after = self.durable.clone();
        for change in self.changes.drain(..) {
            match change {
                Change::SetLen(len) if random().is_multiple_of(2) => after.resize(len, 0),
                Change::SetLen(_) => {}
                Change::Write(offset, bytes) => {
                    let whole = random().is_multiple_of(4);
                    for (index, sector) in bytes.chunks(SECTOR).enumerate() {
                        let part = match random() % 4 {
                            _ if whole => sector.len(),
                            0 => 0,
                            1 => (random() as usize % SECTOR).min(sector.len()),
                            _ => sector.len(),
                        };
                        put(&mut after, offset + index * SECTOR, &sector[..part]);
                    }
                }
            }
        }
        self.allocated = after.len();
        (self.seen, self.durable) = (after.clone(), after);
    }

    fn change(&mut self, change: Change) {
        match &change {
            Change::Write(offset, bytes) => put(&mut self.seen, *offset, bytes),
            Change::SetLen(len) => self.seen.resize(*len, 0),
        }
        self.changes.push(change);
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, new: &[u8]) {
    if new.is_empty() {
        return;
    }
    let end = offset + new.len();
    bytes.resize(bytes.len().max(end), 0);
    bytes[offset..end].copy_from_slice(new);
}

impl World {
    fn operation(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.fails_at {
            Some(at) if self.operations > at => Err(io::Error::other("the disk is gone")),
            _ => Ok(()),
        }
    }

    fn need_space(&self) -> io::Result<()> {
        match self.full_at {
            Some(at) if self.operations > at => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }
}

impl ReadFolder for Disk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.lock().names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn ReadStorage>> {
        Ok(Box::new(self.find(name)?))
    }
}

impl Folder for Disk {
    fn edit(&self, name: &str) -> io::Result<Box<dyn Storage>> {
        Ok(Box::new(self.find(name)?))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Storage>> {
        let mut world = self.lock();
        world.operation()?;
        world.need_space()?;
        if world.names.contains_key(name) {
            world.change_name(NameChange::Remove(name.into()));
        }
        let file = world.files.len();
        world.files.push(File::default());
        world.change_name(NameChange::Create(name.into(), file));
        drop(world);
        self.sync()?;
        Ok(Box::new(Handle { disk: self.clone(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.lock();
        world.operation()?;
        assert!(world.names.contains_key(from), "{from} is renamed but not there");
        world.change_name(NameChange::Rename(from.into(), to.into()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.lock();
        world.operation()?;
        world.change_name(NameChange::Remove(name.into()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.lock();
        world.operation()?;
        world.name_changes.clear();
        world.durable_names = world.names.clone();
        Ok(())
    }
}

struct Handle {
    disk: Disk,
    file: usize,
}

impl ReadStorage for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.lock().files[self.file].seen.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let world = self.disk.lock();
        let from = world.files[self.file].seen.get(offset as usize..).unwrap_or_default();
        buffer.copy_from_slice(from.get(..buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl Storage for Handle {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.disk.lock();
        // A write that fails may have written a part.
        let outcome = world.operation();
        let end = offset as usize + bytes.len();
        if world.files[self.file].allocated < end {
            world.need_space()?;
        }
        let file = &mut world.files[self.file];
        file.allocated = file.allocated.max(end);
        file.change(Change::Write(offset as usize, bytes.to_vec()));
        outcome
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut world = self.disk.lock();
        world.operation()?;
        let file = &mut world.files[self.file];
        file.changes.clear();
        file.durable = file.seen.clone();
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let mut world = self.disk.lock();
        world.operation()?;
        let file = &mut world.files[self.file];
        file.change(Change::SetLen(len as usize));
        file.allocated = file.allocated.min(len as usize);
        Ok(())
    }

    fn reserve(&mut self, len: u64) -> io::Result<()> {
        let mut world = self.disk.lock();
        world.operation()?;
        let len = len as usize;
        if world.files[self.file].allocated < len {
            world.need_space()?;
        }
        let file = &mut world.files[self.file];
        file.allocated = file.allocated.max(len);
        if file.seen.len() < len {
            file.change(Change::SetLen(len));
        }
        Ok(())
    }
}
