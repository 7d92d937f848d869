use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A key was pushed for the serial console of an instance: somebody is signing in there.
    /// ## Why it matters
    /// The serial console passes by the network, the security groups and the firewall on the machine, and can restart
    /// it into a mode without a password.
    /// ## What to do
    /// Ask the caller. Serial console access can be switched off for the whole region.
    /// ## False positives
    /// A repair when nothing else works. It is rare, and somebody knows of it.
    SerialConsole {
        id: "compute-serial-console-used",
        title: "The serial console of an instance was opened",
        severity: Medium,
        confidence: High,
        catalogue: ["EXEC-06"],
        references: [attack(&["T1021"]), doc(&["Amazon EC2 User Guide: EC2 Serial Console"])],
        on: [On::Call("ec2-instance-connect.amazonaws.com", &["SendSerialConsoleSSHPublicKey"])],
    }
}

impl Rule for SerialConsole {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(instance) = record.param(&["instanceId"]) else { return Ok(()) };
        let arn = record.arn("ec2", &format!("instance/{instance}"));
        let place = region_option(record);
        let seen = cx
            .failing(arn, format!("{} opened the serial console of instance {instance}", caller_name(record)))
            .because("It is a way onto the machine that no security group stops.")
            .step("What shows the console?", "ec2 get-console-output", &[place, ("--instance-id", instance)])
            .step("Switch serial consoles off in the region", "ec2 disable-serial-console-access", &[place]);
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn push(changes: Value) -> String {
        call("ec2-instance-connect", "SendSerialConsoleSSHPublicKey", changes)
    }

    #[test]
    fn fires() {
        let event = push(json!({"requestParameters": {"instanceId": "i-1", "serialPort": 0}}));
        let seen = fires_at(&SerialConsole, Severity::Medium, &event);
        assert_eq!(seen.title, "alice opened the serial console of instance i-1");
    }

    #[test]
    fn stays_quiet() {
        let failed = json!({"errorCode": "SerialConsoleAccessDisabledException",
            "requestParameters": {"instanceId": "i-1"}});
        let ssh = json!({"requestParameters": {"instanceId": "i-1"}});
        quiet(
            &SerialConsole,
            &[
                push(failed),
                push(json!({"requestParameters": null})),
                push(json!({"requestParameters": {"instanceId": 1}})),
                call("ec2-instance-connect", "SendSSHPublicKey", ssh),
            ],
        );
    }
}
