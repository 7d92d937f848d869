use keepwatch_policy::Document;
use keepwatch_policy::sharing::{Guard, Outsider, shares};
use serde_json::{Value, json};

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A Lambda function can be called from outside: it got a function URL without authentication, or a permission for
    /// everybody (high), for another account (medium) or for an organization (low). A permission for an AWS service is
    /// low where it names neither a source ARN nor an account, for then anybody's topic or bucket can call the
    /// function, and where it names another account; with a source of the own account, or the token of a skill, it is
    /// not reported. The URL's removal or a change to AWS_IAM, the end of the function, and the removal of the
    /// permission settle the finding.
    /// ## Why it matters
    /// The function runs with its own role for whoever calls it. A thief who has planted code in a function
    /// opens a URL to come back without any key.
    /// ## What to do
    /// Look at the function's code and role. Remove the URL or the permission if nobody knows what it is for.
    /// ## False positives
    /// Webhooks and small web applications that check their callers themselves; vendors: name their accounts in the
    /// TrustedAccounts parameter. Whose an organization is, the event does not say: your own is low too.
    FunctionPublic {
        id: "exposure-function-public",
        title: "A Lambda function can be called from outside the account",
        severity: High,
        confidence: High,
        catalogue: ["PUB-08"],
        references: [
            security_hub(&["Lambda.1"]),
            attack(&["T1546", "T1525"]),
            doc(&["Lambda developer guide: security and auth model for function URLs"]),
        ],
        on: [On::Call("lambda.amazonaws.com", &[
            "AddPermission", "AddPermission20150331", "AddPermission20150331v2",
            "RemovePermission", "RemovePermission20150331", "RemovePermission20150331v2",
            "CreateFunctionUrlConfig", "CreateFunctionUrlConfig20211031",
            "UpdateFunctionUrlConfig", "UpdateFunctionUrlConfig20211031",
            "DeleteFunctionUrlConfig", "DeleteFunctionUrlConfig20211031",
            "DeleteFunction", "DeleteFunction20150331",
        ])],
    }
}

/// A URL and the permission that opens it are one problem.
const URL: &str = "function URL";

impl Rule for FunctionPublic {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(written) = record.param(&["functionName"]) else { return Ok(()) };
        let (name, alias) = named(written);
        let (who, arn) = (caller_name(record), record.arn("lambda", &format!("function:{name}")));
        let event = record.event_name.or_empty();
        if event.starts_with("DeleteFunction") && !event.contains("Url") {
            // With a qualifier, one version is deleted and the function stays.
            if record.param(&["qualifier"]).is_none() && alias.is_none() {
                cx.report(cx.passing(arn, format!("{who} deleted function {name}")).aspect(URL));
            }
            return Ok(());
        }
        if event.contains("FunctionUrl") {
            let open = record.param(&["authType"]) == Some("NONE");
            let seen = match (event.starts_with("Delete"), record.param(&["authType"])) {
                (false, Some("NONE")) => cx.failing(
                    &arn,
                    format!("{who} gave function {name} a URL that asks for no authentication"),
                ),
                (true, _) => cx.passing(&arn, format!("{who} removed the URL of function {name}")),
                (_, Some(_)) => {
                    cx.passing(&arn, format!("{who} made the URL of function {name} ask for a signature"))
                }
                // A change of something else.
                _ => return Ok(()),
            };
            let url = record.response_text(&["functionUrl"]);
            let seen = seen
                .aspect(URL)
                .because("Whoever has the address can call the function.")
                .detail_if("URL", url);
            cx.report(if open { finish(cx, record, seen, name, None) } else { seen });
            return Ok(());
        }
        let statement = record.param(&["statementId"]);
        if event.starts_with("Remove") {
            let statement = statement.unwrap_or_default();
            // The name that the console gives the permission without which a URL answers nobody.
            let aspect = if statement == "FunctionURLAllowPublicAccess" { URL } else { statement };
            let title = format!("{who} removed permission {statement} of function {name}");
            cx.report(cx.passing(arn, title).aspect(aspect));
            return Ok(());
        }
        if let Some(seen) = permission(record, cx, &arn, name) {
            cx.report(finish(cx, record, seen, name, statement));
        }
        Ok(())
    }
}

