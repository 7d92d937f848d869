use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A tap or a side door was made: a traffic mirror session, which copies everything a network interface sends and
    /// receives to another machine (high); access to the serial consoles of instances, for a whole region (medium); a
    /// Client VPN endpoint (medium); an Instance Connect endpoint (low). Taking it away resolves the finding.
    /// ## Why it matters
    /// A mirror session reads traffic, passwords in it included, and nobody on the machine notices. A serial console and
    /// a VPN reach machines that no security group lets anybody reach.
    /// ## What to do
    /// Ask the caller. If nobody needs it, take it away with the command below, and look where the copy went.
    /// ## False positives
    /// An intrusion detection system fed by mirroring, a repair over the serial console, a new VPN for the team: all
    /// rare, and known to somebody.
    SideDoor {
        id: "network-side-door",
        title: "A traffic mirror, serial console access or a Client VPN was set up",
        severity: Medium,
        confidence: Medium,
        catalogue: ["NET-06"],
        references: [
            attack(&["T1040"]),
            attack(&["T1133"]),
            doc(&["Amazon EC2 User Guide: EC2 Serial Console"]),
            doc(&["Amazon VPC: Traffic Mirroring"]),
        ],
        on: [On::Call("ec2.amazonaws.com", &[
            "CreateTrafficMirrorSession", "DeleteTrafficMirrorSession", "EnableSerialConsoleAccess",
            "DisableSerialConsoleAccess", "CreateClientVpnEndpoint", "DeleteClientVpnEndpoint",
            "CreateInstanceConnectEndpoint", "DeleteInstanceConnectEndpoint",
        ])],
    }
}

