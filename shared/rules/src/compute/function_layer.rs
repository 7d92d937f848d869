use serde_json::Value;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A Lambda function was given a layer from an account that you have not named as trusted.
    /// ## Why it matters
    /// A layer is code that runs inside the function, with its role and its environment variables, and that its owner
    /// wrote. The function's own code stays as it was, so that nobody sees a change there.
    /// ## What to do
    /// See whom the account belongs to. If you use the layer on purpose, add the account to `trusted-accounts`; else take
    /// the layer off, and change the secrets that the function knows.
    /// ## False positives
    /// Layers that AWS and vendors of monitoring publish, each from an account of its own. Changes of a function's own
    /// code, and layers of this account, are told by the rule on replaced code.
    FunctionLayer {
        id: "compute-function-foreign-layer",
        title: "A function runs a layer of an account that is not trusted",
        severity: Medium,
        confidence: Medium,
        catalogue: ["EXEC-03"],
        references: [attack(&["T1648"]), attack(&["T1574"]), doc(&["AWS Lambda Developer Guide: Layers"])],
        on: [On::Call("lambda.amazonaws.com", &[
            "CreateFunction20150331", "UpdateFunctionConfiguration20150331v2", "UpdateFunctionConfiguration20150331",
            "DeleteFunction20150331",
        ])],
    }
}

impl Rule for FunctionLayer {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some((arn, name)) = function(record) else { return Ok(()) };
        let who = caller_name(record);
        let deleted = deletes(record);
        // A change that does not mention layers leaves them as they are, and so does the deletion of one version.
        let mentioned = record.request().get("layers").is_some_and(|layers| !layers.is_null());
        if !deleted && !mentioned {
            return Ok(());
        }
        let layers = items_at(record.request(), &["layers"]);
        let layers = layers.into_iter().filter_map(Value::as_str);
        let foreign: Vec<(&str, &str)> = layers
            .filter_map(|layer| layer.split(':').nth(4).map(|owner| (layer, owner)))
            .filter(|(_, owner)| *owner != record.account())
            .filter(|(_, owner)| !cx.config.trusted_accounts.iter().any(|trusted| trusted == owner))
            .collect();
        let Some((layer, owner)) = foreign.first().filter(|_| !deleted) else {
            cx.report(cx.passing(arn, format!("{who} left function {name} without layers of strangers")));
            return Ok(());
        };
        let all: Vec<&str> = foreign.iter().map(|(layer, _)| *layer).collect();
        let place = region_option(record);
        let seen = cx
            .failing(arn, format!("{who} gave function {name} a layer of account {owner}"))
            .because("The layer's code runs with the function's role and sees its environment variables.")
            .detail("Layers", all.join(", "))
            .step("What is in the layer?", "lambda get-layer-version-by-arn", &[place, ("--arn", layer)])
            .step(
                "Which role and variables does it see?",
                "lambda get-function-configuration",
                &[place, ("--function-name", name)],
            )
            .step(
                "Take all layers off",
                "lambda update-function-configuration",
                &[place, ("--function-name", name), ("--layers", "[]")],
            );
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

/// Whether the call deletes the function as a whole, and not one of its versions.
pub(super) fn deletes(record: &Record<'_>) -> bool {
    let name = record.param(&["functionName"]).unwrap_or_default();
    let name = name.rsplit_once("function:").map_or(name, |(_, name)| name);
    record.event_name.or_empty().starts_with("Delete")
        && !name.contains(':')
        && record.param(&["qualifier"]).is_none()
}

/// The function's ARN, without a version, and its name. Calls name it either way.
pub(super) fn function<'r>(record: &'r Record<'_>) -> Option<(String, &'r str)> {
    let given = text_at(record.response(), &["functionName"])
        .or_else(|| text_at(record.response(), &["functionArn"]))
        .or_else(|| record.param(&["functionName"]))?;
    let name = given.rsplit_once("function:").map_or(given, |(_, name)| name);
    let name = name.split(':').next().unwrap_or(name);
    Some((record.arn("lambda", &format!("function:{name}")), name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn update(layers: Value) -> String {
        let request = json!({"functionName": "billing", "layers": layers});
        call("lambda", "UpdateFunctionConfiguration20150331v2", json!({"requestParameters": request}))
    }

    fn delete(request: Value) -> String {
        call("lambda", "DeleteFunction20150331", json!({"requestParameters": request}))
    }

    fn layer(account: &str) -> Value {
        json!(format!("arn:aws:lambda:us-east-1:{account}:layer:tools:3"))
    }

    #[test]
    fn fires_and_resolves() {
        let seen = fires_at(
            &FunctionLayer,
            Severity::Medium,
            &update(json!([layer("111122223333"), layer("999988887777")])),
        );
        assert_eq!(seen.title, "alice gave function billing a layer of account 999988887777");
        assert_eq!(seen.subject.resource, "arn:aws:lambda:us-east-1:111122223333:function:billing");
        let made = json!({"requestParameters": {"functionName": "billing", "layers": layer("999988887777")},
            "responseElements": {"functionName": "billing",
                "functionArn": "arn:aws:lambda:us-east-1:111122223333:function:billing"}});
        let made = fired(&FunctionLayer, &call("lambda", "CreateFunction20150331", made));
        assert_eq!(made.finding_id(), seen.finding_id());
        let name = "arn:aws:lambda:us-east-1:111122223333:function:billing";
        let deleted = delete(json!({"functionName": name}));
        for good in [update(json!([])), update(json!([layer("444455556666")])), deleted] {
            let good = observe(&FunctionLayer, &good);
            assert_eq!((good.len(), good[0].verdict), (1, Verdict::Passing));
            assert_eq!(good[0].finding_id(), seen.finding_id());
        }
    }

    #[test]
    fn stays_quiet() {
        let name = "UpdateFunctionConfiguration20150331v2";
        quiet(
            &FunctionLayer,
            &[
                call("lambda", name, json!({"requestParameters": {"functionName": "billing", "timeout": 3}})),
                call("lambda", name, json!({"requestParameters": null})),
                update(json!(null)),
                // Deleting one version leaves the function with its layers.
                delete(json!({"functionName": "billing", "qualifier": "7"})),
                delete(json!({"functionName": "arn:aws:lambda:us-east-1:111122223333:function:billing:7"})),
                call(
                    "lambda",
                    name,
                    json!({"errorCode": "AccessDeniedException", "requestParameters":
                    {"functionName": "billing", "layers": [layer("999988887777")]}}),
                ),
                call(
                    "lambda",
                    "UpdateFunctionCode20150331v2",
                    json!({"requestParameters": {"functionName": "billing"}}),
                ),
            ],
        );
    }
}
