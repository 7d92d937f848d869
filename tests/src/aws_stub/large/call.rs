//! A call about the account, and the forms of an answer.

use std::ops::Range;

use serde_json::{Value, json};

use crate::aws_stub::{self, Form};
use crate::http::{Request, Response};

/// A call about the account.
pub(super) struct Call {
    pub(super) service: String,
    pub(super) region: String,
    pub(super) name: String,
    pub(super) path: String,
    pub(super) form: Form,
    pub(super) body: Value,
}

/// The items of a page, and the token of the next one.
pub(super) struct Page {
    pub(super) items: Range<usize>,
    pub(super) next: Option<usize>,
}

impl Call {
    pub(super) fn of(service: &str, region: &str, request: &Request) -> Option<Call> {
        let target = request.header("x-amz-target").and_then(|target| target.rsplit_once('.'));
        let own = matches!(service, "dynamodb" | "sqs" | "sns" | "sts");
        let name = match target {
            // The functions' own business, not the account's state.
            Some((_, "LookupEvents" | "StartLogging")) => return None,
            Some((_, operation)) => operation.to_owned(),
            None => String::new(),
        };
        if own {
            return None;
        }
        let form = if target.is_none() && !request.body.is_empty() {
            aws_stub::form(&request.body)
        } else {
            Form::new()
        };
        let path = request.path.split('?').next().unwrap_or_default();
        let name = match (form.get("Action"), service) {
            _ if !name.is_empty() => name,
            (Some(action), _) => action.clone(),
            (None, "s3") => format!(
                "GET {}",
                request
                    .path
                    .split('?')
                    .nth(1)
                    .unwrap_or_default()
                    .split(['=', '&'])
                    .next()
                    .unwrap_or_default()
            ),
            (None, "lambda") => "ListFunctions".to_owned(),
            (None, "account") => "GetAlternateContact".to_owned(),
            (None, _) => format!("GET {path}"),
        };
        let body = if form.is_empty() {
            serde_json::from_str(&request.body).unwrap_or_default()
        } else {
            Value::Null
        };
        Some(Call {
            service: service.to_owned(),
            region: region.to_owned(),
            name,
            path: request.path.clone(),
            form,
            body,
        })
    }

    pub(super) fn form(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    /// A page of so many: its token is the number of its first item.
    pub(super) fn page(&self, count: usize, longest: usize) -> Page {
        let query = || {
            self.path
                .split_once('?')
                .and_then(|(_, query)| query.split('&').find_map(|pair| pair.strip_prefix("Marker=")))
        };
        let in_body = ["NextToken", "Marker", "nextToken"].iter().find_map(|name| self.body[*name].as_str());
        let in_form =
            ["NextToken", "Marker"].iter().find_map(|name| self.form.get(*name).map(String::as_str));
        let first: usize =
            in_body.or(in_form).or_else(query).and_then(|token| token.parse().ok()).unwrap_or(0);
        let end = count.min(first + longest);
        Page { items: first.min(end)..end, next: (end < count).then_some(end) }
    }
}

pub(super) fn xml(status: u16, body: impl Into<String>) -> Response {
    Response::new(status, "text/xml", body)
}

pub(super) fn refused(code: &str) -> Response {
    Response::new(
        400,
        "application/x-amz-json-1.1",
        json!({"__type": code, "message": "by the stub"}).to_string(),
    )
}

/// Parts of an answer that nobody reads, so many of some 90 characters: AWS's items are long.
pub(super) fn filling(name: &str, parts: usize) -> String {
    let part = |part| {
        format!("<item><key>{name}-{part}</key><value>a value of some length, number {part}</value></item>")
    };
    format!("<filling>{}</filling>", (0..parts).map(part).collect::<String>())
}
