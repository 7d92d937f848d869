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

/// The account that a Lambda function runs in, by the ARN that it was invoked under.
///
/// # Errors
/// A sentence, when the text is no function's ARN or names no account. Whoever went on without one would take every event for
/// another account's.
pub fn account_of_function(arn: &str) -> Result<&str, String> {
    let function = Arn::parse(arn).filter(|arn| arn.service == "lambda" && is_account_id(arn.account));
    function.map(|arn| arn.account).ok_or_else(|| {
        format!("the function was invoked as `{arn}`, which is no ARN of a Lambda function with its account")
    })
}

/// Whether the text is an AWS account id: twelve digits.
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_knows_its_account_or_says_that_it_does_not() {
        for arn in [
            "arn:aws:lambda:us-east-1:111122223333:function:keepwatch-detect",
            "arn:aws-cn:lambda:cn-north-1:111122223333:function:keepwatch-detect:live",
        ] {
            assert_eq!(account_of_function(arn), Ok("111122223333"), "{arn}");
        }
        for not in [
            "",
            "keepwatch-detect",
            "arn:aws:lambda:us-east-1::function:f",
            "arn:aws:lambda:us-east-1:me:function:f",
            "arn:aws:sqs:us-east-1:111122223333:q",
        ] {
            assert!(account_of_function(not).unwrap_err().contains(not), "{not}");
        }
    }

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
