//! What policies allow, and who may assume roles.

use crate::kit::declare::theme;

theme! {
    conditions::Conditions,
}