/// What a permission opens.
fn permission(record: &Record<'_>, cx: &Cx<'_>, arn: &str, name: &str) -> Option<Observation> {
    let who = caller_name(record);
    let principal = record.param(&["principal"])?;
    let document = document(record, principal);
    let all = shares(&document, "lambda", record.account(), &cx.config.trusted_accounts);
    let share = all.first()?;
    let severity = match (&share.who, share.guard) {
        (Outsider::Everyone, None | Some(Guard::Tags)) => Severity::High,
        (Outsider::Everyone, Some(Guard::Addresses | Guard::Principals)) => Severity::Medium,
        (Outsider::Everyone, Some(Guard::Organization | Guard::Vpc | Guard::AccessPoint)) => Severity::Low,
        (Outsider::Everyone, Some(Guard::Network | Guard::Source)) => return None,
        (Outsider::ExternalAccount(_), Some(Guard::Source)) | (Outsider::Service, _) => Severity::Low,
        _ => Severity::Medium,
    };
    let url = record.param(&["functionUrlAuthType"]) == Some("NONE")
        || record.param_flag(&["invokedViaFunctionUrl"]) == Some(true);
    let aspect = if url { URL } else { record.param(&["statementId"]).unwrap_or_default() };
    let title = format!("{who} opened function {name}: {} can {}", share.whom(), share.ability());
    let seen = cx.failing(arn, title).severity(severity).aspect(aspect);
    Some(
        seen.because("The function runs with its own role for whoever may call it.")
            .detail("Principal", principal)
            .detail_if("Action", record.param(&["action"]))
            .detail_if("Statement", record.param(&["statementId"])),
    )
}

