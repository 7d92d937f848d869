//! Whom a Deny for everyone spares.
//!
//! Conditions of one statement are ANDed (IAM user guide, "Conditions with multiple context keys or values"), so a Deny with
//! several holds only where all of them do: it spares whoever fails one. Each opposite lets some in, and together they let in
//! the union.

use super::document::{Condition, PrincipalKind, Statement};

/// The conditions of which whoever is spared meets at least one: the opposites of the Deny's own. Nobody outside is spared by
/// the one that spares AWS services. `None` where the Deny is not for everyone, or spares whom no condition describes.
pub(super) fn spared(deny: &Statement) -> Option<Vec<Condition>> {
    let everyone = deny.principals.iter().any(|p| p.kind == PrincipalKind::Aws && p.value == "*");
    if !everyone || deny.conditions.is_empty() {
        return None;
    }
    let conditions = deny.conditions.iter().filter(|condition| !spares_services(condition));
    conditions.map(opposite).collect()
}

/// Perimeters spare AWS's own services, which are no outsiders. `aws:ViaAWSService` is another matter: a service may come for
/// anybody.
fn spares_services(condition: &Condition) -> bool {
    matches!(condition.operator.to_ascii_lowercase().as_str(), "bool" | "boolifexists")
        && condition.key.eq_ignore_ascii_case("aws:PrincipalIsAWSService")
        && condition.values == ["false"]
}

/// `StringNotEquals` becomes `StringEquals`. Where the key is missing, a negated operator fits and the Deny holds, so that
/// `IfExists` changes nothing. The opposite of any other operator describes nobody.
fn opposite(condition: &Condition) -> Option<Condition> {
    let operator = condition.operator.to_ascii_lowercase();
    if operator.contains(':') || !operator.contains("not") {
        return None;
    }
    let operator = operator.replacen("not", "", 1).replace("ifexists", "");
    Some(Condition { operator, ..condition.clone() })
}
