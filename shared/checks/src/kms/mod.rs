//! Keys of KMS.

use crate::kit::declare::theme;

theme! {
    pending_deletion::PendingDeletion,
}