/// The statement that Lambda writes into the function's policy for these parameters.
fn document(record: &Record<'_>, principal: &str) -> Document {
    let mut condition = json!({});
    for (parameter, operator, key) in [
        ("sourceArn", "ArnLike", "aws:SourceArn"),
        ("sourceAccount", "StringEquals", "aws:SourceAccount"),
        ("eventSourceToken", "StringEquals", "lambda:EventSourceToken"),
        ("principalOrgID", "StringEquals", "aws:PrincipalOrgID"),
        ("functionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
    ] {
        if let Some(value) = record.param(&[parameter]) {
            condition[operator][key] = Value::from(value);
        }
    }
    // AWS services are the only principals with a dot in their names.
    let kind = if principal.contains('.') && !principal.starts_with("arn:") { "Service" } else { "AWS" };
    let action = record.param(&["action"]).unwrap_or("lambda:InvokeFunction");
    let statement =
        json!({"Effect": "Allow", "Principal": {kind: principal}, "Action": action, "Condition": condition});
    let nothing = Document { version: None, statements: Vec::new() };
    Document::from_value(&json!({"Statement": statement})).unwrap_or(nothing)
}

/// A function's name, and the alias or version after it, of any form of its name or ARN.
fn named(written: &str) -> (&str, Option<&str>) {
    // A name may itself end in `function`.
    let name = written.split_once(":function:").map_or(written, |(_, name)| name);
    name.split_once(':').map_or((name, None), |(name, alias)| (name, Some(alias)))
}

fn finish(
    cx: &Cx<'_>,
    record: &Record<'_>,
    seen: Observation,
    name: &str,
    statement: Option<&str>,
) -> Observation {
    // An alias has a policy and a URL of its own.
    let alias = record.param(&["qualifier"]).or_else(|| named(record.param(&["functionName"])?).1);
    let mut function = vec![region_option(record), ("--function-name", name)];
    function.extend(alias.map(|alias| ("--qualifier", alias)));
    let seen = seen.step("Who may call it?", "lambda get-policy", &function).step(
        "What may the function itself do? (its role)",
        "lambda get-function-configuration --query Role",
        &function,
    );
    let seen = match statement {
        Some(statement) => {
            function.push(("--statement-id", statement));
            seen.step("Remove the permission", "lambda remove-permission", &function)
        }
        None => seen.step("Remove the URL", "lambda delete-function-url-config", &function),
    };
    cx.tempered(stop_caller(seen, record))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn add(changes: Value) -> String {
        let mut request =
            json!({"functionName": "hook", "statementId": "s1", "action": "lambda:InvokeFunction"});
        for (key, value) in changes.as_object().into_iter().flatten() {
            request[key] = value.clone();
        }
        call("lambda", "AddPermission20150331v2", json!({"requestParameters": request}))
    }

    fn url(verb: &str, request: Value) -> String {
        let mut request = request;
        request["functionName"] = json!("arn:aws:lambda:us-east-1:111122223333:function:hook");
        call(
            "lambda",
            &format!("{verb}FunctionUrlConfig"),
            json!({"requestParameters": request,
            "responseElements": {"functionUrl": "https://abc.lambda-url.us-east-1.on.aws/"}}),
        )
    }

    #[test]
    fn fires() {
        let anybody = fires_at(&FunctionPublic, Severity::High, &add(json!({"principal": "*"})));
        assert_eq!(anybody.title, "alice opened function hook: anybody with an AWS account can invoke it");
        for principal in ["999988887777", "arn:aws:iam::999988887777:role/x"] {
            let one = fires_at(&FunctionPublic, Severity::Medium, &add(json!({"principal": principal})));
            assert_eq!(one.title, "alice opened function hook: outside account 999988887777 can invoke it");
        }
        let open = fires_at(&FunctionPublic, Severity::High, &url("Create", json!({"authType": "NONE"})));
        assert_eq!(open.title, "alice gave function hook a URL that asks for no authentication");
        assert_eq!(open.subject.resource, anybody.subject.resource);
        let topic = "arn:aws:sns:us-east-1:999988887777:alerts";
        let acting = add(json!({"principal": "sns.amazonaws.com", "sourceArn": topic}));
        let acting = fires_at(&FunctionPublic, Severity::Low, &acting);
        assert_eq!(
            acting.title,
            "alice opened function hook: sns.amazonaws.com, acting for outside account 999988887777, can invoke it"
        );
        // A thief's organization looks no different from one's own.
        fires_at(
            &FunctionPublic,
            Severity::Low,
            &add(json!({"principal": "*", "principalOrgID": "o-abcd123456"})),
        );
    }

    #[test]
    fn a_url_and_its_permission_are_one_finding() {
        let open = fired(&FunctionPublic, &url("Create", json!({"authType": "NONE"})));
        let public = add(
            json!({"principal": "*", "action": "lambda:InvokeFunctionUrl", "functionUrlAuthType": "NONE"}),
        );
        let permission = fired(&FunctionPublic, &public);
        assert_eq!(permission.title, "alice opened function hook: anybody on the internet can call its URL");
        assert_eq!(permission.finding_id(), open.finding_id());
        let request = json!({"functionName": "hook", "statementId": "FunctionURLAllowPublicAccess"});
        let removed = call("lambda", "RemovePermission20150331v2", json!({"requestParameters": request}));
        for event in [url("Update", json!({"authType": "AWS_IAM"})), url("Delete", json!({})), removed] {
            let gone = observe(&FunctionPublic, &event);
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
            assert_eq!(gone[0].finding_id(), open.finding_id());
        }
        let whole =
            |request: Value| call("lambda", "DeleteFunction20150331", json!({"requestParameters": request}));
        let gone = observe(&FunctionPublic, &whole(json!({"functionName": "hook"})));
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, open.finding_id()));
        for version in [json!({"functionName": "hook", "qualifier": "3"}), json!({"functionName": "hook:3"})]
        {
            quiet(&FunctionPublic, &[whole(version)]);
        }
        // A permission of a name like the console's closes nothing.
        let request = json!({"functionName": "hook", "statementId": "FunctionURLAllowPublicToo"});
        let other = call("lambda", "RemovePermission20150331v2", json!({"requestParameters": request}));
        assert_ne!(observe(&FunctionPublic, &other)[0].finding_id(), open.finding_id());
    }

    #[test]
    fn an_alias_is_named_in_the_commands() {
        let alias =
            fired(&FunctionPublic, &add(json!({"functionName": "my-function:live", "principal": "*"})));
        assert!(alias.subject.resource.ends_with(":function:my-function"), "{}", alias.subject.resource);
        for request in [json!({"qualifier": "live"}), json!({"functionName": "hook:live"})] {
            let mut request = request;
            request["principal"] = json!("*");
            let seen = fired(&FunctionPublic, &add(request));
            assert!(
                seen.steps[2].command.ends_with("--function-name hook --qualifier live --statement-id s1"),
                "{:?}",
                seen.steps
            );
        }
    }

    #[test]
    fn removing_the_permission_settles_it() {
        let open = fired(&FunctionPublic, &add(json!({"principal": "*"})));
        let request = json!({"functionName": "hook", "statementId": "s1"});
        let gone = observe(
            &FunctionPublic,
            &call("lambda", "RemovePermission20150331v2", json!({"requestParameters": request})),
        );
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, open.finding_id()));
    }

    #[test]
    fn a_service_that_no_condition_binds_is_low() {
        for principal in ["sns.amazonaws.com", "apigateway.amazonaws.com", "secretsmanager.amazonaws.com"] {
            let seen = fires_at(&FunctionPublic, Severity::Low, &add(json!({"principal": principal})));
            let title =
                format!("alice opened function hook: {principal}, acting for any account, can invoke it");
            assert_eq!(seen.title, title);
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &FunctionPublic,
            &[
                add(json!({"principal": "apigateway.amazonaws.com",
                    "sourceArn": "arn:aws:execute-api:us-east-1:111122223333:a1/*"})),
                add(
                    json!({"principal": "alexa-connectedhome.amazon.com", "eventSourceToken": "amzn1.ask.skill.x"}),
                ),
                add(json!({"principal": "s3.amazonaws.com", "sourceArn": "arn:aws:s3:::photos"})),
                add(json!({"principal": "444455556666"})),
                add(json!({"principal": "111122223333"})),
                add(json!({"principal": "*", "sourceAccount": "111122223333"})),
                add(json!({"principal": null})),
                url("Create", json!({"authType": "AWS_IAM"})).replace("Create", "Xreate"),
                url("Update", json!({"cors": {}})),
                call(
                    "lambda",
                    "CreateFunctionUrlConfig",
                    json!({"errorCode": "AccessDeniedException",
                    "requestParameters": {"functionName": "hook", "authType": "NONE"}}),
                ),
                call("lambda", "AddPermission20150331v2", json!({"requestParameters": null})),
            ],
        );
    }
}
