//! The Database Migration Service.

use crate::kit::declare::theme;

theme! {
    public::Public,
}
