use crate::kit::power;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Users who are administrators, by their own policies or by their groups', have a passkey, a security key or a hardware
    /// token, and not an app alone. Who is one, the policy engine says: `iam:*` is as good as `*`. Administrators without MFA are
    /// the matter of `iam.console-mfa`.
    /// ## Why it matters
    /// Codes of an app can be phished while the administrator types them. A passkey answers the real site only.
    /// ## What to do
    /// Have each administrator register a passkey or security key, then remove the app.
    /// ## What it costs
    /// Nothing with a passkey; a security key has its price.
    /// ## What may break
    /// Command-line tools that ask for a code need an app's or token's: passkeys work in the browser only.
    PrivilegedHardwareMfa {
        id: "iam.privileged-hardware-mfa",
        title: "Administrators have a passkey or hardware MFA",
        severity: Low,
        practices: ["P13"],
        references: [doc(&["IAM user guide: AWS multi-factor authentication in IAM"])],
        asks: [Authorization, CredentialReport, VirtualMfaDevices, MfaDevices],
    }
}

impl Check for PrivilegedHardwareMfa {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let authorization = cx.known(Authorization, GLOBAL)?;
        for user in &authorization.users {
            cx.about(GLOBAL, &user.arn, |cx| {
                if !power::is_administrator(&power::of_user(authorization, user)?) {
                    return Ok(());
                }
                let report = cx.known(CredentialReport, GLOBAL)?;
                // Made after the report: the next one has it.
                let row = report.users.iter().find(|row| row.arn == user.arn).ok_or(Stop::Gone)?;
                if !row.mfa {
                    cx.report(cx.not_applicable(format!("Administrator {} has no MFA at all", user.name)));
                    return Ok(());
                }
                let devices = cx.known(VirtualMfaDevices, GLOBAL)?;
                let hardware = if devices.iter().any(|device| device.user_arn == user.arn) {
                    // `arn:…:mfa/…` is an app; `arn:…:u2f/…` and a bare serial number are not.
                    let serials = cx.known(MfaDevices, (GLOBAL, user.name.as_str()))?;
                    serials.iter().any(|serial| !serial.contains(":mfa/"))
                } else {
                    true
                };
                let seen = if hardware {
                    cx.passing(format!("Administrator {} has a passkey or hardware MFA", user.name))
                } else {
                    cx.failing(format!("Administrator {} has a virtual MFA device only", user.name)).step(
                        "Which devices?",
                        "iam list-mfa-devices",
                        &[("--user-name", &user.name)],
                    )
                };
                cx.report(seen);
                Ok(())
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::fixtures::{admin, authorization_of, report_of, user};
    use crate::testing::*;
    use facts::iam::{Credentials, User, VirtualMfaDevice};
    use keepwatch_core::posture::{Place, State};

    fn state(mfa: bool, virtual_device: bool, serials: &[&str]) -> State {
        let row = Credentials { mfa, password: Some(true), ..user("boss") };
        let device = VirtualMfaDevice {
            serial: "arn:aws:iam::111122223333:mfa/boss".to_owned(),
            user_arn: row.arn.clone(),
        };
        let ordinary = User { managed: Vec::new(), ..admin("clerk") };
        report_of(None, vec![row])
            .with(Authorization, global(), authorization_of(vec![admin("boss"), ordinary]))
            .with(VirtualMfaDevices, global(), if virtual_device { vec![device] } else { vec![] })
            .with(
                MfaDevices,
                Place::of("global", "boss"),
                serials.iter().map(|serial| (*serial).to_owned()).collect(),
            )
    }

    #[test]
    fn only_administrators_and_only_apps_alone() {
        let virtual_serial = "arn:aws:iam::111122223333:mfa/boss";
        let one = judge_one(&PrivilegedHardwareMfa, &state(true, true, &[virtual_serial]));
        assert_eq!(
            (one.verdict, one.subject.resource.as_str()),
            (Judged::Failing, "arn:aws:iam::111122223333:user/boss")
        );
        for serials in [
            &[virtual_serial, "arn:aws:iam::111122223333:u2f/user/boss/key-1"][..],
            &[virtual_serial, "GAHT12345678"],
        ] {
            assert_eq!(
                judge_one(&PrivilegedHardwareMfa, &state(true, true, serials)).verdict,
                Judged::Passing
            );
        }
        assert_eq!(judge_one(&PrivilegedHardwareMfa, &state(true, false, &[])).verdict, Judged::Passing);
        assert_eq!(
            judge_one(&PrivilegedHardwareMfa, &state(false, false, &[])).verdict,
            Judged::NotApplicable
        );
    }

    #[test]
    fn refusals_are_unknown_and_named() {
        let full = state(true, true, &[]);
        let one = judge_one(
            &PrivilegedHardwareMfa,
            &refused(full.clone(), MfaDevices, Place::of("global", "boss")),
        );
        assert_eq!(missing(&one), ["iam:ListMFADevices"]);
        let one = judge_one(&PrivilegedHardwareMfa, &refused(full, VirtualMfaDevices, global()));
        assert_eq!(missing(&one), ["iam:ListVirtualMFADevices"]);
        let one = judge_one(&PrivilegedHardwareMfa, &refused(account(), Authorization, global()));
        assert_eq!(missing(&one), ["iam:GetAccountAuthorizationDetails"]);
    }
}
