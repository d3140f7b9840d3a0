//! What agents of a kind may do outside.

use karyon_types::Denial;

/// The longest name of an action, bytes.
pub const ACTION_BYTES_MAX: usize = 256;
/// The longest path of a resource, bytes.
pub const RESOURCE_BYTES_MAX: usize = 1_024;
/// The longest arguments of an effect, bytes: they are part of the log, and wait in memory until
/// the effect is done.
pub const ARGUMENTS_BYTES_MAX: usize = 64 * 1024;

/// What governs agents is no affair of theirs, as at the broker: names of actions and of resources that
/// begin so are Karyon's own.
const OWN_ACTIONS: &str = "karyon.";
const OWN_RESOURCES: &str = "karyon";

/// One action, on one resource and all below it: `bank/acme` holds `bank/acme/savings`, not
/// `bank/acmeville`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permit {
    /// The kind of agents that may.
    pub kind: String,
    /// What.
    pub action: String,
    /// To what: names that `/` divides. None of them is empty, `.` or `..`.
    pub resource: String,
}

impl Permit {
    /// Whether it permits anything: it is well-formed, and not about what governs agents.
    pub fn is_valid(&self) -> bool {
        is_well_formed(&self.action, &self.resource) && !is_own(&self.action, &self.resource)
    }

    fn covers(&self, resource: &str) -> bool {
        let below = resource.strip_prefix(self.resource.as_str());
        below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }
}

fn is_well_formed(action: &str, resource: &str) -> bool {
    let is_name = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(char::is_control);
    (1..=ACTION_BYTES_MAX).contains(&action.len())
        && !action.contains(char::is_control)
        && resource.len() <= RESOURCE_BYTES_MAX
        && resource.split('/').all(is_name)
}

fn is_own(action: &str, resource: &str) -> bool {
    action.starts_with(OWN_ACTIONS) || resource.split('/').next() == Some(OWN_RESOURCES)
}

/// Whether an agent of this kind may ask for that.
pub(crate) fn permits(
    permits: &[Permit],
    kind: &str,
    action: &str,
    resource: &str,
    arguments: &[u8],
) -> Result<(), Denial> {
    if !is_well_formed(action, resource) || arguments.len() > ARGUMENTS_BYTES_MAX {
        return Err(Denial::MalformedArguments);
    }
    if is_own(action, resource) {
        return Err(Denial::DefaultDeny);
    }
    let mut of_action = permits.iter().filter(|it| it.kind == kind && it.action == action);
    let mut denial = Denial::CapabilityNotGranted;
    match of_action.any(|permit| {
        denial = Denial::ExceedsCapabilityScope;
        permit.covers(resource)
    }) {
        true => Ok(()),
        false => Err(denial),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(kind: &str, action: &str, resource: &str) -> Result<(), Denial> {
        let permit = |action: &str, resource: &str| Permit {
            kind: "clerk".into(),
            action: action.into(),
            resource: resource.into(),
        };
        let all = [permit("pay", "bank/acme"), permit("pay", "bank/zoo"), permit("mail", "mail")];
        permits(&all, kind, action, resource, b"")
    }

    #[test]
    fn a_permit_is_for_one_action_on_a_resource_and_all_below_it() {
        assert_eq!(asked("clerk", "pay", "bank/acme"), Ok(()));
        assert_eq!(asked("clerk", "pay", "bank/acme/savings/1"), Ok(()));
        assert_eq!(asked("clerk", "pay", "bank/zoo"), Ok(()));
        for beyond in ["bank", "bank/acmeville", "bank/other", "mail"] {
            assert_eq!(asked("clerk", "pay", beyond), Err(Denial::ExceedsCapabilityScope));
        }
        assert_eq!(asked("clerk", "pays", "bank/acme"), Err(Denial::CapabilityNotGranted));
        assert_eq!(asked("guest", "pay", "bank/acme"), Err(Denial::CapabilityNotGranted));
    }

    /// An adapter may make a path of files of it.
    #[test]
    fn no_path_leads_out_of_what_is_permitted() {
        for path in [
            "bank/acme/\n",
            "bank/acme/../zoo",
            "bank/acme/.",
            "bank/acme/",
            "bank//acme",
            "/bank",
            "",
        ] {
            assert_eq!(asked("clerk", "pay", path), Err(Denial::MalformedArguments), "{path}");
        }
        assert_eq!(asked("clerk", "", "bank/acme"), Err(Denial::MalformedArguments));
        let long = format!("bank/acme/{}", "x".repeat(RESOURCE_BYTES_MAX));
        assert_eq!(asked("clerk", "pay", &long), Err(Denial::MalformedArguments));
    }

    #[test]
    fn no_permit_reaches_what_governs_agents() {
        let permit = |action: &str, resource: &str| Permit {
            kind: "clerk".into(),
            action: action.into(),
            resource: resource.into(),
        };
        let all = [permit("karyon.resume", "mail"), permit("mail", "karyon")];
        let asked = |action, resource| permits(&all, "clerk", action, resource, b"");
        assert!(!all[0].is_valid() && !all[1].is_valid() && permit("mail", "karyonic").is_valid());
        assert_eq!(asked("karyon.resume", "mail"), Err(Denial::DefaultDeny));
        assert_eq!(asked("mail", "karyon"), Err(Denial::DefaultDeny));
        assert_eq!(asked("mail", "karyon/safety"), Err(Denial::DefaultDeny));
        assert_eq!(asked("mail", "karyonic"), Err(Denial::ExceedsCapabilityScope));
    }

    #[test]
    fn arguments_have_a_bound() {
        let all = [Permit { kind: "k".into(), action: "a".into(), resource: "r".into() }];
        let asked = |len| permits(&all, "k", "a", "r", &vec![0; len]);
        assert_eq!(asked(ARGUMENTS_BYTES_MAX), Ok(()));
        assert_eq!(asked(ARGUMENTS_BYTES_MAX + 1), Err(Denial::MalformedArguments));
    }
}
