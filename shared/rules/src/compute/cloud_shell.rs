use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Somebody opened AWS CloudShell for the first time, or downloaded a file out of it.
    /// ## Why it matters
    /// CloudShell is a machine inside AWS with the caller's permissions: no key leaves a trace on a laptop, and files go
    /// out through the console. After a stolen console password it is the next step.
    /// ## What to do
    /// Nothing, if the person works with it. Else look at what the person called from there.
    /// ## False positives
    /// Administrators who like a shell in the browser, and the first visit of a new one.
    CloudShell {
        id: "compute-cloudshell-used",
        title: "CloudShell was opened or a file was taken out of it",
        severity: Low,
        confidence: Medium,
        catalogue: ["EXEC-07"],
        references: [cis("3.0", &["1.22"]), cis("5.0", &["1.21"]), attack(&["T1059.009"])],
        on: [
            On::Call("cloudshell.amazonaws.com", &["CreateEnvironment"]),
            On::Read("cloudshell.amazonaws.com", &["GetFileDownloadUrls"]),
        ],
        repeat_hours: 168,
    }
}

impl Rule for CloudShell {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let who = caller_name(record);
        let (aspect, title) = match record.event_name.or_empty() {
            "CreateEnvironment" => {
                ("opened", format!("{who} set up CloudShell in {}", record.aws_region.or_empty()))
            }
            _ => ("download", format!("{who} downloaded a file from CloudShell")),
        };
        let seen = cx
            .failing(acting_principal(record), title)
            .aspect(aspect)
            .because("CloudShell runs inside AWS with the caller's permissions.");
        cx.report(cx.tempered(what_else(seen, record)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    #[test]
    fn fires() {
        let opened =
            fires_at(&CloudShell, Severity::Low, &call("cloudshell", "CreateEnvironment", json!({})));
        assert_eq!(opened.title, "alice set up CloudShell in us-east-1");
        assert!(opened.steps[0].command.contains("AttributeValue=alice"), "{:?}", opened.steps);
        let taken = fired(&CloudShell, &call("cloudshell", "GetFileDownloadUrls", json!({"readOnly": true})));
        assert_ne!(opened.finding_id(), taken.finding_id());
    }

    #[test]
    fn stays_quiet() {
        let failed = json!({"errorCode": "AccessDeniedException"});
        quiet(
            &CloudShell,
            &[
                call("cloudshell", "CreateEnvironment", failed.clone()),
                call("cloudshell", "GetFileDownloadUrls", failed),
                call("cloudshell", "SendHeartBeat", json!({})),
                call("cloud9", "CreateEnvironment", json!({})),
                call("elasticbeanstalk", "CreateEnvironment", json!({})),
            ],
        );
    }
}
