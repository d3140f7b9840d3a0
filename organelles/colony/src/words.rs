//! What a colony's inputs and messages say, in words.

use std::path::Path;

use karyon_runtime::codec;

use crate::contacts::Contacts;
use crate::life::{LifeError, read_copy};
use crate::person::Meeting;

/// Reads inputs and messages for people.
pub struct Words {
    contacts: Contacts,
}

impl Words {
    /// With the copy of the contacts in a data directory.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(data: &Path) -> Result<Words, LifeError> {
        let (contacts, _) = Contacts::parse(read_copy(data)?)?;
        Ok(Words { contacts })
    }

    /// What an input says; `None`: there is no such input.
    pub fn input(&self, index: u32) -> Option<String> {
        let contact = self.contacts.list().get(index as usize)?;
        let name = |person| self.contacts.name(person).unwrap_or("?");
        Some(format!(
            "line {} of the contacts: {} {} {}",
            contact.line,
            name(contact.source),
            name(contact.target),
            self.contacts.time_text(index)
        ))
    }

    /// What a message says; `None`: it is none of a person's.
    pub fn message(&self, payload: &[u8]) -> Option<&'static str> {
        let meeting: Meeting = codec::decode(payload)?;
        Some(if meeting.rumour { "the rumour" } else { "a message without the rumour" })
    }
}
