use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Nothing: whether repositories refuse commits with keys in them, nothing in the account tells. This is advice, and never
    /// passes.
    /// ## Why it matters
    /// A key that is pushed to a public repository is found within a minute.
    /// ## What to do
    /// Install a hook such as git-secrets or gitleaks on every developer's machine, and switch on push protection where the
    /// repositories are kept. `key.exposed` names what AWS has found.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// A commit that looks as if it held a key is refused; the hooks have lists of exceptions.
    GitSecrets {
        id: "key.git-secrets",
        title: "Repositories refuse commits with keys in them",
        severity: Informational,
        practices: ["P23"],
        references: [doc(&["awslabs/git-secrets"])],
        asks: [],
    }
}

impl Check for GitSecrets {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.report(cx.manual("Ask whether every repository has a hook against secrets: AWS cannot tell"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    #[test]
    fn it_is_advice() {
        assert_eq!(judge_one(&GitSecrets, &account()).verdict, Judged::Manual);
    }
}
