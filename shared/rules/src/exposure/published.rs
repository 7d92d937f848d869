use super::shared::{Grantee, Shared, is_ours};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Work of the account was published or shared: a Systems Manager document, a version of a Lambda layer,
    /// or a CodeBuild project whose builds and logs anybody can read. For everybody it is high (a layer:
    /// medium), for another account medium (a layer: low), for an organization low. Withdrawing it settles the
    /// finding.
    /// ## Why it matters
    /// Documents, layers and build logs hold scripts, host names and, too often, credentials.
    /// ## What to do
    /// Withdraw it, then change every credential that was in it.
    /// ## False positives
    /// Open-source projects with public builds, layers made for customers, and vendors: name their accounts
    /// in the TrustedAccounts parameter.
    Published {
        id: "exposure-work-published",
        title: "A document, a layer or a build project was shared outside the account",
        severity: High,
        confidence: High,
        catalogue: ["PUB-10"],
        references: [
            security_hub(&["SSM.4"]),
            attack(&["T1537", "T1567"]),
            doc(&["CodeBuild user guide: public build project URLs"]),
            doc(&["Systems Manager user guide: sharing SSM documents"]),
            doc(&["Lambda developer guide: layers"]),
        ],
        on: [
            On::Call("ssm.amazonaws.com", &["ModifyDocumentPermission"]),
            On::Call("lambda.amazonaws.com", &[
                "AddLayerVersionPermission", "AddLayerVersionPermission20181031",
                "RemoveLayerVersionPermission", "RemoveLayerVersionPermission20181031"]),
            On::Call("codebuild.amazonaws.com", &["UpdateProjectVisibility", "DeleteProject"]),
        ],
    }
}

impl Rule for Published {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        match record.event_source.or_empty() {
            "ssm.amazonaws.com" => document(record, cx),
            "lambda.amazonaws.com" => layer(record, cx),
            _ => project(record, cx),
        }
        Ok(())
    }
}

fn document(record: &Record<'_>, cx: &mut Cx<'_>) {
    let request = record.request();
    let Some(written) = text_at(request, &["name"]) else { return };
    let name = written.rsplit_once("document/").map_or(written, |(_, name)| name);
    let list = |which: &str| texts_at(request, &[which]).into_iter().filter_map(Grantee::of_text).collect();
    let shared = Shared {
        arn: &record.arn("ssm", &format!("document/{name}")),
        name: &format!("document {name}"),
        everyone: Severity::High,
        account: Severity::Medium,
        why: "Whoever it is shared with can read the document and run it.",
    };
    let lists = (list("accountIdsToAdd"), list("accountIdsToRemove"));
    shared.report(record, cx, lists, |seen, grantee| {
        seen.step(
            "Who has it now?",
            "ssm describe-document-permission --permission-type Share",
            &[region_option(record), ("--name", name)],
        )
        .step(
            "Take the grantee off the list",
            "ssm modify-document-permission --permission-type Share",
            &[region_option(record), ("--name", name), ("--account-ids-to-remove", grantee.key())],
        )
    });
}

fn layer(record: &Record<'_>, cx: &mut Cx<'_>) {
    let (who, request) = (caller_name(record), record.request());
    let (Some(written), Some(statement)) =
        (text_at(request, &["layerName"]), text_at(request, &["statementId"]))
    else {
        return;
    };
    let name = written.rsplit_once("layer:").map_or(written, |(_, name)| name);
    let version =
        number_at(request, &["versionNumber"]).map_or_else(|| "?".to_owned(), |number| number.to_string());
    let arn = record.arn("lambda", &format!("layer:{name}:{version}"));
    if record.event_name.or_empty().starts_with("Remove") {
        let title = format!("{who} removed permission {statement} of layer {name}");
        cx.report(cx.passing(arn, title).aspect(statement));
        return;
    }
    let principal = text_at(request, &["principal"]).unwrap_or_default();
    let account = principal.split(':').nth(4).unwrap_or(principal);
    let (whom, severity) = match text_at(request, &["organizationId"]) {
        // Whose organization it is the event does not say.
        Some(organization) => (Grantee::Organization(organization), Severity::Low),
        None if principal == "*" => (Grantee::Everyone, Severity::Medium),
        None if account.is_empty() || is_ours(account, record, cx) => return,
        None => (Grantee::Account(account), Severity::Low),
    };
    let layer = [region_option(record), ("--layer-name", name), ("--version-number", version.as_str())];
    let seen = cx
        .failing(arn, format!("{who} shared layer {name} version {version} with {}", whom.words()))
        .severity(severity)
        .aspect(statement)
        .because("Whoever may use the layer can read everything in it.")
        .step("Who may use it?", "lambda get-layer-version-policy", &layer)
        .step(
            "Withdraw it",
            "lambda remove-layer-version-permission",
            &[layer[0], layer[1], layer[2], ("--statement-id", statement)],
        );
    cx.report(cx.tempered(seen));
}

