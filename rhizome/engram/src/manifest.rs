//! The manifest: where the memories come from, who answers for that, and which they are.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ipld_core::cid::Cid as Link;
use karyon_identity::{PublicKey, is_principal_name};
use karyon_memory_ops::{Time, is_name};
use karyon_types::{AgentId, LogId};
use serde::de::{self, SeqAccess, Visitor};
use serde::ser::{self, SerializeSeq as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteArray;

use crate::cid::{Cid, Codec};
use crate::error::EngramError;
use crate::limits::{MEMORIES_MAX, REASON_BYTES_MAX};
use crate::memory::{WireTime, time_from_wire, time_to_wire};

const VERSION: u64 = 1;

/// The log that the memories come from, as it was when they were taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its identity.
    pub log: LogId,
    /// The key that signs its commits.
    pub node_key: PublicKey,
    /// The size of its tree, in blocks.
    pub tree_size: u64,
    /// The root of its tree.
    pub tree_root: [u8; 32],
    /// How many records it had.
    pub records: u64,
}

/// Who answers for the log's memories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The name, as their own node knows it.
    pub name: String,
    /// The key.
    pub public_key: PublicKey,
}

/// What is signed, beside the list of the memories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Where the memories come from.
    pub origin: Origin,
    /// Who answers for them.
    pub principal: Principal,
    /// Why they were recorded: the reason of the grant under which that was done.
    pub reason: String,
    /// When, in milliseconds since 1970, UTC.
    pub created_unix_ms: u64,
    /// The moment of valid time for which they were chosen; `None`: not by a moment.
    pub at: Option<Time>,
    /// The agents for whom they were chosen, with their names.
    pub agents: BTreeMap<AgentId, String>,
    /// The name of every agent that a memory mentions, and of no other.
    pub names: BTreeMap<AgentId, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireManifest<'a> {
    version: u64,
    origin: WireOrigin,
    principal: WirePrincipal,
    reason: String,
    created_unix_ms: u64,
    at: Option<WireTime>,
    agents: Vec<(u64, String)>,
    names: Vec<(u64, String)>,
    memories: Links<'a>,
}

/// The list of the memories: 36 bytes each, as read and as written.
struct Links<'a>(Cow<'a, [Cid]>);

impl Serialize for Links<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for cid in self.0.iter() {
            let link = Link::try_from(&cid.to_bytes()[..]).map_err(ser::Error::custom)?;
            list.serialize_element(&link)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Links<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;

