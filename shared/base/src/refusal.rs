//! What an AWS service says in JSON in place of an answer.

use serde::Deserialize;

/// The body of an error answer. Each service spells the names in its own way; some say them twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    #[serde(default, rename = "__type")]
    kind: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default, rename = "Code")]
    code_of_rest: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default, rename = "Message")]
    message_of_rest: Option<String>,
}

impl Refusal {
    /// The error's code; empty where there is none. The header `x-amzn-errortype` goes before the body.
    ///
    /// Some services add an address (`InvalidInputException:http://internal.amazon.com/coral/`), some a namespace
    /// (`com.amazonaws.sqs#QueueDoesNotExist`), and neither belongs to the code (Smithy, "AWS JSON 1.1 protocol").
    pub fn code<'r>(&'r self, header: Option<&'r str>) -> &'r str {
        let body = [&self.kind, &self.code, &self.code_of_rest].into_iter().flatten().next();
        let code = header.or(body.map(String::as_str)).unwrap_or_default();
        let code = code.split(':').next().unwrap_or_default();
        code.rsplit('#').next().unwrap_or_default().trim()
    }

    /// The service's own words; empty where it has none.
    pub fn message(&self) -> &str {
        self.message.as_deref().or(self.message_of_rest.as_deref()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_found_wherever_a_service_puts_it() {
        let said = |text: &str| -> Refusal { Refusal { kind: Some(text.to_owned()), ..Refusal::default() } };
        let coral = "InvalidInputException:http://internal.amazon.com/coral/com.amazonaws/";
        assert_eq!(said("com.amazonaws.sqs#QueueDoesNotExist").code(None), "QueueDoesNotExist");
        assert_eq!(Refusal::default().code(Some(coral)), "InvalidInputException");
        assert_eq!(said("FromTheBody").code(Some("FromTheHeader")), "FromTheHeader");
        let rest = Refusal { code_of_rest: Some("NotFound".to_owned()), ..Refusal::default() };
        assert_eq!((rest.code(None), rest.message()), ("NotFound", ""));
        let twice = Refusal { code: Some("a".to_owned()), message: Some("b".to_owned()), ..rest };
        assert_eq!((twice.code(None), twice.message()), ("a", "b"));
        assert_eq!(Refusal::default().code(None), "");
    }
}
