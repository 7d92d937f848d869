use keepwatch_policy::Level;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A person was put into a group of Identity Center. What is assigned to the group is read from Identity Center: where
    /// that makes an administrator of some account it is critical, where nobody can tell it is low, and where it is
    /// ordinary nothing is said. Taking the person out again in the console settles the finding; the API's own call names
    /// neither person nor group.
    /// ## Why it matters
    /// The members of one group may be administrators of every account of the organization. Joining it changes no policy,
    /// and no account tells of it.
    /// ## What to do
    /// Ask the caller and the person. If it was not meant, take the person out of the group, end their sessions, and look
    /// at what they have done since.
    /// ## False positives
    /// A new colleague on an administrators' team. What an identity provider provisions is only kept on record where
    /// nobody can tell what the group may do: there the provider decides who is in which group.
    DirectoryGroupJoined {
        id: "admin-directory-group-joined",
        title: "A person joined an Identity Center group with administrative power",
        severity: Critical,
        confidence: High,
        catalogue: ["ADM-23"],
        references: [
            cis("3.0", &["1.15"]),
            cis("5.0", &["1.14"]),
            attack(&["T1098.007"]),
            doc(&[
                "IAM Identity Center user guide: CloudTrail use cases",
                "Identity Store API reference: CreateGroupMembership",
            ]),
        ],
        on: [
            On::Call("identitystore.amazonaws.com", &["CreateGroupMembership"]),
            On::Call("sso-directory.amazonaws.com", &["AddMemberToGroup", "RemoveMemberFromGroup"]),
            On::Call(directory::SCIM, &["PatchGroup", "PutGroup"]),
        ],
    }
}

