//! Why memories are not recorded or erased.

use karyon_graph::GraphError;
use karyon_keystore::KeystoreError;
use karyon_runtime::NodeError;
use karyon_statements::GrantError;
use karyon_types::Position;

use super::recall::RecallError;
use crate::deed::DeedError;
use crate::moment::Date;

/// Why nothing was recorded or erased.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// A name, or what is said, breaks a bound.
    #[error("the memory of \"{subject}\" under \"{key}\" cannot be recorded: {why}")]
    Malformed {
        /// Whom it is about.
        subject: String,
        /// Under which key.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// There is one already.
    #[error("\"{key}\" of \"{subject}\" is remembered already, by record {position}")]
    IsThere {
        /// Whom it is about.
        subject: String,
        /// Under which key.
        key: String,
        /// The record.
        position: Position,
        /// The last second, since 1970, to which that is kept; `None`: until it is erased.
        horizon: Option<i64>,
    },
    /// Another one begins later, and would go on as if nothing had been said.
    #[error(
        "the memory of \"{subject}\" under \"{key}\" cannot be recorded: it would begin before record {id}, which holds from {from} on"
    )]
    Later {
        /// Whom it is about.
        subject: String,
        /// Under which key.
        key: String,
        /// Which one.
        id: String,
        /// When that begins.
        from: Date,
    },
    /// The newest one is erased; what it had replaced does not hold again.
    #[error(
        "\"{key}\" of \"{subject}\" is erased: its newest version, record {id}, is, and what that had replaced does not hold again"
    )]
    Gone {
        /// Whom it is about.
        subject: String,
        /// Under which key.
        key: String,
        /// Which one.
        id: String,
    },
    /// There is none.
    #[error("nothing is remembered of \"{subject}\"{}", under(.key.as_deref()))]
    Missing {
        /// Whom it would be about.
        subject: String,
        /// Under which key, if one was named.
        key: Option<String>,
    },
    /// An agent remembers it, under the one key of all that its run knows of the subject.
    #[error(
        "\"{key}\" of \"{subject}\" is what agents remember in a run, which is forgotten as a whole; forget all of \"{subject}\""
    )]
    InRun {
        /// Whom it is about.
        subject: String,
        /// Under which key.
        key: String,
    },
    /// A record that holds several.
    #[error("that record holds several of it: name one of {ids}")]
    NoId {
        /// Which.
        ids: String,
    },
    /// It is erased for good.
    #[error("\"{subject}\"{} is erased, and stays so", under(.key.as_deref()))]
    Erased {
        /// Whom it was about.
        subject: String,
        /// Under which key, if one was named.
        key: Option<String>,
    },
    /// Something else was recorded between the thought and the deed.
    #[error("something else was recorded meanwhile; nothing was changed, ask again")]
    Overtaken,
    /// What was handed over to be recorded is not what was signed.
    #[error("what is to be recorded is no change of memories: {0}")]
    Forged(&'static str),
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeystoreError),
    /// The memory cannot be read.
    #[error(transparent)]
    Recall(#[from] RecallError),
    /// The memory cannot be read.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The data directory cannot take anything in.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The grant does not allow it.
    #[error("refused: {0}")]
    Grant(#[from] GrantError),
    /// It is not admitted, or not recorded.
    #[error(transparent)]
    Deed(#[from] DeedError),
}

fn under(key: Option<&str>) -> String {
    key.map(|key| format!(" under \"{key}\"")).unwrap_or_default()
}
