use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Outbound web identity federation was switched on: from now on, whoever may call `sts:GetWebIdentityToken` gets a
    /// token that names a principal of this account, for services outside AWS. Switching it off settles the finding.
    /// ## Why it matters
    /// A service outside that believes the account's issuer lets in whoever holds such a token. A stolen session of this
    /// account then reaches further than AWS, where CloudTrail does not look.
    /// ## What to do
    /// See that you know which service outside it is for, and who may ask for tokens.
    /// ## False positives
    /// Setting up access to another cloud without stored secrets, which is what it is for. It happens once, and is not
    /// mailed.
    OutboundFederation {
        id: "admin-outbound-federation",
        title: "The account vouches for its principals to services outside",
        severity: Low,
        confidence: High,
        catalogue: ["ADM-25"],
        references: [
            attack(&["T1550.001"]),
            doc(&["IAM API reference: EnableOutboundWebIdentityFederation"]),
        ],
        on: [On::Call("iam.amazonaws.com", &[
            "EnableOutboundWebIdentityFederation", "DisableOutboundWebIdentityFederation",
        ])],
    }
}

impl Rule for OutboundFederation {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, arn) = (caller_name(record), record.iam_arn("outbound-federation", "issuer"));
        if record.event_name.or_empty().starts_with("Disable") {
            cx.report(cx.passing(arn, format!("{who} switched off outbound web identity federation")));
            return Ok(());
        }
        let seen = cx
            .failing(arn, format!("{who} switched on outbound web identity federation"))
            .because(
                "Services outside AWS can be told to believe tokens that this account gives its principals.",
            )
            .detail_if("Issuer", record.response_text(&["issuerIdentifier"]))
            .step(
                "Who asks for tokens?",
                "cloudtrail lookup-events",
                &[
                    region_option(record),
                    ("--lookup-attributes", "AttributeKey=EventName,AttributeValue=GetWebIdentityToken"),
                ],
            )
            .step("Switch it off", "iam disable-outbound-web-identity-federation", &[]);
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    #[test]
    fn fires_until_it_is_switched_off() {
        let on = call("iam", "EnableOutboundWebIdentityFederation", json!({}));
        let on = fires_at(&OutboundFederation, Severity::Low, &on);
        assert_eq!(on.title, "alice switched on outbound web identity federation");
        let off = call("iam", "DisableOutboundWebIdentityFederation", json!({}));
        let off = observe(&OutboundFederation, &off);
        assert_eq!((off.len(), off[0].verdict), (1, Verdict::Passing));
        assert_eq!(off[0].finding_id(), on.finding_id());
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &OutboundFederation,
            &[
                failed_call("iam", "EnableOutboundWebIdentityFederation", "FeatureEnabled", json!({})),
                call("iam", "GetOutboundWebIdentityFederationInfo", json!({})),
            ],
        );
    }
}
