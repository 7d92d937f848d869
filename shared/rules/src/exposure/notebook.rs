use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A SageMaker notebook instance was made with direct access to the internet, which it has unless
    /// somebody says otherwise. Its deletion settles the finding.
    /// ## Why it matters
    /// Whoever works in the notebook, or is let in by its URL, can send out whatever its role can read, past
    /// every control of the VPC.
    /// ## What to do
    /// Make it anew in a VPC without direct access if its role can read anything worth keeping.
    /// ## False positives
    /// Trials and teaching without data of value, which is most of them; so this is in the weekly mail only.
    Notebook {
        id: "exposure-notebook-internet",
        title: "A notebook has direct access to the internet",
        severity: Low,
        confidence: High,
        catalogue: ["PUB-15"],
        references: [
            security_hub(&["SageMaker.1"]),
            attack(&["T1567"]),
            doc(&["SageMaker developer guide: connect a notebook instance to resources in a VPC"]),
        ],
        on: [On::Call("sagemaker.amazonaws.com", &["CreateNotebookInstance", "DeleteNotebookInstance"])],
    }
}

impl Rule for Notebook {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, request) = (caller_name(record), record.request());
        let Some(name) = text_at(request, &["notebookInstanceName"]) else { return Ok(()) };
        let arn = record.arn("sagemaker", &format!("notebook-instance/{}", name.to_ascii_lowercase()));
        if record.event_name.or_empty() == "DeleteNotebookInstance" {
            cx.report(cx.passing(arn, format!("{who} deleted notebook {name}")));
            return Ok(());
        }
        if text_at(request, &["directInternetAccess"])
            .is_some_and(|access| access.eq_ignore_ascii_case("Disabled"))
        {
            return Ok(());
        }
        let options = [region_option(record), ("--notebook-instance-name", name)];
        let seen = cx
            .failing(arn, format!("{who} made notebook {name} with direct access to the internet"))
            .severity(Severity::Low)
            .because("Its traffic to the internet passes no control of the VPC.")
            .detail_if("Role", text_at(request, &["roleArn"]))
            .step("What is it, and which role has it?", "sagemaker describe-notebook-instance", &options)
            .step("Stop it", "sagemaker stop-notebook-instance", &options);
        cx.report(cx.tempered(seen));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn notebook(name: &str, access: Value) -> String {
        let request = json!({"notebookInstanceName": "trial", "directInternetAccess": access});
        call("sagemaker", name, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        for access in [json!(null), json!("Enabled")] {
            let seen = fires_at(&Notebook, Severity::Low, &notebook("CreateNotebookInstance", access));
            assert_eq!(seen.title, "alice made notebook trial with direct access to the internet");
        }
    }

    #[test]
    fn deleting_it_settles_it() {
        let gone = observe(&Notebook, &notebook("DeleteNotebookInstance", json!(null)));
        let open = fired(&Notebook, &notebook("CreateNotebookInstance", json!("Enabled")));
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, open.finding_id()));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &Notebook,
            &[
                notebook("CreateNotebookInstance", json!("Disabled")),
                call(
                    "sagemaker",
                    "CreateNotebookInstance",
                    json!({"errorCode": "AccessDeniedException",
                    "requestParameters": {"notebookInstanceName": "trial"}}),
                ),
                call("sagemaker", "CreateNotebookInstance", json!({"requestParameters": null})),
            ],
        );
    }
}
