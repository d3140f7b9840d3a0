use super::*;

fn constraint(field: &str, bound: Bound) -> Constraint {
    Constraint { field: field.into(), bound }
}

fn text(text: &str) -> Plain {
    Plain::Text(text.into())
}

fn capability(resource: &str, constraints: Vec<Constraint>) -> Capability {
    let action = "payment.transfer".into();
    Capability { action, resource: resource.into(), constraints, uses: None, approval: false }
}

#[test]
fn a_bound_is_never_slipped_past() {
    use Argument::{Big, Bool, Float, Int, List, Null, Text};
    let (least, most) = (Bound::Minimum(10), Bound::Maximum(1000));
    let some = || Bound::OneOf(vec![text("EUR"), Plain::Number(5), Plain::Bool(true)]);
    let form = || Bound::Pattern("DE*".into());
    for (bound, argument, expected) in [
        (most.clone(), Some(Int(1000)), Ok(())),
        (most.clone(), Some(Int(0)), Ok(())),
        (most.clone(), Some(Int(1001)), Err(Broken::Maximum)),
        (most.clone(), None, Err(Broken::Missing)),
        (most.clone(), Some(Null), Err(Broken::Type)),
        (most.clone(), Some(Text("1000".into())), Err(Broken::Type)),
        (most.clone(), Some(Text("1000 EUR".into())), Err(Broken::Type)),
        (most.clone(), Some(Bool(true)), Err(Broken::Type)),
        (most.clone(), Some(List(vec![Int(5)])), Err(Broken::Type)),
        (most.clone(), Some(Int(-1)), Err(Broken::Negative)),
        (most.clone(), Some(Int(i64::MIN)), Err(Broken::Negative)),
        (most.clone(), Some(Float(-0.5)), Err(Broken::Negative)),
        (most.clone(), Some(Float(f64::NAN)), Err(Broken::NotFinite)),
        (most.clone(), Some(Float(f64::INFINITY)), Err(Broken::NotFinite)),
        (most.clone(), Some(Float(f64::NEG_INFINITY)), Err(Broken::NotFinite)),
        (most.clone(), Some(Float(5.0)), Err(Broken::Type)),
        (most.clone(), Some(Big(u64::MAX)), Err(Broken::Overflow)),
        (Bound::Maximum(u64::MAX), Some(Big(u64::MAX)), Err(Broken::Overflow)),
        (Bound::Budget(u64::MAX), Some(Big(u64::MAX)), Err(Broken::Overflow)),
        (Bound::Budget(10), Some(Text("1".into())), Err(Broken::Type)),
        (Bound::Budget(10), None, Err(Broken::Missing)),
        (least.clone(), Some(Int(10)), Ok(())),
        (least.clone(), Some(Int(9)), Err(Broken::Minimum)),
        (least, Some(Float(f64::INFINITY)), Err(Broken::NotFinite)),
        (some(), Some(Text("EUR".into())), Ok(())),
        (some(), Some(Int(5)), Ok(())),
        (some(), Some(Bool(true)), Ok(())),
        (some(), Some(Bool(false)), Err(Broken::NotAllowed)),
        (some(), Some(Text("eur".into())), Err(Broken::NotAllowed)),
        (some(), Some(Text("5".into())), Err(Broken::NotAllowed)),
        (some(), Some(Float(5.0)), Err(Broken::Type)),
        (some(), None, Err(Broken::Missing)),
        (form(), Some(Text("DE89".into())), Ok(())),
        (form(), Some(Text("de89".into())), Err(Broken::Pattern)),
        (form(), Some(Int(1)), Err(Broken::Type)),
        (form(), None, Err(Broken::Missing)),
        (Bound::Pattern("DE".into()), Some(Text("DE89".into())), Err(Broken::Pattern)),
        (Bound::Pattern("*".into()), Some(Text(String::new())), Ok(())),
    ] {
        assert_eq!(keeps(&bound, argument.as_ref()), expected, "{bound:?} {argument:?}");
    }
}

#[test]
fn resources_lie_below_each_other_by_whole_segments() {
    for (scope, resource, expected) in [
        ("bank/acme", "bank/acme", true),
        ("bank/acme", "bank/acme/savings", true),
        ("bank/acme", "bank/acmeville", false),
        ("bank/acme", "bank", false),
        ("bank/acme", "Bank/acme", false),
        ("bank/acme/savings", "bank/acme", false),
    ] {
        assert_eq!(within(scope, resource), expected, "{scope} {resource}");
    }
}

#[test]
fn each_widening_is_refused_with_its_rule() {
    let amount = |bound| vec![constraint("amount", bound)];
    let bound = || Err(Wider::Bound("amount".into()));
    let outer = capability("bank/acme", amount(Bound::Maximum(100)));
    for (inner, expected) in [
        (capability("bank/acme", amount(Bound::Maximum(100))), Ok(())),
        (capability("bank/acme/x", amount(Bound::Maximum(1))), Ok(())),
        (capability("bank/acme", amount(Bound::OneOf(vec![Plain::Number(7)]))), Ok(())),
        (capability("bank/acme", amount(Bound::OneOf(vec![Plain::Number(101)]))), bound()),
        (capability("bank/acme", amount(Bound::OneOf(vec![text("7")]))), bound()),
        (capability("bank/acme", amount(Bound::Maximum(101))), bound()),
        (capability("bank/acme", amount(Bound::Minimum(1))), bound()),
        (capability("bank/acme", amount(Bound::Budget(1))), bound()),
        (capability("bank/acme", vec![]), bound()),
        (capability("bank", amount(Bound::Maximum(1))), Err(Wider::Resource)),
        (capability("bank/acm", amount(Bound::Maximum(1))), Err(Wider::Resource)),
    ] {
        assert_eq!(narrows(&outer, &inner), expected, "{inner:?}");
    }
    let other = Capability { action: "payment".into(), ..outer.clone() };
    assert_eq!(narrows(&outer, &other), Err(Wider::Action));
    let careful = Capability { approval: true, ..outer.clone() };
    assert_eq!(narrows(&careful, &outer), Err(Wider::Approval));
    assert_eq!(narrows(&outer, &careful), Ok(()));
    let thrice = Capability { uses: Some(3), ..outer.clone() };
    assert_eq!(narrows(&thrice, &outer), Err(Wider::Uses));
    assert_eq!(narrows(&outer, &thrice), Ok(()));
    for (outer, inner, expected) in [
        ("DE*", "DE89*", true),
        ("DE*", "DE89", true),
        ("DE*", "D*", false),
        ("DE*", "*", false),
        ("DE", "DE*", false),
        ("DE", "DE", true),
    ] {
        let (outer, inner) = (Bound::Pattern(outer.into()), Bound::Pattern(inner.into()));
        assert_eq!(implies(&inner, &outer), expected, "{inner:?} in {outer:?}");
    }
}
