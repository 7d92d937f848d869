use keepwatch_base::runtimes;

use super::function_layer::{deletes, function};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A Lambda function was created on a runtime that AWS no longer patches (medium), or was changed and stays on one
    /// (low). Moving it to a supported runtime, or deleting it, resolves the finding.
    /// ## Why it matters
    /// Security holes in the language and its libraries stay open. From a later date AWS refuses changes as well, and a
    /// repair then means a migration at the worst time.
    /// ## What to do
    /// Set a supported runtime, and test the function on it before you deploy.
    /// ## False positives
    /// Functions that a framework makes on its own, which only its next version can move.
    FunctionRuntime {
        id: "compute-function-runtime-deprecated",
        title: "A function uses a runtime that is no longer supported",
        severity: Medium,
        confidence: High,
        catalogue: ["EXEC-04"],
        references: [
            security_hub(&["Lambda.2"]),
            trusted_advisor(&["L4dfs2Q4C5"]),
            doc(&["AWS Lambda Developer Guide: Lambda runtimes"]),
        ],
        on: [On::Call("lambda.amazonaws.com", &[
            "CreateFunction20150331", "UpdateFunctionConfiguration20150331v2", "UpdateFunctionConfiguration20150331",
            "DeleteFunction20150331",
        ])],
    }
}

impl Rule for FunctionRuntime {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some((arn, name)) = function(record) else { return Ok(()) };
        let who = caller_name(record);
        let event = record.event_name.or_empty();
        if event.starts_with("Delete") {
            if deletes(record) {
                cx.report(cx.passing(arn, format!("{who} deleted function {name}")));
            }
            return Ok(());
        }
        // A container image has no runtime.
        let Some(runtime) = record.response_text(&["runtime"]).or_else(|| record.param(&["runtime"])) else {
            return Ok(());
        };
        let today = record.event_time.or_empty().get(..10).unwrap_or_default();
        let Some(end) = runtimes::end(runtime).filter(|end| *end <= today) else {
            cx.report(cx.passing(arn, format!("Function {name} is on runtime {runtime}, set by {who}")));
            return Ok(());
        };
        let (severity, did) = match event {
            "CreateFunction20150331" => (Severity::Medium, "created function"),
            _ => (Severity::Low, "changed function"),
        };
        let since = if end.is_empty() { "for years".to_owned() } else { format!("since {end}") };
        let place = region_option(record);
        let seen = cx
            .failing(arn, format!("{who} {did} {name} on runtime {runtime}, which AWS no longer patches"))
            .severity(severity)
            .because("Security holes in this runtime stay open.")
            .detail("Unsupported", since)
            .step(
                "What is it set to now?",
                "lambda get-function-configuration",
                &[place, ("--function-name", name)],
            )
            .step(
                "Move it to a supported runtime",
                "lambda update-function-configuration",
                &[place, ("--function-name", name), ("--runtime", "RUNTIME")],
            );
        cx.report(cx.tempered(seen));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn lambda(name: &str, runtime: Value) -> String {
        let event = json!({"requestParameters": {"functionName": "billing", "runtime": runtime},
            "eventTime": "2026-11-01T12:00:00Z"});
        call("lambda", name, event)
    }

    const CREATE: &str = "CreateFunction20150331";
    const UPDATE: &str = "UpdateFunctionConfiguration20150331v2";

    #[test]
    fn fires_and_resolves() {
        let seen = fires_at(&FunctionRuntime, Severity::Medium, &lambda(CREATE, json!("python3.10")));
        assert_eq!(
            seen.title,
            "alice created function billing on runtime python3.10, which AWS no longer patches"
        );
        assert_eq!(seen.details, [("Unsupported".to_owned(), "since 2026-10-31".to_owned())]);
        fires_at(&FunctionRuntime, Severity::Low, &lambda(UPDATE, json!("go1.x")));
        let answered = json!({"requestParameters": {"functionName": "billing"},
            "responseElements": {"functionName": "billing", "runtime": "nodejs16.x"}});
        fires_at(&FunctionRuntime, Severity::Low, &call("lambda", UPDATE, answered));
        for good in [lambda(UPDATE, json!("python3.14")), lambda("DeleteFunction20150331", json!(null))] {
            let good = observe(&FunctionRuntime, &good);
            assert_eq!((good.len(), good[0].verdict), (1, Verdict::Passing));
            assert_eq!(good[0].finding_id(), seen.finding_id());
        }
    }

    #[test]
    fn the_day_decides() {
        let early = |runtime| {
            call(
                "lambda",
                CREATE,
                json!({"requestParameters":
            {"functionName": "billing", "runtime": runtime}, "eventTime": "2026-10-30T23:59:59Z"}),
            )
        };
        assert_eq!(observe(&FunctionRuntime, &early("python3.10"))[0].verdict, Verdict::Passing);
        assert_eq!(observe(&FunctionRuntime, &early("python9.99"))[0].verdict, Verdict::Passing);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &FunctionRuntime,
            &[
                lambda(CREATE, json!(null)),
                lambda(CREATE, json!(["go1.x"])),
                call("lambda", CREATE, json!({"requestParameters": null})),
                call(
                    "lambda",
                    "DeleteFunction20150331",
                    json!({"requestParameters": {"functionName": "billing", "qualifier": "7"}}),
                ),
                call(
                    "lambda",
                    CREATE,
                    json!({"errorCode": "AccessDenied",
                    "requestParameters": {"functionName": "billing", "runtime": "go1.x"}}),
                ),
            ],
        );
    }
}
