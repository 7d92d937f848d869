//! The signatures of calls that no SDK makes.

use crate::http::Request;

/// The form of the signature, which must cover these headers besides those that it always covers. Whether it is right, only AWS can say: its secret is not known here.
pub(super) fn signed(request: &Request, service: &str, headers: &[&str]) -> Result<(), String> {
    let header = |name| request.header(name).ok_or(format!("there is no {name}"));
    let authorization = header("authorization")?;
    let parts = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("not signed by AWS4-HMAC-SHA256")?;
    let part = |name: &str| {
        let mut parts = parts.split(", ").filter_map(|part| part.split_once('='));
        parts.find(|(other, _)| *other == name).map(|(_, value)| value).ok_or(format!("there is no {name}"))
    };
    let date = header("x-amz-date")?;
    let day =
        date.get(..8).filter(|_| date.len() == 16 && date.ends_with('Z')).ok_or("x-amz-date is no time")?;
    let scope: Vec<&str> = part("Credential")?.split('/').collect();
    if scope.get(1..) != Some(&[day, "us-east-1", service, "aws4_request"][..]) {
        return Err(format!("the credential's scope is {scope:?}"));
    }
    let mut needed = vec!["host", "x-amz-date"];
    needed.extend(headers);
    needed.extend(request.header("x-amz-security-token").map(|_| "x-amz-security-token"));
    let signed: Vec<&str> = part("SignedHeaders")?.split(';').collect();
    if let Some(missing) = needed.into_iter().find(|name| !signed.contains(name)) {
        return Err(format!("{missing} is not signed"));
    }
    let signature = part("Signature")?;
    if signature.len() != 64 || !signature.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("the signature is no SHA-256".to_owned());
    }
    Ok(())
}
