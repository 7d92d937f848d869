//! AWS Backup.

use crate::kit::declare::theme;

theme! {
    plan::Plan,
}
