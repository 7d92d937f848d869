//! Whom the policy of a resource lets in from outside, as the policy engine says. Every check on such policies asks here.

use keepwatch_core::posture::Missing;
use keepwatch_policy::Document;
use keepwatch_policy::sharing::{Guard, shares};
pub(crate) use keepwatch_policy::sharing::{Outsider, Share};

use super::cx::{Cx, Stop};

/// What the policy of `name` ("bucket photos"), a resource of `service` (`s3`), gives outsiders. The account itself and those
/// that its owner trusts are none.
///
/// # Errors
/// A policy that cannot be read, which is not harmless.
pub(crate) fn of_policy(cx: &Cx<'_>, service: &str, name: &str, text: &str) -> Result<Vec<Share>, Stop> {
    let document = Document::parse(text).map_err(|error| {
        let why = format!("the policy of {name} cannot be read: {error}");
        Stop::Unknown(vec![Missing { action: None, why }])
    })?;
    Ok(shares(&document.as_of(cx.now), service, cx.account(), &cx.parameters.trusted_accounts))
}

/// Whether it lets everybody in. Tags are no bar: everybody tags their own roles as they like.
pub(crate) fn is_public(share: &Share) -> bool {
    share.who == Outsider::Everyone && matches!(share.guard, None | Some(Guard::Tags))
}

/// Whether it lets somebody in whom no condition holds back.
pub(crate) fn is_open(share: &Share) -> bool {
    is_public(share) || share.guard.is_none()
}
