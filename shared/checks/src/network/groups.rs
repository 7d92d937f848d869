//! Whether anything uses a security group.

use crate::kit::prelude::*;

/// Whether a network interface of the region is in the group.
///
/// # Errors
/// The interfaces are not known.
pub(super) fn is_used(cx: &mut Cx<'_>, region: &str, group: &str) -> Result<bool, Stop> {
    let interfaces = cx.try_known(NetworkInterfaces, region)?;
    Ok(interfaces.iter().any(|one| one.groups.iter().any(|id| id == group)))
}
