use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A user was added to a group whose policies give administrative power. The event names only user and group; what
    /// the group holds is read from the account, and so is what the user holds besides: two halves make a whole. Leaving
    /// the group settles the finding.
    /// ## Why it matters
    /// Joining an existing administrators' group makes no policy, attaches none, and leaves nothing behind that lists
    /// of policies would show.
    /// ## What to do
    /// Ask the caller and the user. If it was not meant, take the user out of the group, stop the caller's credentials,
    /// and look at what the user has done since.
    /// ## False positives
    /// A new colleague on an administrators' team. Groups with ordinary policies are not reported.
    GroupJoined {
        id: "admin-group-joined",
        title: "A user joined a group with administrative power",
        severity: Critical,
        confidence: High,
        catalogue: ["ADM-10", "ADM-14"],
        references: [
            cis("3.0", &["1.15"]),
            cis("5.0", &["1.14"]),
            security_hub(&["IAM.1"]),
            attack(&["T1098"]),
        ],
        on: [On::Call("iam.amazonaws.com", &["AddUserToGroup", "RemoveUserFromGroup"])],
    }
}

impl Rule for GroupJoined {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (Some(user), Some(group)) = (record.param(&["userName"]), record.param(&["groupName"])) else {
            return Ok(());
        };
        let (arn, who) = (record.iam_arn("user", user), caller_name(record));
        if power::takes_away(record) {
            let seen = cx.passing(&arn, format!("{who} took user {user} out of group {group}")).aspect(group);
            cx.report(seen.confirm(Confirm::left(group, user)));
            return Ok(());
        }
        let own = power::of_principal(cx, PrincipalKind::Group, group, Some(&arn))?;
        let new = match cx.facts.principal(PrincipalKind::Group, group)? {
            Fact::Known(held) => held,
            _ => Holdings::default(), // as said of its power
        };
        let rest = Rest::of(cx, PrincipalKind::User, user, Some(group))?;
        let gain = Addition { own, new: Readable::of(cx, &new)? }.gain(cx, rest, &arn)?;
        let how = format!("{who} put {user} into group {group}");
        let holder = power::holder(PrincipalKind::User, user);
        let grant_report = GrantReport::now(&arn, &holder, &how);
        let Some(seen) = gain.observation(cx, &grant_report) else { return Ok(()) };
        let seen = seen
            .aspect(group)
            .detail("Group", group)
            .step(
                "Take the user out of the group",
                "iam remove-user-from-group",
                &[("--group-name", group), ("--user-name", user)],
            )
            .step(
                "What does the group hold?",
                "iam list-attached-group-policies",
                &[("--group-name", group)],
            );
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;
    use keepwatch_core::state::{Answer, Fact, Holdings, Query, Value as StateValue};

    fn add(request: Value) -> String {
        call("iam", "AddUserToGroup", json!({"requestParameters": request}))
    }

    fn group(managed: &str) -> (Query, Answer) {
        let holdings = Holdings { managed: vec![managed.to_owned()], ..Holdings::default() };
        let query = Query::Principal { kind: PrincipalKind::Group, name: "ops".to_owned() };
        (query, Fact::Known(StateValue::Holdings(holdings)))
    }

    #[test]
    fn fires() {
        let event = add(json!({"userName": "bob", "groupName": "ops"}));
        let admin = fired_with(&GroupJoined, &event, &[group("arn:aws:iam::aws:policy/AdministratorAccess")]);
        assert_eq!(admin.severity, Severity::Critical);
        assert_eq!(fired(&GroupJoined, &event).verdict, Verdict::Unknown);
    }

    #[test]
    fn leaving_settles_it() {
        let request = json!({"userName": "bob", "groupName": "ops"});
        let leave = call("iam", "RemoveUserFromGroup", json!({"requestParameters": request}));
        let gone = observe(&GroupJoined, &leave);
        assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
        assert_eq!(gone[0].finding_id(), fired(&GroupJoined, &add(request)).finding_id());
        assert_eq!(gone[0].title, "alice took user bob out of group ops");
    }

    #[test]
    fn stays_quiet() {
        let event = add(json!({"userName": "bob", "groupName": "ops"}));
        assert!(
            observe_with(&GroupJoined, &event, &[group("arn:aws:iam::aws:policy/ReadOnlyAccess")]).is_empty()
        );
        quiet(
            &GroupJoined,
            &[
                add(json!(null)),
                add(json!({"userName": "bob"})),
                call(
                    "iam",
                    "AddUserToGroup",
                    json!({"errorCode": "AccessDenied", "requestParameters": {"userName": "bob", "groupName": "ops"}}),
                ),
            ],
        );
    }
}
