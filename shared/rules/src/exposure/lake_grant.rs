use serde_json::Value;

use super::shared::is_ours;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Lake Formation gave another account, a principal of one, or an organization rights on a database, a table, a place
    /// in S3 or everything that has a tag. An account is medium, an organization low. Each grantee of each resource is a
    /// finding of its own; revoking the rights settles it. Or the settings of the data lake name an administrator of
    /// another account (high), or let engines outside AWS read whole tables without the filters of Lake Formation (medium).
    /// ## Why it matters
    /// The rights work in no policy that anybody reads, and the other account queries the tables as if they were its own.
    /// With the right to grant it hands them on.
    /// ## What to do
    /// Find out whose the account is. If nobody knows it, revoke the rights.
    /// ## False positives
    /// Data products for accounts of the same organization: name them in the TrustedAccounts parameter. Whose an
    /// organization is the event does not say. So is the account that governs the lakes of all others. Administrators of
    /// the own account are not reported.
    LakeGrant {
        id: "exposure-data-lake-granted",
        title: "Lake Formation gave another account rights on data",
        severity: Medium,
        confidence: High,
        catalogue: ["PUB-10"],
        references: [
            attack(&["T1530", "T1537"]),
            doc(&["Lake Formation developer guide: cross-account data sharing"]),
        ],
        on: [On::Call("lakeformation.amazonaws.com", &[
            "GrantPermissions", "RevokePermissions", "BatchGrantPermissions", "BatchRevokePermissions",
            "PutDataLakeSettings",
        ])],
    }
}

impl Rule for LakeGrant {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, request) = (caller_name(record), record.request());
        let event = record.event_name.or_empty();
        if event == "PutDataLakeSettings" {
            lake_settings(record, cx);
            return Ok(());
        }
        let all = if event.starts_with("Batch") { items_at(request, &["entries"]) } else { vec![request] };
        for one in all {
            let grantee = text_at(one, &["principal", "dataLakePrincipalIdentifier"]);
            let Some((key, whom, severity)) = grantee.and_then(outsider) else { continue };
            if is_ours(key, record, cx) {
                continue;
            }
            let (name, arn) = resource(record, value_at(one, &["resource"]).unwrap_or(&Value::Null));
            if event.contains("Revoke") {
                let title = format!("{who} revoked rights of {whom} on {name}");
                cx.report(cx.passing(arn, title).aspect(key));
                continue;
            }
            let rights = texts_at(one, &["permissions"]).join(", ");
            let handed_on = !items_at(one, &["permissionsWithGrantOption"]).is_empty();
            let why = match handed_on {
                true => "Whoever is named can use the data and give the same rights to others.",
                false => "Whoever is named can use the data as his own.",
            };
            let seen = cx
                .failing(arn, format!("{who} gave {whom} rights on {name}"))
                .severity(severity)
                .aspect(key)
                .because(why)
                .detail_if("Grantee", grantee)
                .detail_if("Rights", Some(rights.as_str()).filter(|rights| !rights.is_empty()))
                .step("Which rights are there?", "lakeformation list-permissions", &[region_option(record)]);
            cx.report(cx.tempered(stop_caller(seen, record)));
        }
        Ok(())
    }
}

/// The settings of the data lake, which are written whole.
fn lake_settings(record: &Record<'_>, cx: &mut Cx<'_>) {
    let Some(settings) = value_at(record.request(), &["dataLakeSettings"]) else { return };
    let (who, lake) = (caller_name(record), record.arn("lakeformation", "catalog"));
    let admins = items_at(settings, &["dataLakeAdmins"]);
    let outside =
        admins.into_iter().filter_map(|one| text_at(one, &["dataLakePrincipalIdentifier"])).find(|one| {
            Arn::parse(one).is_some_and(|arn| is_account_id(arn.account) && !is_ours(arn.account, record, cx))
        });
    let open = flag_at(settings, &["allowFullTableExternalDataAccess"]) == Some(true);
    let found = [
        (
            "administrators",
            outside.map(|_| "made a principal of another account administrator of the data lake"),
            Severity::High,
            "Whoever administers the data lake grants itself and others any right on its data.",
        ),
        (
            "engines",
            open.then_some("let engines outside AWS read whole tables of the data lake"),
            Severity::Medium,
            "Such an engine gets credentials for the files, and no filter of rows or columns holds there.",
        ),
    ];
    for (aspect, did, severity, why) in found {
        let Some(did) = did else {
            let title = format!("{who} set the data lake's {aspect} and let no outsider in");
            cx.report(cx.passing(&lake, title).aspect(aspect));
            continue;
        };
        let seen = cx
            .failing(&lake, format!("{who} {did}"))
            .severity(severity)
            .aspect(aspect)
            .because(why)
            .detail_if("Administrator", outside.filter(|_| aspect == "administrators"))
            .step("Read the settings", "lakeformation get-data-lake-settings", &[region_option(record)]);
        cx.report(cx.tempered(stop_caller(seen, record)));
    }
}

/// An account, or a principal or all principals of one; or an organization: as a finding keeps it, as people call it, and how
/// bad it is.
fn outsider(grantee: &str) -> Option<(&str, String, Severity)> {
    let account = match Arn::parse(grantee) {
        Some(arn) if arn.service == "organizations" => {
            let short = arn.resource.rsplit('/').next().unwrap_or(arn.resource);
            return Some((grantee, format!("organization {}", clean(short, 64)), Severity::Low));
        }
        Some(arn) => arn.account,
        // `111122223333:IAMPrincipals` is everybody in the account.
        None => grantee.split(':').next().unwrap_or(grantee),
    };
    is_account_id(account).then(|| (account, format!("outside account {account}"), Severity::Medium))
}

