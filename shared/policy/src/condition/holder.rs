//! What the requests of a policy's holder can carry.

use super::{Attainable, Domain, FILL, World};
use crate::holder::{Holder, SOME_USER};

impl World for Holder {
    fn domain(&self, key: &str) -> Domain {
        let one = |known: &str| Domain::only(&[known]);
        let kind = self.resource.as_deref().and_then(|resource| resource.split('/').next());
        let times = |absent| {
            let now = self.at.map(|at| at.to_string());
            let attainable = self.at.map_or(Attainable::Free(|_| true), Attainable::From);
            Domain { absent, samples: now.into_iter().collect(), attainable }
        };
        match (key, self.account.as_deref()) {
            ("aws:principalaccount" | "aws:resourceaccount" | "s3:resourceaccount", Some(account)) => {
                one(account)
            }
            ("aws:principalarn", Some(account)) => {
                let arn = |resource: &str| format!("arn:aws:iam::{account}:{resource}");
                match (kind, &self.resource) {
                    (Some(kind @ ("user" | "role")), Some(resource)) => {
                        // Its path may not be known.
                        let name = resource.rsplit('/').next().unwrap_or_default().to_owned();
                        let named = Attainable::Named(account.to_owned(), kind.to_owned(), name);
                        one(&arn(resource)).reaching(named)
                    }
                    _ => one(&arn(&format!("user/{FILL}"))).reaching(Attainable::Account(account.to_owned())),
                }
            }
            ("aws:username", Some(_)) => match (kind, self.user_name()) {
                (Some("user"), Some(name)) => one(name),
                (Some("role"), _) => Domain::never(),
                _ => Domain::free(),
            },
            ("aws:principaltype", Some(_)) if kind == Some("user") => one("User"),
            ("aws:principaltype", Some(_)) if kind == Some("role") => one("AssumedRole"),
            // Only services bring these along, in requests of their own.
            ("aws:principalisawsservice", _) => one("false"),
            ("aws:securetransport" | "aws:viaawsservice", _) => Domain::only(&["true", "false"]),
            (
                "aws:sourcearn"
                | "aws:sourceaccount"
                | "aws:sourceorgid"
                | "aws:sourceorgpaths"
                | "aws:principalservicename"
                | "aws:principalservicenameslist",
                _,
            ) => Domain::never(),
            ("aws:currenttime" | "aws:epochtime", _) => times(false),
            // A new session can be had at any time; a key of a user's own has no such time.
            ("aws:tokenissuetime", _) => times(true),
            // Every request carries these, with whatever the caller likes.
            ("aws:requestedregion" | "aws:useragent" | "aws:userid", _) => {
                Domain { absent: false, ..Domain::free() }
            }
            ("aws:sourceip", _) => Domain {
                absent: true,
                samples: vec!["240.77.13.1".to_owned()],
                attainable: Attainable::Free(|text| text.parse::<std::net::IpAddr>().is_ok()),
            },
            _ => Domain::free(),
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        match name.to_ascii_lowercase().as_str() {
            "aws:username" => self.user_name().filter(|name| *name != SOME_USER).map(str::to_owned),
            "aws:principalaccount" | "aws:resourceaccount" => self.account.clone(),
            _ => None,
        }
    }
}
