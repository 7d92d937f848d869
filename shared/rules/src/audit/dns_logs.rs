use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Logging of DNS queries was deleted, or taken off a network.
    /// ## Why it matters
    /// DNS queries show which machine asked for a command-and-control server, and data can leave by DNS
    /// alone.
    /// ## What to do
    /// Ask the caller; associate the network with a query log configuration again.
    /// ## False positives
    /// A network that is torn down. A change of the log's destination closes the finding once the network is
    /// associated with the new configuration; a deleted configuration stays deleted.
    DnsLogs {
        id: "audit-dns-logs-deleted",
        title: "Logging of DNS queries was switched off",
        severity: Medium,
        confidence: High,
        catalogue: ["DET-09"],
        references: [security_hub(&["Route53.2"]), attack(&["T1562.008"])],
        on: [On::Call("route53resolver.amazonaws.com", &[
            "DeleteResolverQueryLogConfig", "DisassociateResolverQueryLogConfig",
                "AssociateResolverQueryLogConfig",
        ])],
    }
}

impl Rule for DnsLogs {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, request, region) = (caller_name(record), record.request(), region(record));
        let Some(id) = text_at(request, &["resolverQueryLogConfigId"]) else { return Ok(()) };
        let vpc = text_at(request, &["resourceId"]).unwrap_or("a network that is not named");
        // Whichever configuration takes a network up again, its queries are logged.
        let network = record.arn("ec2", &format!("vpc/{vpc}"));
        let seen = match record.event_name.or_empty() {
            "AssociateResolverQueryLogConfig" => {
                cx.report(cx.passing(network, format!("{who} has the DNS queries of {vpc} logged")));
                return Ok(());
            }
            "DeleteResolverQueryLogConfig" => {
                let log = record.arn("route53resolver", &format!("resolver-query-log-config/{id}"));
                cx.failing(log, format!("{who} deleted DNS query log {id} in {region}"))
            }
            _ => cx.failing(network, format!("{who} switched off the logging of DNS queries of {vpc}")),
        };
        let seen = seen
            .because("DNS queries are no longer recorded there.")
            .detail("Query log configuration", id)
            .step(
                "Which networks are still logged?",
                "route53resolver list-resolver-query-log-config-associations",
                &[("--region", region)],
            );
        cx.report(stop_caller(tempered_to(cx, Severity::Low, seen), record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn dns(event: &str, request: Value) -> String {
        call("route53resolver", event, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let both = json!({"resolverQueryLogConfigId": "rqlc-1", "resourceId": "vpc-1"});
        fires_at(
            &DnsLogs,
            Severity::Medium,
            &dns("DeleteResolverQueryLogConfig", json!({"resolverQueryLogConfigId": "rqlc-1"})),
        );
        let off =
            fires_at(&DnsLogs, Severity::Medium, &dns("DisassociateResolverQueryLogConfig", both.clone()));
        assert_eq!(off.title, "alice switched off the logging of DNS queries of vpc-1");
        let other = json!({"resolverQueryLogConfigId": "rqlc-2", "resourceId": "vpc-1"});
        let on = observe(&DnsLogs, &dns("AssociateResolverQueryLogConfig", other));
        assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, off.finding_id()));
        let on = observe(&DnsLogs, &dns("AssociateResolverQueryLogConfig", both));
        assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, off.finding_id()));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &DnsLogs,
            &[
                dns("DeleteResolverQueryLogConfig", json!(null)),
                dns("DeleteResolverQueryLogConfig", json!({"resolverQueryLogConfigId": 7})),
                call(
                    "route53resolver",
                    "DeleteResolverQueryLogConfig",
                    json!({"errorCode": "AccessDenied",
                        "requestParameters": {"resolverQueryLogConfigId": "x"}}),
                ),
                call(
                    "route53",
                    "DeleteResolverQueryLogConfig",
                    json!({"requestParameters": {"resolverQueryLogConfigId": "x"}}),
                ),
            ],
        );
    }
}
