//! The thresholds of the checks, with a value for each profile.

/// A set of thresholds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Those of AWS's best-practice documents.
    #[default]
    Default,
    /// Those of the CIS Amazon Web Services Foundations Benchmark.
    Cis,
}

macro_rules! parameters {
    ($( $(#[doc = $doc:literal])+ $name:ident = $default:literal, cis $cis:literal; )+) => {
        /// The thresholds. Numbers of days unless said otherwise.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Parameters {
            $( $(#[doc = $doc])+ pub $name: u64, )+
            /// Ids of accounts that are trusted like the account itself. No profile names any.
            pub trusted_accounts: Vec<String>,
        }

        impl Parameters {
            /// Those of a profile.
            pub fn of(profile: Profile) -> Parameters {
                match profile {
                    Profile::Default => Parameters { $($name: $default,)+ trusted_accounts: Vec::new() },
                    Profile::Cis => Parameters { $($name: $cis,)+ trusted_accounts: Vec::new() },
                }
            }

            /// Name, meaning and value of each.
            pub fn list(&self) -> Vec<(String, String, u64)> {
                vec![$( (
                    stringify!($name).replace('_', "-"),
                    concat!($($doc),+).trim().to_owned(),
                    self.$name,
                ), )+]
            }

            /// Sets one by its name, `key-age-days`.
            ///
            /// # Errors
            /// A name that is none, with those that there are.
            pub fn set(&mut self, name: &str, value: u64) -> Result<(), String> {
                $( if name == stringify!($name).replace('_', "-") {
                    self.$name = value;
                    return Ok(());
                } )+
                let names: Vec<String> = self.list().into_iter().map(|(name, ..)| name).collect();
                Err(format!("there is no parameter {name}; there are {}", names.join(", ")))
            }
        }
    };
}

parameters! {
    /// After how many days an access key must be replaced.
    key_age_days = 90, cis 90;
    /// After how many days without use a key or a password is unused.
    unused_days = 90, cis 45;
    /// For how many days after its creation an unused key or password is no problem.
    grace_days = 7, cis 7;
    /// Within how many days root must not have been used.
    root_quiet_days = 7, cis 7;
    /// After how many days root's password is worth a line.
    root_password_days = 365, cis 365;
    /// The least length of passwords.
    password_length = 8, cis 14;
    /// After how many days passwords must expire at the latest; 0 asks for none.
    password_max_age_days = 90, cis 0;
    /// How many earlier passwords may not be used again.
    password_reuse = 24, cis 24;
    /// How many administrators are worth a line when there are more.
    administrators = 3, cis 3;
    /// Severity of a root user without hardware MFA: 3 medium, 4 high.
    root_hardware_mfa_severity = 3, cis 4;
    /// After how many days without use a role is worth a line.
    role_unused_days = 90, cis 90;
    /// How many days old the latest snapshot of an attached volume may be.
    snapshot_age_days = 7, cis 7;
    /// For how many days automated backups of a database must be kept.
    backup_retention_days = 7, cis 7;
    /// How many days before its end a Lambda runtime is worth a line.
    runtime_notice_days = 120, cis 120;
    /// How many percent of a quota may be used.
    quota_percent = 80, cis 80;
    /// Up to how many buckets are asked for details that are a line to know: whose default key, where access logs go.
    bucket_details = 250, cis 250;
    /// Whether a bucket must refuse requests without TLS: 1 fails, 0 tells.
    require_bucket_tls = 0, cis 1;
    /// Whether buckets must write access logs: 1 fails, 0 tells.
    require_bucket_logs = 0, cis 0;
    /// Whether an analyzer of the organization's, which its members cannot see, covers the account: 1 it does.
    organization_analyzer = 0, cis 0;
    /// Whether trails must look for insights: 1 fails, 0 tells.
    require_trail_insights = 0, cis 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_set_by_its_name_and_no_other() {
        let mut parameters = Parameters::of(Profile::Default);
        for (name, meaning, _) in parameters.list() {
            assert!(meaning.len() > 20, "{name}");
            parameters.set(&name, 4_711).unwrap();
        }
        assert!(parameters.list().iter().all(|(_, _, value)| *value == 4_711));
        assert!(parameters.set("key_age", 1).unwrap_err().contains("key-age-days"));
        assert_eq!(Parameters::of(Profile::Cis).unused_days, 45);
    }
}
