use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// No key of the account is about to be deleted. A key with replicas waits for them first, and counts as well. Keys that AWS
    /// manages for its services are left out: nobody can delete them.
    /// ## Why it matters
    /// What a deleted key has encrypted is lost for ever: disks, databases, buckets, backups. No copy and no support case brings
    /// it back. The waiting period of 7 to 30 days is the last chance.
    /// ## What to do
    /// Ask who wants it deleted and look in CloudTrail for who still decrypts with it. When in doubt, cancel the deletion and
    /// disable the key instead: that shows what still needs it, and can be undone.
    /// ## What it costs
    /// A key that is kept costs 1 USD a month.
    /// ## What may break
    /// Nothing comes of cancelling. The key stays disabled until somebody enables it.
    PendingDeletion {
        id: "kms.pending-deletion",
        title: "No KMS key is about to be deleted",
        severity: High,
        practices: ["P49"],
        number: 25,
        references: [
            cis("3.0", &["4.7"]),
            security_hub(&["KMS.3"]),
            config(&["kms-cmk-not-scheduled-for-deletion"]),
        ],
        asks: [KmsKeys, AwsManagedKeys, KmsKey],
        finding: "data-kms-key-disabled-or-deleted",
        closes: [Closes::Listed("arn:*:kms:*:key/*")],
    }
}

impl Check for PendingDeletion {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_of(
            KmsKeys,
            |cx, id| cx.arn("kms", &format!("key/{id}")),
            |cx, id| {
                let region = cx.region();
                // Those are not asked about. Where nobody may say which they are, each key says so itself.
                if cx.try_known(AwsManagedKeys, region.as_str()).is_ok_and(|all| all.contains(id)) {
                    return Ok(());
                }
                let key = cx.known(KmsKey, (region.as_str(), id.as_str()))?;
                if key.aws_managed {
                    return Ok(());
                }
                let options = [("--region", region.as_str()), ("--key-id", id.as_str())];
                let seen = match key.state.as_str() {
                    "PendingDeletion" | "PendingReplicaDeletion" => {
                        let when = match key.deletion {
                            Some(at) => format!("on {}, in {} days", at.date(), days_since(cx.now, at)),
                            None => "once its replicas in other regions are gone".to_owned(),
                        };
                        cx.failing(format!("KMS key {id} will be deleted {when}"))
                            .because("what it has encrypted is lost for ever from then on")
                            .step("Cancel the deletion", "kms cancel-key-deletion", &options)
                            .step("Make the key usable again", "kms enable-key", &options)
                    }
                    state => {
                        cx.passing(format!("KMS key {id} is not about to be deleted")).detail("State", state)
                    }
                };
                // As the rule on keys tells it apart from keys that are disabled.
                cx.report(seen.aspect("deletion"));
                Ok(())
            },
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::keys::KmsKey as Key;
    use keepwatch_core::posture::State;

    fn key(state: &str, in_days: Option<u64>) -> Key {
        Key {
            arn: "arn:aws:kms:eu-west-1:111122223333:key/k".to_owned(),
            state: state.to_owned(),
            deletion: in_days.map(|days| now().plus(std::time::Duration::from_secs(days * 86_400))),
            aws_managed: false,
        }
    }

    fn with(key: Key) -> State {
        account().with(KmsKeys, region(), vec!["k".to_owned()]).with(AwsManagedKeys, region(), vec![]).with(
            KmsKey,
            of("k"),
            key,
        )
    }

    #[test]
    fn both_ways_to_wait_for_deletion() {
        let one = judge_one(&PendingDeletion, &with(key("PendingDeletion", Some(9))));
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::High));
        assert!(one.title.ends_with("will be deleted on 2026-12-01, in 9 days"), "{}", one.title);
        assert_eq!(one.subject.aspect.as_deref(), Some("deletion"));
        let one = judge_one(&PendingDeletion, &with(key("PendingReplicaDeletion", None)));
        assert_eq!(one.verdict, Judged::Failing);
        for state in ["Enabled", "Disabled", "PendingImport", "Unavailable"] {
            assert_eq!(
                judge_one(&PendingDeletion, &with(key(state, None))).verdict,
                Judged::Passing,
                "{state}"
            );
        }
    }

    #[test]
    fn keys_that_aws_manages_are_left_out() {
        // By their aliases nobody asks about them.
        let listed = account().with(KmsKeys, region(), vec!["k".to_owned()]).with(
            AwsManagedKeys,
            region(),
            vec!["k".to_owned()],
        );
        assert_eq!(judge_one(&PendingDeletion, &listed).verdict, Judged::NotApplicable);
        // Without the aliases the key itself tells.
        let told = refused(with(Key { aws_managed: true, ..key("Enabled", None) }), AwsManagedKeys, region());
        assert_eq!(judge_one(&PendingDeletion, &told).verdict, Judged::NotApplicable);
    }

    #[test]
    fn unknown_and_gone() {
        // A key policy may refuse even the administrator.
        let one = judge_one(&PendingDeletion, &refused(with(key("Enabled", None)), KmsKey, of("k")));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["kms:DescribeKey"]));
        assert!(one.subject.resource.ends_with("key/k"));
        let gone = absent(with(key("PendingDeletion", None)), KmsKey, of("k"));
        assert_eq!(judge_one(&PendingDeletion, &gone).verdict, Judged::NotApplicable);
        let one = judge_one(&PendingDeletion, &refused(account(), KmsKeys, region()));
        assert_eq!(missing(&one), ["kms:ListKeys"]);
    }

    #[test]
    fn a_refused_list_of_aliases_hides_nothing() {
        let state = refused(with(key("PendingDeletion", Some(9))), AwsManagedKeys, region());
        assert_eq!(judge_one(&PendingDeletion, &state).verdict, Judged::Failing);
    }
}