/// Name and ARN of what the rights are on.
fn resource(record: &Record<'_>, resource: &Value) -> (String, String) {
    let database = text_at(resource, &["database", "name"]);
    let table =
        ["table", "tableWithColumns", "dataCellsFilter"].iter().find_map(|kind| value_at(resource, &[kind]));
    if let Some(table) = table {
        let of = text_at(table, &["databaseName"]).unwrap_or("?");
        let name = text_at(table, &["name"]).or_else(|| text_at(table, &["tableName"])).unwrap_or("*");
        return (format!("table {of}.{name}"), record.arn("glue", &format!("table/{of}/{name}")));
    }
    if let Some(name) = database {
        return (format!("database {name}"), record.arn("glue", &format!("database/{name}")));
    }
    if let Some(place) = text_at(resource, &["dataLocation", "resourceArn"]) {
        return (format!("data in {}", last_part(place)), place.to_owned());
    }
    let tag = ["lFTag", "lFTagPolicy"].iter().find_map(|kind| value_at(resource, &[kind]));
    match tag {
        Some(tag) => {
            let key = text_at(tag, &["tagKey"])
                .or_else(|| items_at(tag, &["expression"]).first().and_then(|one| text_at(one, &["tagKey"])));
            let key = key.unwrap_or("?");
            (format!("all data with tag {key}"), record.arn("lakeformation", &format!("tag/{key}")))
        }
        None => ("the data catalogue".to_owned(), record.arn("glue", "catalog")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn grant(name: &str, whom: &str, resource: Value) -> String {
        let request = json!({"principal": {"dataLakePrincipalIdentifier": whom}, "resource": resource,
            "permissions": ["SELECT"], "permissionsWithGrantOption": []});
        call("lakeformation", name, json!({"requestParameters": request}))
    }

    fn table() -> Value {
        json!({"table": {"databaseName": "crm", "name": "customers"}})
    }

    #[test]
    fn fires() {
        for (whom, resource, severity, title) in [
            (
                "999988887777",
                table(),
                Severity::Medium,
                "alice gave outside account 999988887777 rights on table crm.customers",
            ),
            (
                "999988887777:IAMPrincipals",
                json!({"database": {"name": "crm"}}),
                Severity::Medium,
                "alice gave outside account 999988887777 rights on database crm",
            ),
            (
                "arn:aws:iam::999988887777:role/x",
                json!({"catalog": {}}),
                Severity::Medium,
                "alice gave outside account 999988887777 rights on the data catalogue",
            ),
            (
                "arn:aws:organizations::999988887777:organization/o-abcd123456",
                json!({"lFTagPolicy": {"resourceType": "TABLE", "expression": [{"tagKey": "team", "tagValues": ["x"]}]}}),
                Severity::Low,
                "alice gave organization o-abcd123456 rights on all data with tag team",
            ),
        ] {
            let seen = fires_at(&LakeGrant, severity, &grant("GrantPermissions", whom, resource));
            assert_eq!(seen.title, title);
        }
        let entry = |whom: &str| json!({"id": whom, "principal": {"dataLakePrincipalIdentifier": whom}, "resource": table(), "permissions": ["ALL"]});
        let batch = json!({"requestParameters": {"entries": [entry("111122223333"), entry("999988887777"), entry("888877776666")]}});
        assert_eq!(observe(&LakeGrant, &call("lakeformation", "BatchGrantPermissions", batch)).len(), 2);
    }

    #[test]
    fn revoking_settles_it() {
        let open = fired(&LakeGrant, &grant("GrantPermissions", "999988887777", table()));
        let gone = observe(&LakeGrant, &grant("RevokePermissions", "999988887777", table()));
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, open.finding_id()));
    }

    #[test]
    fn whoever_administers_the_lake_has_its_data() {
        let put = |settings: Value| {
            call(
                "lakeformation",
                "PutDataLakeSettings",
                json!({"requestParameters": {"dataLakeSettings": settings}}),
            )
        };
        let admin = |account: &str| {
            let who = format!("arn:aws:iam::{account}:role/lake");
            put(json!({"dataLakeAdmins": [{"dataLakePrincipalIdentifier": who}]}))
        };
        let failing = |event: &str| -> Vec<Observation> {
            observe(&LakeGrant, event).into_iter().filter(|seen| seen.verdict == Verdict::Failing).collect()
        };
        let seen = failing(&admin("999988887777"));
        assert_eq!((seen.len(), seen[0].severity), (1, Severity::High));
        assert!(failing(&admin("111122223333")).is_empty());
        let open = failing(&put(json!({"allowFullTableExternalDataAccess": true})));
        assert_eq!((open.len(), open[0].severity), (1, Severity::Medium));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &LakeGrant,
            &[
                grant("GrantPermissions", "IAM_ALLOWED_PRINCIPALS", table()),
                grant("GrantPermissions", "arn:aws:iam::111122223333:role/analyst", table()),
                grant("GrantPermissions", "444455556666", table()),
                call("lakeformation", "GrantPermissions", json!({"requestParameters": null})),
                call(
                    "lakeformation",
                    "GrantPermissions",
                    json!({"errorCode": "AccessDeniedException",
                    "requestParameters": {"principal": {"dataLakePrincipalIdentifier": "999988887777"}, "resource": table()}}),
                ),
            ],
        );
    }
}
