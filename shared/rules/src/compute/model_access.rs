use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Access to foundation models of Amazon Bedrock was asked for or agreed to, or the log of what models are asked was
    /// switched off. Setting a log again resolves that.
    /// ## Why it matters
    /// Stolen keys are used to run models on somebody else's bill, and the access is resold; it costs thousands a day.
    /// Opening models that nobody used, and closing the log, is how that begins.
    /// ## What to do
    /// Ask the caller. If nobody works with Bedrock, stop the caller's credentials, and set a quota or a control policy
    /// that forbids it.
    /// ## False positives
    /// The first steps with Bedrock. Invocations themselves are not looked at: there are too many.
    ModelAccess {
        id: "compute-bedrock-model-access",
        title: "Access to Bedrock models was opened or their log was switched off",
        severity: Medium,
        confidence: Medium,
        catalogue: ["EXEC-09"],
        references: [
            attack(&["T1496"]),
            doc(&["Amazon Bedrock User Guide: Model access"]),
            doc(&["Amazon Bedrock User Guide: Model invocation logging"]),
        ],
        on: [On::Call("bedrock.amazonaws.com", &[
            "PutFoundationModelEntitlement", "PutUseCaseForModelAccess", "CreateFoundationModelAgreement",
            "DeleteModelInvocationLoggingConfiguration", "PutModelInvocationLoggingConfiguration",
        ])],
    }
}

/// The setting has no ARN: it is one for each account and region.
const LOG: &str = "Bedrock model invocation logging";

impl Rule for ModelAccess {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, place) = (caller_name(record), region_option(record));
        let seen = match record.event_name.or_empty() {
            "PutModelInvocationLoggingConfiguration" => {
                cx.report(cx.passing(LOG, format!("{who} set a log for Bedrock's models in {}", place.1)));
                return Ok(());
            }
            "DeleteModelInvocationLoggingConfiguration" => cx
                .failing(LOG, format!("{who} switched off the log of Bedrock's models in {}", place.1))
                .because("What models are asked, and by whom, is no longer written down.")
                .step("Is there a log?", "bedrock get-model-invocation-logging-configuration", &[place]),
            _ => cx
                .failing(
                    acting_principal(record),
                    format!("{who} opened access to Bedrock models in {}", place.1),
                )
                .because(
                    "With access, models can be run on this account's bill, and stolen access is resold.",
                )
                .detail_if("Model", record.param(&["modelId"]))
                .step(
                    "Is it used? (Invocations)",
                    "cloudwatch list-metrics",
                    &[place, ("--namespace", "AWS/Bedrock")],
                ),
        };
        cx.report(cx.tempered(stop_caller(what_else(seen, record), record)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn bedrock(name: &str, changes: Value) -> String {
        call("bedrock", name, changes)
    }

    #[test]
    fn fires_and_resolves() {
        for name in
            ["PutFoundationModelEntitlement", "PutUseCaseForModelAccess", "CreateFoundationModelAgreement"]
        {
            let seen =
                fires_at(&ModelAccess, Severity::Medium, &bedrock(name, json!({"requestParameters": null})));
            assert_eq!(seen.title, "alice opened access to Bedrock models in us-east-1");
        }
        let off = bedrock("DeleteModelInvocationLoggingConfiguration", json!({}));
        let off = fires_at(&ModelAccess, Severity::Medium, &off);
        let on = observe(&ModelAccess, &bedrock("PutModelInvocationLoggingConfiguration", json!({})));
        assert_eq!((on.len(), on[0].verdict), (1, Verdict::Passing));
        assert_eq!(on[0].finding_id(), off.finding_id());
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &ModelAccess,
            &[
                bedrock("PutUseCaseForModelAccess", json!({"errorCode": "AccessDeniedException"})),
                bedrock(
                    "DeleteModelInvocationLoggingConfiguration",
                    json!({"errorCode": "AccessDeniedException"}),
                ),
                bedrock("InvokeModel", json!({"readOnly": true})),
                bedrock("GetUseCaseForModelAccess", json!({"readOnly": true})),
            ],
        );
    }
}
