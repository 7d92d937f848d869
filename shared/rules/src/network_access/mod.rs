//! Who can reach what: security groups, network ACLs, routes, taps, and the metadata service.

mod common;

use crate::kit::declare::theme;

theme! {
    security_group::SecurityGroup,
    changed::Changed,
    network_acl::NetworkAcl,
    path_opened::PathOpened,
    default_group::DefaultGroup,
    side_door::SideDoor,
    metadata_service::MetadataService,
}
