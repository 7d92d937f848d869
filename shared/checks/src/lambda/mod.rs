//! Lambda functions.

use crate::kit::declare::theme;

theme! {
    runtime::Runtime,
}
