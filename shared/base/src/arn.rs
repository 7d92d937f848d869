//! Amazon Resource Names and account ids.

/// `arn:partition:service:region:account:resource`, borrowed from the text it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov` or another that AWS has yet to name.
    pub partition: &'a str,
    /// `iam`, `s3`, `lambda` …
    pub service: &'a str,
    /// Empty for services without regions, such as IAM.
    pub region: &'a str,
    /// Twelve digits, `aws` for what AWS itself owns, or empty (S3 buckets).
    pub account: &'a str,
    /// All the rest, colons included: `user/path/bob`, `function:name:alias`.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Reads an ARN; `None` when the text has not all six parts, or no partition, service or resource.
    pub fn parse(text: &'a str) -> Option<Arn<'a>> {
        let mut parts = text.splitn(6, ':');
        if parts.next() != Some("arn") {
            return None;
        }
        let arn = Arn {
            partition: parts.next()?,
            service: parts.next()?,
            region: parts.next()?,
            account: parts.next()?,
            resource: parts.next()?,
        };
        (!arn.partition.is_empty() && !arn.service.is_empty() && !arn.resource.is_empty()).then_some(arn)
    }
}

/// Whether the text is an AWS account id: twelve digits.
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_all_six_parts() {
        let arn = Arn::parse("arn:aws-cn:lambda:cn-north-1:111122223333:function:f:live").unwrap();
        assert_eq!((arn.partition, arn.service, arn.region), ("aws-cn", "lambda", "cn-north-1"));
        assert_eq!((arn.account, arn.resource), ("111122223333", "function:f:live"));
        assert_eq!(Arn::parse("arn:aws:s3:::bucket/key").unwrap().resource, "bucket/key");
        for not in
            ["", "arn", "arn:aws:iam::1", "ARN:aws:iam::1:user/x", "arn::iam::1:user/x", "arn:aws:iam::1:"]
        {
            assert_eq!(Arn::parse(not), None, "{not}");
        }
    }
}
