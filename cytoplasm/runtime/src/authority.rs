//! What a principal's process hands to the node, and what the log keeps of it.

use karyon_gate::{Grant, Rights};
use karyon_identity::PublicKey;
use karyon_log::{Control, GrantRecord, PrincipalRecord, ReasonRecord};
use karyon_statements::{Asked, GrantError, SignedGrant};
use karyon_types::Hash;

/// Who signed what; nothing starts without.
pub struct Authority {
    /// The grant.
    pub signed: SignedGrant,
    /// The principal's key as this machine knows it.
    pub principal_key: PublicKey,
}

impl Authority {
    /// Checks that the grant is the principal's, and for this node to do this: `scenario` is the
    /// digest of what the principal is to have seen.
    ///
    /// # Errors
    /// See [`SignedGrant::permits`].
    pub fn permits(
        &self,
        node_key: PublicKey,
        scenario: Hash,
        resource: &str,
        rights: Rights,
    ) -> Result<(), GrantError> {
        let principal_key = self.principal_key;
        let rights = rights.0;
        self.signed.permits(&Asked { principal_key, node_key, scenario, resource, rights })
    }

    /// The records of principal, reason and grant, under the serials and bounds of `grant`.
    pub fn records(&self, grant: &Grant) -> Vec<Control> {
        let terms = &self.signed.terms;
        vec![
            Control::Principal(PrincipalRecord {
                id: grant.principal.0,
                name: terms.principal.clone(),
                public_key: terms.principal_key.0,
            }),
            Control::Reason(ReasonRecord {
                id: grant.reason.0,
                parent: None,
                label: terms.reason.clone(),
            }),
            Control::Grant(GrantRecord {
                id: grant.id.0,
                principal: grant.principal.0,
                reason: grant.reason.0,
                rights: grant.rights.0,
                scope_first: grant.scope.first,
                scope_last: grant.scope.last,
                expires: grant.expires.map(|tick| tick.0),
                signed: self.signed.encode(),
                terms: None,
            }),
        ]
    }
}
