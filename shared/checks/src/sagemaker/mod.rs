//! SageMaker.

use crate::kit::declare::theme;

theme! {
    direct_internet::DirectInternet,
}
