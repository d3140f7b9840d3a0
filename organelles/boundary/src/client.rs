//! The other side: asks a node, and waits no longer than it is told to.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::branches::{Tree, TreeOf};
use crate::limits::ANSWER_BYTES_MAX;
use crate::protocol::{
    Done, Failure, Hello, Initialize, Inspected, JSONRPC, List, Listed, PROTOCOL, Request,
    RequestId, Response, Target,
};
use crate::socket::connect_in;
use crate::wire::{Silence, Wire};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no such directory.
    #[error("there is no data directory {}", .0.display())]
    NoData(PathBuf),
    /// Nobody listens there.
    #[error("no node runs in {}", .0.display())]
    NoNode(PathBuf),
    /// The node is another user's.
    #[error("the node in {} is another user's", .0.display())]
    NotAllowed(PathBuf),
    /// It took too long.
    #[error("the node did not answer in time")]
    Late,
    /// It went away.
    #[error("the node ended before it answered")]
    Closed,
    /// The system failed.
    #[error("the node cannot be reached: {0}")]
    Io(#[from] io::Error),
    /// It says what it must not.
    #[error("what the node answered is not understood: {0}")]
    Answer(String),
    /// It says no.
    #[error("{} ({})", .0.message, .0.data.code)]
    Failed(Box<Failure>),
}

impl From<Silence> for ClientError {
    fn from(silence: Silence) -> ClientError {
        match silence {
            Silence::Closed | Silence::Stopped => ClientError::Closed,
            Silence::Late => ClientError::Late,
            Silence::TooLong => ClientError::Answer("it is too long".into()),
            Silence::Failed(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                ClientError::Closed
            }
            Silence::Failed(error) => ClientError::Io(error),
        }
    }
}

/// A conversation with a node.
pub struct Client {
    wire: Wire,
    /// The number of the last request.
    asked: i64,
    patience: Duration,
    hello: Hello,
}

impl Client {
    /// Connects to the node in `data`, which answers each request within `patience`; `name` is
    /// who asks.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn connect(data: &Path, name: &str, patience: Duration) -> Result<Client, ClientError> {
        let stream = connect_in(data, patience).map_err(|errno| match errno {
            Errno::NOENT | Errno::NOTDIR if !data.is_dir() => ClientError::NoData(data.into()),
            Errno::NOENT | Errno::CONNREFUSED => ClientError::NoNode(data.into()),
            Errno::ACCESS | Errno::PERM => ClientError::NotAllowed(data.into()),
            Errno::AGAIN => ClientError::Late,
            errno => ClientError::Io(errno.into()),
        })?;
        let wire = Wire::new(stream, None, ANSWER_BYTES_MAX)?;
        let hello = Hello { protocol: 0, karyon: String::new(), log: String::new(), boot: 0 };
        let mut client = Client { wire, asked: 0, patience, hello };
        let greeting = Initialize { client: name.into(), protocol: vec![PROTOCOL] };
        client.hello = client.call("initialize", &greeting)?;
        match client.hello.protocol {
            PROTOCOL => Ok(client),
            other => Err(ClientError::Answer(format!("it chose version {other}"))),
        }
    }

    /// Who answers.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Who is there.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn list(&mut self, list: &List) -> Result<Listed, ClientError> {
        self.call("process.list", list)
    }

    /// All about one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn inspect(&mut self, id: u64) -> Result<Inspected, ClientError> {
        self.call("process.inspect", &Target { id })
    }

    /// The tree of supervisors, from a place on.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn tree(&mut self, of: &TreeOf) -> Result<Tree, ClientError> {
        self.call("process.tree", of)
    }

    /// From the next tick on its messages wait.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn pause(&mut self, id: u64) -> Result<Done, ClientError> {
        self.call("process.pause", &Target { id })
    }

    /// They wait no more.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn resume(&mut self, id: u64) -> Result<Done, ClientError> {
        self.call("process.resume", &Target { id })
    }

    /// It ends; its supervisor decides what follows.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn kill(&mut self, id: u64) -> Result<Done, ClientError> {
        self.call("process.kill", &Target { id })
    }

    /// It ends and begins anew.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn restart(&mut self, id: u64) -> Result<Done, ClientError> {
        self.call("process.restart", &Target { id })
    }

    /// A second agent begins with its state.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn fork(&mut self, id: u64) -> Result<Done, ClientError> {
        self.call("process.fork", &Target { id })
    }

    fn call<R: DeserializeOwned>(
        &mut self,
        method: &str,
        params: &impl Serialize,
    ) -> Result<R, ClientError> {
        self.asked += 1;
        let id = RequestId::Number(self.asked);
        let request = Request { jsonrpc: JSONRPC, id: id.clone(), method, params };
        let line = serde_json::to_vec(&request).map_err(io::Error::from)?;
        match self.wire.say(&line, self.patience) {
            // What it said before it closed is still there to be heard.
            Ok(()) | Err(Silence::Closed) => {}
            Err(silence) => return Err(silence.into()),
        }
        let line = self.wire.line(self.patience, self.patience)?;
        let answer: Response<R> = serde_json::from_slice(&line)
            .map_err(|error| ClientError::Answer(error.to_string()))?;
        match (answer.id, answer.result, answer.error) {
            (_, None, Some(failure)) => Err(ClientError::Failed(Box::new(failure))),
            (Some(answered), Some(result), None) if answered == id => Ok(result),
            (Some(_) | None, _, _) => Err(ClientError::Answer("it is to another question".into())),
        }
    }
}
