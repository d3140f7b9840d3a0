//! The directories of `karyon-safety`'s tests, and what a person asks for there.

use std::ops::Deref;

use karyon_safety::Limits;

use crate::ResumeRequest;

#[path = "../../../nucleus/safety/src/test_place.rs"]
mod directories;

pub(crate) struct Place {
    pub(crate) limits: Limits,
    directories: directories::Place,
}

impl Place {
    pub(crate) fn new() -> Place {
        let directories = directories::Place::new();
        let host_stop = directories.data.with_file_name("host").join("STOP");
        Place { limits: Limits { host_stop, ..Limits::default() }, directories }
    }

    pub(crate) fn request<'a>(&'a self, reason: &'a str) -> ResumeRequest<'a> {
        ResumeRequest {
            data: &self.data,
            config: &self.config,
            log: [7; 16],
            reason,
            unix_ms: 1_700_000_000_250,
            least_n: 0,
            signature: None,
            limits: &self.limits,
        }
    }
}

impl Deref for Place {
    type Target = directories::Place;

    fn deref(&self) -> &directories::Place {
        &self.directories
    }
}
