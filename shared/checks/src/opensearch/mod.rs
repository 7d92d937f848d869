//! OpenSearch and Elasticsearch domains.

use crate::kit::declare::theme;

theme! {
    encryption::Encryption,
}