        impl<'de> Visitor<'de> for ListVisitor {
            type Value = Vec<Cid>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of links to memories")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Cid>, A::Error> {
                let mut cids = Vec::new();
                while let Some(link) = list.next_element::<Link>()? {
                    let cid = Cid::from_bytes(&link.to_bytes());
                    let cid = cid.filter(|cid| cid.codec() == Codec::DagCbor);
                    cids.push(cid.ok_or(de::Error::custom("a link to no memory"))?);
                }
                Ok(cids)
            }
        }

        Ok(Links(Cow::Owned(deserializer.deserialize_seq(ListVisitor)?)))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireOrigin {
    log: ByteArray<16>,
    node_key: ByteArray<32>,
    tree_size: u64,
    tree_root: ByteArray<32>,
    records: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePrincipal {
    name: String,
    public_key: ByteArray<32>,
}

/// What every version says of itself.
#[derive(Deserialize)]
struct AnyVersion {
    version: u64,
}

impl Manifest {
    /// The payload: the manifest with the list of its memories, which is in order.
    pub(crate) fn encode(&self, memories: &[Cid]) -> Result<Vec<u8>, EngramError> {
        let bad = |what| EngramError::Manifest { what };
        let pairs = |map: &BTreeMap<AgentId, String>| {
            map.iter().map(|(agent, name)| (agent.0, name.clone())).collect()
        };
        let wire = WireManifest {
            version: VERSION,
            origin: WireOrigin {
                log: ByteArray::new(self.origin.log.0),
                node_key: ByteArray::new(self.origin.node_key.0),
                tree_size: self.origin.tree_size,
                tree_root: ByteArray::new(self.origin.tree_root),
                records: self.origin.records,
            },
            principal: WirePrincipal {
                name: self.principal.name.clone(),
                public_key: ByteArray::new(self.principal.public_key.0),
            },
            reason: self.reason.clone(),
            created_unix_ms: self.created_unix_ms,
            at: self.at.map(time_to_wire),
            agents: pairs(&self.agents),
            names: pairs(&self.names),
            memories: Links(Cow::Borrowed(memories)),
        };
        serde_ipld_dagcbor::to_vec(&wire).map_err(|_| bad("cannot be written"))
    }

    /// Reads a payload that [`encode`](Manifest::encode) wrote, and nothing else.
    pub(crate) fn decode(payload: &[u8]) -> Result<(Manifest, Vec<Cid>), EngramError> {
        let bad = |what| EngramError::Manifest { what };
        let wire: WireManifest<'_> = match serde_ipld_dagcbor::from_slice(payload) {
            Ok(wire) => wire,
            Err(_) => return Err(other_version(payload)),
        };
        if wire.version != VERSION {
            return Err(EngramError::Version { found: wire.version });
        }
        let memories = wire.memories.0.into_owned();
        if !memories.is_sorted_by(|a, b| a < b) {
            return Err(bad("does not list its memories once each and in order"));
        }
        let named = |pairs: Vec<(u64, String)>| {
            pairs.into_iter().map(|(agent, name)| (AgentId(agent), name)).collect()
        };
        let manifest = Manifest {
            origin: Origin {
                log: LogId(wire.origin.log.into_array()),
                node_key: PublicKey(wire.origin.node_key.into_array()),
                tree_size: wire.origin.tree_size,
                tree_root: wire.origin.tree_root.into_array(),
                records: wire.origin.records,
            },
            principal: Principal {
                name: wire.principal.name,
                public_key: PublicKey(wire.principal.public_key.into_array()),
            },
            reason: wire.reason,
            created_unix_ms: wire.created_unix_ms,
            at: match wire.at {
                Some(at) => Some(time_from_wire(at).ok_or(bad("names a moment that is none"))?),
                None => None,
            },
            agents: named(wire.agents),
            names: named(wire.names),
        };
        if manifest.encode(&memories)? != payload {
            return Err(bad("is not in its one form"));
        }
        manifest.check(memories.len())?;
        Ok((manifest, memories))
    }

    /// Whether it is within bounds and does not contradict itself.
    pub(crate) fn check(&self, memories: usize) -> Result<(), EngramError> {
        let bad = |what| Err(EngramError::Manifest { what });
        if memories > MEMORIES_MAX {
            return Err(EngramError::TooMany { memories });
        }
        if !is_principal_name(&self.principal.name) {
            return bad("names a principal whose name is none");
        }
        if self.reason.len() > REASON_BYTES_MAX {
            return bad("gives a reason that is too long");
        }
        if self.reason.contains(char::is_control) {
            return bad("gives a reason with control characters");
        }
        for (agent, name) in self.agents.iter().chain(&self.names) {
            if agent.0 == 0 || !is_name(name) {
                return bad("names an agent whose serial or name is none");
            }
        }
        if self.agents.iter().any(|(agent, name)| self.names.get(agent).is_some_and(|n| n != name))
        {
            return bad("gives two names to one agent");
        }
        Ok(())
    }

    /// Whether there is a name for each agent that is mentioned, and for no other.
    pub(crate) fn check_names(&self, mentioned: &BTreeSet<AgentId>) -> Result<(), EngramError> {
        if let Some(agent) = mentioned.iter().find(|agent| !self.names.contains_key(agent)) {
            return Err(EngramError::Unnamed { agent: *agent });
        }
        match self.names.keys().find(|agent| !mentioned.contains(agent)) {
            Some(agent) => Err(EngramError::Unmentioned { agent: *agent }),
            None => Ok(()),
        }
    }
}

fn other_version(payload: &[u8]) -> EngramError {
    match serde_ipld_dagcbor::from_slice::<AnyVersion>(payload) {
        Ok(AnyVersion { version }) if version != VERSION => EngramError::Version { found: version },
        Ok(_) | Err(_) => EngramError::Manifest { what: "is none in DAG-CBOR" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_memories_than_allowed() {
        let key = PublicKey([1; 32]);
        let origin = Origin {
            log: LogId([1; 16]),
            node_key: key,
            tree_size: 1,
            tree_root: [2; 32],
            records: 1,
        };
        let manifest = Manifest {
            origin,
            principal: Principal { name: "ada".into(), public_key: key },
            reason: String::new(),
            created_unix_ms: 0,
            at: None,
            agents: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        assert_eq!(manifest.check(MEMORIES_MAX), Ok(()));
        let memories = MEMORIES_MAX + 1;
        assert_eq!(manifest.check(memories), Err(EngramError::TooMany { memories }));
    }
}
