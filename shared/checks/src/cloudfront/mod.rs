//! CloudFront distributions.

use crate::kit::declare::theme;

theme! {
    logs::Logs,
}
