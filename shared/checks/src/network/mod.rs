//! VPCs and what lets traffic through.

use crate::kit::declare::theme;

theme! {
    flow_logs::FlowLogging,
    default_group::DefaultGroup,
    unrestricted::Unrestricted,
}

mod groups;
