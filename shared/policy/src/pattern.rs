//! The pattern of a resource, made comparable with ARNs: its variables replaced, its parts taken apart.

use std::cell::OnceCell;

use keepwatch_base::wildcard;

use super::holder::{ABSENT, Holder, NO_VALUE, Reach};

/// A resource pattern, taken apart once.
#[derive(Debug)]
pub(super) struct Pattern {
    /// The whole of it, made comparable.
    pub(super) whole: String,
    /// Service, account and resource, where it has all six parts of an ARN.
    pub(super) parts: Option<[String; 3]>,
    /// As it is written, its variables replaced: one region is no other.
    pub(super) written: String,
    pub(super) everything: bool,
    /// Read widely: the grant grows with what the pattern fits.
    pub(super) generous: bool,
    /// What `parts` reaches of services whose resources have types, and of those whose have not.
    pub(super) reach: [OnceCell<Reach>; 2],
}

/// Whether it is what a policy has for "no resource in particular".
pub(super) fn is_star(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b == b'*')
}

/// Whether nothing of the text is fixed. Read narrowly, only `*` will do: `*/*` leaves out names without a slash.
pub(super) fn only_wild(text: &str, generous: bool) -> bool {
    text.contains('*') && text.bytes().all(|b| b == b'*' || (generous && matches!(b, b'?' | b':' | b'/')))
}

/// Makes a pattern comparable with probes. All partitions are one. A generous reading takes one region for all regions,
/// and, as long as the holder's account is not known, any account for its own.
pub(super) fn pattern(text: &str, generous: bool, holder: &Holder) -> Pattern {
    let text = substitute(text, holder);
    if is_star(&text) {
        let (whole, written) = (text.clone(), text);
        return Pattern {
            whole,
            written,
            parts: None,
            everything: true,
            generous,
            reach: Default::default(),
        };
    }
    let mut fields: Vec<String> = text.splitn(6, ':').map(str::to_owned).collect();
    let mut written = text;
    if fields.first().is_some_and(|f| wildcard::matches(f, "arn")) {
        if let Some(partition) = fields.get_mut(1)
            && partition.starts_with("aws-")
        {
            *partition = if wildcard::is_wild(partition) { "*".to_owned() } else { "aws".to_owned() };
        }
        written = fields.join(":");
        if let Some(region) = fields.get_mut(3)
            && generous
            && !region.is_empty()
        {
            *region = "*".to_owned();
        }
        if let Some(account) = fields.get_mut(4)
            && generous
            && !holder.has_account()
            && !account.is_empty()
            && account.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'?')
        {
            *account = "*".to_owned();
        }
    }
    let whole = fields.join(":");
    let everything =
        matches!(whole.as_str(), "arn:*" | "arn:aws:*") || (fields.len() > 2 && all_arns(&fields, generous));
    let parts = match fields.as_slice() {
        [_, _, service, region, account, resource] => {
            // A denial in one region leaves the others.
            let elsewhere = !generous && !region.is_empty() && !wildcard::matches(region, NO_VALUE);
            let service = if elsewhere { String::new() } else { service.clone() };
            Some([service, account.clone(), resource.clone()])
        }
        _ => None,
    };
    Pattern { whole, parts, written, everything, generous, reach: Default::default() }
}

impl Pattern {
    /// Whether its region fits resources that have one, or those that have none.
    pub(super) fn fits_region(&self, regional: bool) -> bool {
        let region = self.written.split(':').nth(3).unwrap_or_default();
        if regional { !region.is_empty() } else { wildcard::matches(region, "") }
    }

    /// Whether it takes everything away that the other allows.
    pub(super) fn covers(&self, allowed: &Pattern) -> bool {
        wildcard::covers(&self.written, &allowed.written)
    }
}

/// Whether an ARN pattern leaves nothing out: `arn:aws:*:*:*:*`.
fn all_arns(fields: &[String], generous: bool) -> bool {
    let fixed = wildcard::matches(&fields[0], "arn") && wildcard::matches(&fields[1], "aws");
    fixed && fields[2..].iter().all(|f| only_wild(f, generous))
}

/// Puts values in the place of policy variables. `${*}`, `${?}` and `${$}` are the plain characters.
fn substitute(text: &str, holder: &Holder) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(len) = rest[start..].find('}') else { break };
        out.push_str(&rest[..start]);
        let name = &rest[start + 2..start + len];
        // `${aws:username, 'nobody'}` has a default, and so is never absent.
        let (name, absent) = name.split_once(',').map_or((name, ABSENT), |(name, _)| (name.trim(), NO_VALUE));
        if name.eq_ignore_ascii_case("aws:username") {
            out.push_str(holder.user_name().unwrap_or(absent));
        } else if name.eq_ignore_ascii_case("aws:PrincipalAccount") {
            out.push_str(holder.account());
        } else {
            out.push_str(NO_VALUE);
        }
        rest = &rest[start + len + 1..];
    }
    out.push_str(rest);
    out
}
