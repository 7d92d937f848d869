//! Instances.

use crate::kit::declare::theme;

theme! {
    instance_role::InstanceRole,
    host_logging::HostLogging,
}