impl Rule for DirectoryGroupJoined {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some((group, members)) = directory::membership(record) else { return Ok(()) };
        let who = caller_name(record);
        if power::takes_away(record) {
            for person in members {
                let title = format!("{who} took Identity Center user {person} out of group {group}");
                cx.report(cx.passing(directory::user_arn(record, person), title).global().aspect(group));
            }
            return Ok(());
        }
        let power = directory::power_of(record, cx, group, true)?;
        if power.level() == Level::ServiceAdmin {
            return Ok(());
        }
        for person in members {
            let arn = directory::user_arn(record, person);
            let holder = format!("Identity Center user {person}");
            let how = format!("{who} put them into group {group}");
            let unread = if directory::by_scim(record) { Severity::Informational } else { Severity::Low };
            let report = GrantReport::now(&arn, &holder, &how);
            let Some(mut seen) = power::observation(cx, &power, &report) else { return Ok(()) };
            if matches!(power, Power::Unknown(_)) {
                seen = seen.severity(unread);
            }
            let [place, store, _] = directory::user_options(record, person);
            let seen = seen
                .global()
                .aspect(group)
                .detail("Group", group)
                .step("Who is it?", "identitystore describe-user", &directory::user_options(record, person))
                .step(
                    "Which group is it?",
                    "identitystore describe-group",
                    &[place, store, ("--group-id", group)],
                )
                .step(
                    "Find the membership, to delete it",
                    "identitystore list-group-memberships-for-member",
                    &[place, store, ("--member-id", &shorthand(&[("UserId", person)]))],
                );
            cx.report(stop_caller(seen, record));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;
    use keepwatch_core::state::{Answer, Query, Value as Answered};

    const GROUP: &str = "a4a8b4c8-1111-2222-3333-444444444444";
    const PERSON: &str = "544894e8-80c1-707f-60e3-3ba6510dfac1";
    const SET: &str = "arn:aws:sso:::permissionSet/ssoins-1111/ps-2222";

    fn joined() -> String {
        let request = json!({"identityStoreId": "d-1", "groupId": GROUP, "memberId": {"userId": PERSON}});
        call("identitystore", "CreateGroupMembership", json!({"requestParameters": request}))
    }

    fn in_console(name: &str) -> String {
        let request = json!({"identityStoreId": "d-1", "groupId": GROUP, "member": {"memberId": PERSON}});
        call("sso-directory", name, json!({"requestParameters": request}))
    }

    fn provisioned(op: &str) -> String {
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "operations": [{"op": op, "path": "members", "value": [{"value": PERSON}]}]});
        let request = json!({"tenantId": "t-1", "id": GROUP, "httpBody": body});
        let by = json!({"type": "WebIdentityUser", "userName": null, "arn": null, "principalId": null});
        call("identitystore-scim", "PatchGroup", json!({"requestParameters": request, "userIdentity": by}))
    }

    fn assigned(store: &str, sets: &[&str]) -> (Query, Answer) {
        let query = Query::Assigned {
            store: store.to_owned(),
            principal: GROUP.to_owned(),
            group: true,
            region: "us-east-1".to_owned(),
        };
        let sets = sets.iter().map(|set| (*set).to_owned()).collect();
        (query, Fact::Known(Answered::Names(sets)))
    }

    fn set(managed: &str) -> (Query, Answer) {
        let query = Query::PermissionSet {
            instance: "arn:aws:sso:::instance/ssoins-1111".to_owned(),
            arn: SET.to_owned(),
            region: "us-east-1".to_owned(),
        };
        let holdings = Holdings { managed: vec![managed.to_owned()], ..Holdings::default() };
        (query, Fact::Known(Answered::Holdings(holdings)))
    }

    const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
    const READER: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

    #[test]
    fn what_is_assigned_to_the_group_decides() {
        let both = |event: &str, store: &str| {
            let seen = fired_with(&DirectoryGroupJoined, event, &[assigned(store, &[SET]), set(ADMIN)]);
            assert_eq!((seen.severity, seen.verdict), (Severity::Critical, Verdict::Failing));
            let ordinary = [assigned(store, &[SET]), set(READER)];
            assert!(observe_with(&DirectoryGroupJoined, event, &ordinary).is_empty());
            assert!(observe_with(&DirectoryGroupJoined, event, &[assigned(store, &[])]).is_empty());
            seen
        };
        let seen = both(&joined(), "d-1");
        let title = format!(
            "Identity Center user {PERSON} is now a full administrator: alice put them into group {GROUP}"
        );
        assert_eq!(seen.title, title);
        assert_eq!(seen.subject.resource, format!("arn:aws:identitystore:::user/{PERSON}"));
        assert_eq!(both(&in_console("AddMemberToGroup"), "d-1").finding_id(), seen.finding_id());
        // SCIM names no identity store: it is the only one.
        assert_eq!(both(&provisioned("add"), "").finding_id(), seen.finding_id());
    }

    #[test]
    fn what_nobody_can_tell_is_low() {
        for event in [joined(), in_console("AddMemberToGroup")] {
            let seen = fires_at(&DirectoryGroupJoined, Severity::Low, &event);
            assert_eq!(seen.verdict, Verdict::Unknown);
            // The set of a group that is known to have one may be unreadable itself.
            let seen = fired_with(&DirectoryGroupJoined, &event, &[assigned("d-1", &[SET])]);
            assert_eq!((seen.verdict, seen.severity), (Verdict::Unknown, Severity::Low));
        }
        fires_at(&DirectoryGroupJoined, Severity::Informational, &provisioned("Add"));
    }

    #[test]
    fn leaving_settles_it() {
        let open = fired(&DirectoryGroupJoined, &in_console("AddMemberToGroup"));
        let left = observe(&DirectoryGroupJoined, &in_console("RemoveMemberFromGroup"));
        assert_eq!((left.len(), left[0].verdict), (1, Verdict::Passing));
        assert_eq!(left[0].finding_id(), open.finding_id());
    }

    #[test]
    fn stays_quiet() {
        let store =
            |name: &str, request: Value| call("identitystore", name, json!({"requestParameters": request}));
        quiet(
            &DirectoryGroupJoined,
            &[
                store("CreateGroupMembership", json!(null)),
                store("CreateGroupMembership", json!({"groupId": GROUP, "memberId": ["x"]})),
                call(
                    "identitystore",
                    "CreateGroupMembership",
                    json!({"errorCode": "ConflictException",
                        "requestParameters": {"groupId": GROUP, "memberId": {"userId": PERSON}}}),
                ),
                provisioned("remove"),
                call(
                    "identitystore-scim",
                    "PatchGroup",
                    json!({"requestParameters": {"id": GROUP, "httpBody": {
                    "operations": [{"op": "replace", "path": "displayName", "value": "Ops"}]}}}),
                ),
            ],
        );
    }
}
