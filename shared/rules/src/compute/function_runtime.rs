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

/// Runtimes and the day from which AWS no longer patches them, as announced in August 2026; empty where that is long
/// past. A runtime that is not here is supported, or newer than this list.
const ENDS: [(&str, &str); 48] = [
    ("nodejs", ""),
    ("nodejs4.3", ""),
    ("nodejs4.3-edge", ""),
    ("nodejs6.10", ""),
    ("nodejs8.10", ""),
    ("nodejs10.x", ""),
    ("nodejs12.x", ""),
    ("nodejs14.x", ""),
    ("nodejs16.x", "2024-06-12"),
    ("nodejs18.x", "2025-09-01"),
    ("nodejs20.x", "2026-04-30"),
    ("nodejs22.x", "2027-04-30"),
    ("nodejs24.x", "2028-04-30"),
    ("python2.7", ""),
    ("python3.6", ""),
    ("python3.7", ""),
    ("python3.8", "2024-10-14"),
    ("python3.9", "2025-12-15"),
    ("python3.10", "2026-10-31"),
    ("python3.11", "2027-06-30"),
    ("python3.12", "2028-10-31"),
    ("python3.13", "2029-06-30"),
    ("python3.14", "2029-06-30"),
    ("ruby2.5", ""),
    ("ruby2.7", ""),
    ("ruby3.2", "2026-03-31"),
    ("ruby3.3", "2027-03-31"),
    ("ruby3.4", "2028-03-31"),
    ("ruby4.0", "2029-03-31"),
    ("java8", ""),
    ("java8.al2", "2027-06-30"),
    ("java11", "2027-06-30"),
    ("java17", "2027-06-30"),
    ("java21", "2029-06-30"),
    ("java25", "2029-06-30"),
    ("go1.x", ""),
    ("dotnetcore1.0", ""),
    ("dotnetcore2.0", ""),
    ("dotnetcore2.1", ""),
    ("dotnetcore3.1", ""),
    ("dotnet5.0", ""),
    ("dotnet6", "2024-12-20"),
    ("dotnet7", ""),
    ("dotnet8", "2026-11-10"),
    ("dotnet10", "2028-11-14"),
    ("provided", "2024-01-08"),
    ("provided.al2", "2026-07-31"),
    ("provided.al2023", "2029-06-30"),
];

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
        let ended = ENDS.iter().find(|(known, end)| *known == runtime && *end <= today);
        let Some((_, end)) = ended else {
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