fn project(record: &Record<'_>, cx: &mut Cx<'_>) {
    let who = caller_name(record);
    if let (Some(name), "DeleteProject") = (record.param(&["name"]), record.event_name.or_empty()) {
        // A project is deleted by its name or its ARN.
        let name = name.rsplit_once("project/").map_or(name, |(_, name)| name);
        let arn = record.arn("codebuild", &format!("project/{name}"));
        cx.report(cx.passing(arn, format!("{who} deleted project {name}")));
        return;
    }
    let Some(arn) = record.param(&["projectArn"]) else { return };
    let name = arn.rsplit_once("project/").map_or(arn, |(_, name)| name);
    match record.param(&["projectVisibility"]) {
        Some("PUBLIC_READ") => {
            let seen = cx
                .failing(arn, format!("{who} made the builds of project {name} public"))
                .because("Anybody on the internet can read the project's builds, logs and artifacts, old ones too.")
                .detail_if("Role", record.param(&["resourceAccessRole"]))
                .step(
                    "Make them private again",
                    "codebuild update-project-visibility --project-visibility PRIVATE",
                    &[region_option(record), ("--project-arn", arn)],
                );
            cx.report(stop_caller(seen, record));
        }
        Some("PRIVATE") => {
            cx.report(cx.passing(arn, format!("{who} made the builds of project {name} private")))
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn ssm(which: &str, accounts: Value) -> String {
        let request = json!({"name": "Restart", "permissionType": "Share", which: accounts});
        call("ssm", "ModifyDocumentPermission", json!({"requestParameters": request}))
    }

    fn layer(verb: &str, changes: Value) -> String {
        let mut request = json!({"layerName": "tools", "versionNumber": 3, "statementId": "s1"});
        for (key, value) in changes.as_object().into_iter().flatten() {
            request[key] = value.clone();
        }
        call(
            "lambda",
            &format!("{verb}LayerVersionPermission20181031"),
            json!({"requestParameters": request}),
        )
    }

    fn project(visibility: &str) -> String {
        let request = json!({"projectVisibility": visibility, "projectArn": "arn:aws:codebuild:us-east-1:111122223333:project/site"});
        call("codebuild", "UpdateProjectVisibility", json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        for all in ["all", "All"] {
            let seen = fires_at(&Published, Severity::High, &ssm("accountIdsToAdd", json!([all])));
            assert_eq!(seen.title, "alice shared document Restart with everybody with an AWS account");
        }
        fires_at(&Published, Severity::Medium, &ssm("accountIdsToAdd", json!(["999988887777"])));
        let seen = fires_at(&Published, Severity::Medium, &layer("Add", json!({"principal": "*"})));
        assert_eq!(seen.title, "alice shared layer tools version 3 with everybody with an AWS account");
        fires_at(
            &Published,
            Severity::Low,
            &layer("Add", json!({"principal": "999988887777", "versionNumber": "3"})),
        );
        let organization = json!({"principal": "*", "organizationId": "o-abcd123456"});
        fires_at(&Published, Severity::Low, &layer("Add", organization));
        let seen = fires_at(&Published, Severity::High, &project("PUBLIC_READ"));
        assert_eq!(seen.title, "alice made the builds of project site public");
    }

    #[test]
    fn withdrawing_it_settles_it() {
        for (open, gone) in [
            (ssm("accountIdsToAdd", json!(["all"])), ssm("accountIdsToRemove", json!(["All"]))),
            (layer("Add", json!({"principal": "*"})), layer("Remove", json!({}))),
            (project("PUBLIC_READ"), project("PRIVATE")),
            (
                project("PUBLIC_READ"),
                call("codebuild", "DeleteProject", json!({"requestParameters": {"name": "site"}})),
            ),
        ] {
            let gone = observe(&Published, &gone);
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
            assert_eq!(gone[0].finding_id(), fired(&Published, &open).finding_id());
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &Published,
            &[
                ssm("accountIdsToAdd", json!(["444455556666", "111122223333"])),
                ssm("accountIdsToAdd", json!(null)),
                layer("Add", json!({"principal": "444455556666"})),
                layer("Add", json!({"principal": null})),
                project("OTHER"),
                call("codebuild", "UpdateProjectVisibility", json!({"requestParameters": null})),
                call(
                    "ssm",
                    "ModifyDocumentPermission",
                    json!({"errorCode": "AccessDeniedException",
                    "requestParameters": {"name": "Restart", "accountIdsToAdd": ["all"]}}),
                ),
            ],
        );
    }
}
