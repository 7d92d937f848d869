use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Root's MFA is a passkey, a security key or a hardware token, and not an app alone. AWS lists no hardware device of root:
    /// MFA without a virtual device that is root's is taken for hardware, as every tool does. Where root has no MFA at all, the
    /// check on root's MFA says so and this one says nothing.
    /// ## Why it matters
    /// The secret of an app can be copied from a phone's backup, and its codes can be phished. A passkey answers the real site only.
    /// ## What to do
    /// Sign in as root, register a passkey or security key, then remove the virtual device.
    /// ## What it costs
    /// Nothing with a passkey of a computer or phone; a security key has its price.
    /// ## What may break
    /// Whoever has only the app's codes can no longer sign in as root. Register two devices.
    HardwareMfa {
        id: "root.hardware-mfa",
        title: "Root's MFA is a passkey or hardware",
        severity: Medium,
        practices: ["P03"],
        number: 6,
        references: [
            cis("3.0", &["1.6"]),
            cis("5.0", &["1.5"]),
            security_hub(&["IAM.6"]),
            config(&["root-account-hardware-mfa-enabled"]),
        ],
        asks: [AccountSummary, VirtualMfaDevices],
    }
}

impl Check for HardwareMfa {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let summary = cx.known(AccountSummary, GLOBAL)?;
        if !summary.root_mfa {
            cx.report(cx.not_applicable("Root has no MFA, which root.mfa tells"));
            return Ok(());
        }
        let devices = cx.known(VirtualMfaDevices, GLOBAL)?;
        // The whole ARN: a user may be called "groot", or "root".
        let root = cx.root_arn();
        let Some(device) = devices.iter().find(|device| device.user_arn == root) else {
            cx.report(cx.passing("Root's MFA is no virtual device"));
            return Ok(());
        };
        let severity =
            if cx.parameters.root_hardware_mfa_severity >= 4 { Severity::High } else { Severity::Medium };
        let seen = cx
            .failing("Root has a virtual MFA device")
            .severity(severity)
            .because("an app's secret can be copied and its codes can be phished")
            .detail("Device", &device.serial)
            .detail("Not told by AWS", "whether root has hardware besides");
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use keepwatch_core::posture::State;

    fn state(root_mfa: bool, users: &[&str]) -> State {
        let summary = facts::iam::AccountSummary {
            root_mfa,
            root_password: true,
            ..facts::iam::AccountSummary::default()
        };
        let device = |user: &&str| facts::iam::VirtualMfaDevice {
            serial: "arn:aws:iam::111122223333:mfa/root-account-mfa-device".to_owned(),
            user_arn: format!("arn:aws:iam::111122223333:{user}"),
        };
        account().with(AccountSummary, global(), summary).with(
            VirtualMfaDevices,
            global(),
            users.iter().map(device).collect(),
        )
    }

    #[test]
    fn fails_for_roots_own_virtual_device_and_for_nobody_elses() {
        assert_eq!(judge_one(&HardwareMfa, &state(true, &["root"])).verdict, Judged::Failing);
        for others in [&[][..], &["user/groot"][..], &["user/root"][..]] {
            assert_eq!(judge_one(&HardwareMfa, &state(true, others)).verdict, Judged::Passing, "{others:?}");
        }
    }

    #[test]
    fn says_nothing_where_there_is_no_mfa() {
        assert_eq!(judge_one(&HardwareMfa, &state(false, &[])).verdict, Judged::NotApplicable);
    }

    #[test]
    fn unknown_where_devices_are_refused() {
        let one = judge_one(&HardwareMfa, &refused(state(true, &[]), VirtualMfaDevices, global()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["iam:ListVirtualMFADevices"]));
    }
}