/// What one of the doors is called, who it lets do what, and how to close it.
struct Door {
    resource: String,
    what: String,
    severity: Severity,
    why: &'static str,
    look: &'static str,
    close: &'static str,
    option: Option<(&'static str, String)>,
}

impl Rule for SideDoor {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(door) = door(record) else { return Ok(()) };
        let (who, name) = (caller_name(record), record.event_name.or_empty());
        if name.starts_with("Delete") || name.starts_with("Disable") {
            cx.report(cx.passing(&door.resource, format!("{who} took {} away", door.what)));
            return Ok(());
        }
        let mut options = vec![region_option(record)];
        options.extend(door.option.iter().map(|(name, value)| (*name, value.as_str())));
        let seen = cx
            .failing(&door.resource, format!("{who} set up {}", door.what))
            .severity(door.severity)
            .because(door.why)
            .detail_if("Copies traffic of", ec2_parameter(record, "networkInterfaceId"))
            .detail_if("Copies traffic to", ec2_parameter(record, "trafficMirrorTargetId"))
            .detail_if("Addresses of clients", ec2_parameter(record, "clientCidrBlock"))
            .step("What is there?", door.look, &[region_option(record)])
            .step("Take it away", door.close, &options);
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

fn door(record: &Record<'_>) -> Option<Door> {
    // The answers of newer calls are wrapped as their parameters are.
    let reports = |key: &str, name: &str| {
        let wrapper = format!("{}Response", record.event_name.or_empty());
        let answer = record.response().get(&wrapper).unwrap_or(record.response());
        let inner = value_at(answer, &[key]).unwrap_or(answer);
        ec2_parameter(record, name).or_else(|| text_at(inner, &[name])).map(str::to_owned)
    };
    Some(match record.event_name.or_empty() {
        name if name.ends_with("TrafficMirrorSession") => {
            let id = reports("trafficMirrorSession", "trafficMirrorSessionId");
            let from = ec2_parameter(record, "networkInterfaceId");
            let copy = from.map_or_else(String::new, |from| format!(", a copy of the traffic of {from}"));
            let resource = match (&id, from) {
                (Some(id), _) => format!("traffic-mirror-session/{id}"),
                (None, from) => format!("network-interface/{}", from?),
            };
            Door {
                resource: record.arn("ec2", &resource),
                what: format!("traffic mirror session {}{copy}", id.as_deref().unwrap_or("of an unnamed id")),
                severity: Severity::High,
                why: "Everything the interface sends and receives is copied to another machine.",
                look: "ec2 describe-traffic-mirror-sessions",
                close: "ec2 delete-traffic-mirror-session",
                option: Some(("--traffic-mirror-session-id", id.unwrap_or_else(|| "SESSION_ID".to_owned()))),
            }
        }
        name if name.ends_with("InstanceConnectEndpoint") => {
            let id = reports("instanceConnectEndpoint", "instanceConnectEndpointId");
            let subnet = ec2_parameter(record, "subnetId").map(|subnet| format!("in {subnet}"));
            let named = id.clone().or(subnet)?;
            Door {
                resource: record.arn("ec2", &format!("instance-connect-endpoint/{named}")),
                what: format!("Instance Connect endpoint {named}"),
                severity: Severity::Low,
                why: "Whoever has the permission reaches the machines behind it, which have no public address.",
                look: "ec2 describe-instance-connect-endpoints",
                close: "ec2 delete-instance-connect-endpoint",
                option: Some((
                    "--instance-connect-endpoint-id",
                    id.unwrap_or_else(|| "ENDPOINT_ID".to_owned()),
                )),
            }
        }
        name if name.ends_with("ClientVpnEndpoint") => {
            let id = reports("clientVpnEndpoint", "clientVpnEndpointId");
            let clients = ec2_parameter(record, "clientCidrBlock").map(|cidr| format!("for {cidr}"));
            let named = id.clone().or(clients)?;
            Door {
                resource: record.arn("ec2", &format!("client-vpn-endpoint/{named}")),
                what: format!("Client VPN endpoint {named}"),
                severity: Severity::Medium,
                why: "Whoever has a certificate or a sign-in for it reaches the VPC from anywhere.",
                look: "ec2 describe-client-vpn-endpoints",
                close: "ec2 delete-client-vpn-endpoint",
                option: Some(("--client-vpn-endpoint-id", id.unwrap_or_else(|| "ENDPOINT_ID".to_owned()))),
            }
        }
        _ => Door {
            resource: "EC2 serial console access".to_owned(),
            what: format!(
                "access to the serial consoles of all instances in {}",
                record.aws_region.or_empty()
            ),
            severity: Severity::Medium,
            why: "The serial console reaches an instance without any network and without its security groups.",
            look: "ec2 get-serial-console-access-status",
            close: "ec2 disable-serial-console-access",
            option: None,
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn ec2(name: &str, request: Value, response: Value) -> String {
        call("ec2", name, json!({"requestParameters": request, "responseElements": response}))
    }

    fn resolves(opened: &str, undone: &str) {
        let seen = observe(&SideDoor, undone);
        assert_eq!((seen.len(), seen[0].verdict), (1, Verdict::Passing), "{undone}");
        assert_eq!(seen[0].finding_id(), fired(&SideDoor, opened).finding_id());
    }

    #[test]
    fn fires_and_resolves() {
        let mirror = ec2(
            "CreateTrafficMirrorSession",
            json!({"CreateTrafficMirrorSessionRequest": {"NetworkInterfaceId": "eni-1", "TrafficMirrorTargetId": "tmt-1"}}),
            json!({"CreateTrafficMirrorSessionResponse": {"trafficMirrorSession": {"trafficMirrorSessionId": "tms-1"}}}),
        );
        let seen = fires_at(&SideDoor, Severity::High, &mirror);
        assert_eq!(seen.title, "alice set up traffic mirror session tms-1, a copy of the traffic of eni-1");
        assert!(seen.steps[1].command.ends_with("--traffic-mirror-session-id tms-1"), "{:?}", seen.steps);
        let request = json!({"networkInterfaceId": "eni-1"});
        let unnamed = fired(&SideDoor, &ec2("CreateTrafficMirrorSession", request, json!(null)));
        assert!(
            unnamed.subject.resource.ends_with(":network-interface/eni-1"),
            "{}",
            unnamed.subject.resource
        );
        let gone = json!({"DeleteTrafficMirrorSessionRequest": {"TrafficMirrorSessionId": "tms-1"}});
        resolves(&mirror, &ec2("DeleteTrafficMirrorSession", gone, json!(null)));

        let serial =
            ec2("EnableSerialConsoleAccess", json!({"EnableSerialConsoleAccessRequest": ""}), json!(null));
        fires_at(&SideDoor, Severity::Medium, &serial);
        resolves(&serial, &ec2("DisableSerialConsoleAccess", json!(null), json!(null)));

        let vpn = ec2(
            "CreateClientVpnEndpoint",
            json!({"clientCidrBlock": "10.9.0.0/22"}),
            json!({"clientVpnEndpointId": "cvpn-endpoint-1"}),
        );
        fires_at(&SideDoor, Severity::Medium, &vpn);
        let gone = json!({"DeleteClientVpnEndpointRequest": {"ClientVpnEndpointId": "cvpn-endpoint-1"}});
        resolves(&vpn, &ec2("DeleteClientVpnEndpoint", gone, json!(null)));
    }

    #[test]
    fn stays_quiet() {
        let failed = json!({"errorCode": "Client.UnauthorizedOperation",
            "requestParameters": {"EnableSerialConsoleAccessRequest": ""}});
        quiet(
            &SideDoor,
            &[
                call("ec2", "EnableSerialConsoleAccess", failed),
                ec2("GetSerialConsoleAccessStatus", json!(null), json!(null)),
                ec2("CreateTrafficMirrorSession", json!(null), json!(null)),
                ec2("CreateClientVpnEndpoint", json!({"clientVpnEndpointId": 7}), json!("odd")),
                ec2("CreateTrafficMirrorTarget", json!({"x": 1}), json!(null)),
            ],
        );
    }

    #[test]
    fn an_instance_connect_endpoint_is_low() {
        let request = json!({"CreateInstanceConnectEndpointRequest": {"SubnetId": "subnet-1"}});
        let answer = json!({"CreateInstanceConnectEndpointResponse": {"instanceConnectEndpoint": {"instanceConnectEndpointId": "eice-1"}}});
        let made = call(
            "ec2",
            "CreateInstanceConnectEndpoint",
            json!({"requestParameters": request, "responseElements": answer}),
        );
        let gone = json!({"DeleteInstanceConnectEndpointRequest": {"InstanceConnectEndpointId": "eice-1"}});
        let title = "alice set up Instance Connect endpoint eice-1";
        opens_and_closes(
            &SideDoor,
            Severity::Low,
            (&made, title),
            &asked("ec2", "DeleteInstanceConnectEndpoint", gone),
        );
    }
}
