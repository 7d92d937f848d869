use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// No SageMaker notebook instance reaches the internet past its VPC. One that is being deleted is left out. Whether its
    /// users are root on it stands beside the verdict. Studio domains are another thing and not looked at.
    /// ## Why it matters
    /// Whoever works in the notebook, or is let in by its URL, can send out whatever its role can read, past every control of
    /// the VPC.
    /// ## What to do
    /// Stop the notebook, make it anew in a VPC without direct access, and give it endpoints or a NAT gateway for what it needs.
    /// ## What it costs
    /// A NAT gateway costs about 33 USD a month and 0.045 USD for each GB; endpoints for S3 cost nothing.
    /// ## What may break
    /// Installing packages and downloading models from the internet, until there is a way for that.
    DirectInternet {
        id: "sagemaker.direct-internet",
        title: "No notebook reaches the internet directly",
        severity: Medium,
        practices: ["P54"],
        number: 23,
        references: [security_hub(&["SageMaker.1"]), config(&["sagemaker-notebook-no-direct-internet-access"])],
        asks: [Notebooks, Notebook],
        finding: "exposure-notebook-internet",
        closes: [Closes::Listed("arn:*:sagemaker:*:notebook-instance/*")],
    }
}

impl Check for DirectInternet {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_of(
            Notebooks,
            |_, notebook| notebook.arn.clone(),
            |cx, listed| {
                let (name, region) = (listed.name.as_str(), cx.region());
                if listed.status == "Deleting" {
                    cx.report(cx.not_applicable(format!("Notebook {name} is being deleted")));
                    return Ok(());
                }
                let notebook = cx.known(Notebook, (region.as_str(), name))?;
                let options = [("--region", region.as_str()), ("--notebook-instance-name", name)];
                let seen = match notebook.direct_internet {
                    false => cx.passing(format!("Notebook {name} reaches the internet through its VPC only")),
                    true => cx
                        .failing(format!("Notebook {name} reaches the internet directly"))
                        .because("its traffic to the internet passes no control of the VPC")
                        .step("Which role has it?", "sagemaker describe-notebook-instance", &options)
                        .step("Stop it", "sagemaker stop-notebook-instance", &options),
                };
                cx.report(seen.detail("Its users are root", if notebook.root_access { "yes" } else { "no" }));
                Ok(())
            },
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::compute::{Notebook as Facts, NotebookName};
    use keepwatch_core::posture::State;

    fn state(notebooks: &[(&str, &str, bool)]) -> State {
        let listed = |(name, status, _): &(&str, &str, bool)| NotebookName {
            name: (*name).to_owned(),
            arn: format!("arn:aws:sagemaker:eu-west-1:111122223333:notebook-instance/{name}"),
            status: (*status).to_owned(),
        };
        let mut state = account().with(Notebooks, region(), notebooks.iter().map(listed).collect());
        for (name, status, direct_internet) in notebooks {
            if *status != "Deleting" {
                let facts = Facts { direct_internet: *direct_internet, root_access: true };
                state = state.with(Notebook, of(name), facts);
            }
        }
        state
    }

    #[test]
    fn each_notebook_by_itself() {
        let all = [("open", "InService", true), ("inside", "Stopped", false), ("going", "Deleting", true)];
        assert_eq!(
            judged(&DirectInternet, &state(&all)),
            [
                ("open".to_owned(), Judged::Failing),
                ("inside".to_owned(), Judged::Passing),
                ("going".to_owned(), Judged::NotApplicable),
            ]
        );
    }

    #[test]
    fn unknown_and_gone() {
        let one = || state(&[("a", "InService", true)]);
        let refusal = judge_one(&DirectInternet, &refused(one(), Notebook, of("a")));
        assert_eq!(
            (refusal.verdict, missing(&refusal)),
            (Judged::Unknown, vec!["sagemaker:DescribeNotebookInstance"])
        );
        assert_eq!(
            judge_one(&DirectInternet, &absent(one(), Notebook, of("a"))).verdict,
            Judged::NotApplicable
        );
        let refusal = judge_one(&DirectInternet, &refused(account(), Notebooks, region()));
        assert_eq!(missing(&refusal), ["sagemaker:ListNotebookInstances"]);
    }
}
