//! What the rules on public and shared data share.

use crate::kit::prelude::*;

/// The bucket that a call is about. Where CloudTrail left the parameters out, the event still lists its resources.
pub(super) fn bucket<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    let listed = || {
        let all = items_at(record.whole(), &["resources"]).into_iter();
        all.filter_map(|one| text_at(one, &["ARN"])?.split_once(":s3:::")).map(|(_, name)| name)
    };
    let left_out = record.request_omitted();
    record.param(&["bucketName"]).or_else(|| listed().find(|name| left_out && !name.contains('/')))
}
