//! Reads JSON into a [`Document`], text and values by the same code.
//!
//! AWS refuses documents that repeat a member. Should one arrive all the same, no reading of it may hide a grant: lists
//! of a document that only allows are joined, and everything else that is repeated is an error.

use std::borrow::Cow;
use std::fmt;

use keepwatch_base::text::clean;
use percent_encoding::percent_decode_str;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::document::{Condition, Document, DocumentError, Effect, MAX_BYTES, Principal, Statement};
use super::shape::{Conditions, Principals, Values};

/// How many encodings may be wrapped round one another: JSON in a string, percent-encoding.
const MAX_LAYERS: usize = 4;

impl Document {
    /// Reads a document in every form in which CloudTrail and IAM deliver it: JSON text, percent-encoded JSON text (as
    /// in IAM's API and in `responseElements`), JSON text inside a JSON string, and these wrapped round one another up
    /// to three times. White space and a byte order mark before it are passed over.
    ///
    /// # Errors
    ///
    /// When the text is none of these, is too large, or is not a policy that IAM would accept. Such a document must be
    /// reported as unknown: it was not shown to be harmless.
    pub fn parse(text: &str) -> Result<Document, DocumentError> {
        let mut text = Cow::Borrowed(text);
        for _ in 0..MAX_LAYERS {
            // An encoded byte takes three.
            if text.len() > 3 * MAX_BYTES {
                return Err(DocumentError::TooLarge);
            }
            let trimmed = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            let inner =
                if trimmed.starts_with('"') { serde_json::from_str::<String>(trimmed).ok() } else { None };
            if let Some(inner) = inner {
                text = Cow::Owned(inner);
                continue;
            }
            if trimmed.starts_with('{') && trimmed.len() > MAX_BYTES {
                return Err(DocumentError::TooLarge);
            }
            let failure = match from_text(trimmed) {
                Ok(document) => return Ok(document),
                Err(failure) => failure,
            };
            // Only text that is not JSON is decoded: a `%7B` inside JSON is the document's own.
            if !matches!(failure, DocumentError::NotJson(_)) || !trimmed.contains('%') {
                return Err(failure);
            }
            match percent_decode_str(trimmed).decode_utf8() {
                Ok(decoded) if decoded != trimmed => text = Cow::Owned(decoded.into_owned()),
                _ => return Err(failure),
            }
        }
        Err(DocumentError::NotJson("it is encoded more than three times over".to_owned()))
    }

    /// The same, where the caller holds a JSON value: an object (parsed already), or a string of any of the forms above.
    /// Of members that stood twice in an object, a value holds one only; give text to [`Document::parse`] if you can.
    ///
    /// # Errors
    ///
    /// As [`Document::parse`].
    pub fn from_value(value: &serde_json::Value) -> Result<Document, DocumentError> {
        match value {
            serde_json::Value::String(text) => Document::parse(text),
            _ => from_json(value),
        }
    }
}

/// Reads JSON text.
fn from_text(text: &str) -> Result<Document, DocumentError> {
    let raw = serde_json::from_str::<RawDocument>(text).map_err(|e| {
        if e.is_data() {
            DocumentError::Malformed(clean(&e.to_string(), 200))
        } else {
            DocumentError::NotJson(clean(&e.to_string(), 200))
        }
    })?;
    raw.check()
}

/// Reads a JSON value.
fn from_json(value: &serde_json::Value) -> Result<Document, DocumentError> {
    let raw =
        RawDocument::deserialize(value).map_err(|e| DocumentError::Malformed(clean(&e.to_string(), 200)))?;
    raw.check()
}

#[derive(Default)]
struct RawDocument {
    version: Option<String>,
    statements: Vec<RawStatement>,
    repeated: bool,
}

#[derive(Default)]
struct RawStatement {
    sid: Option<String>,
    effect: Vec<String>,
    principals: Vec<Vec<Principal>>,
    not_principals: Vec<Vec<Principal>>,
    actions: Vec<Vec<String>>,
    not_actions: Vec<Vec<String>>,
    resources: Vec<Vec<String>>,
    not_resources: Vec<Vec<String>>,
    conditions: Vec<Vec<Condition>>,
}

impl RawDocument {
    fn check(self) -> Result<Document, DocumentError> {
        if self.statements.is_empty() {
            return Err(DocumentError::Malformed("it has no statement".to_owned()));
        }
        let mut repeated = self.repeated;
        let mut statements = Vec::with_capacity(self.statements.len());
        let mut size = 0;
        for (i, raw) in self.statements.into_iter().enumerate() {
            repeated |= raw.repeats();
            let statement = raw.check(i + 1)?;
            size += statement.size();
            statements.push(statement);
        }
        // A value was never text, so its size is only known now.
        if size > MAX_BYTES {
            return Err(DocumentError::TooLarge);
        }
        // To join what a Deny repeats would deny more than its author may have meant.
        if repeated && statements.iter().any(|s| s.effect == Effect::Deny) {
            return Err(DocumentError::Malformed("it denies, and repeats a member".to_owned()));
        }
        Ok(Document { version: self.version, statements })
    }
}

impl RawStatement {
    fn repeats(&self) -> bool {
        self.actions.len() > 1 || self.resources.len() > 1 || self.principals.len() > 1
    }

    fn check(self, number: usize) -> Result<Statement, DocumentError> {
        let fail = |what: String| Err(DocumentError::Malformed(format!("statement {number} {what}")));
        let effect = match self.effect.as_slice() {
            [one] if one.eq_ignore_ascii_case("Allow") => Effect::Allow,
            [one] if one.eq_ignore_ascii_case("Deny") => Effect::Deny,
            [] => return fail("has no effect".to_owned()),
            [one] => {
                return fail(format!(
                    "has the effect \"{}\", which is neither Allow nor Deny",
                    clean(one, 64)
                ));
            }
            _ => return fail("has more than one effect".to_owned()),
        };
        if self.actions.is_empty() == self.not_actions.is_empty() {
            return fail("must have either Action or NotAction".to_owned());
        }
        if !self.resources.is_empty() && !self.not_resources.is_empty() {
            return fail("has both Resource and NotResource".to_owned());
        }
        if !self.principals.is_empty() && !self.not_principals.is_empty() {
            return fail("has both Principal and NotPrincipal".to_owned());
        }
        let repeats = [
            ("NotAction", self.not_actions.len()),
            ("NotResource", self.not_resources.len()),
            ("NotPrincipal", self.not_principals.len()),
            ("Condition", self.conditions.len()),
        ];
        if let Some((name, _)) = repeats.iter().find(|(_, times)| *times > 1) {
            return fail(format!("repeats {name}"));
        }
        let conditions: Vec<Condition> = self.conditions.into_iter().flatten().collect();
        let mut seen: Vec<(String, String)> = conditions
            .iter()
            .map(|c| (c.operator.to_ascii_lowercase(), c.key.to_ascii_lowercase()))
            .collect();
        seen.sort_unstable();
        if seen.windows(2).any(|pair| pair[0] == pair[1]) {
            return fail("repeats a condition".to_owned());
        }
        Ok(Statement {
            sid: self.sid,
            effect,
            principals: self.principals.into_iter().flatten().collect(),
            not_principals: self.not_principals.into_iter().next(),
            actions: self.actions.into_iter().flatten().collect(),
            not_actions: self.not_actions.into_iter().next(),
            resources: self.resources.into_iter().flatten().collect(),
            not_resources: self.not_resources.into_iter().next(),
            conditions,
        })
    }
}

impl Statement {
    /// About how much text it holds.
    fn size(&self) -> usize {
        let lists = [
            Some(&self.actions),
            self.not_actions.as_ref(),
            Some(&self.resources),
            self.not_resources.as_ref(),
        ];
        let patterns: usize = lists.into_iter().flatten().flatten().map(|text| text.len() + 3).sum();
        let conditions: usize = self
            .conditions
            .iter()
            .map(|c| c.operator.len() + c.key.len() + c.values.iter().map(|v| v.len() + 3).sum::<usize>())
            .sum();
        let principals = self.principals.iter().chain(self.not_principals.iter().flatten());
        patterns + conditions + principals.map(|p| p.value.len() + 3).sum::<usize>()
    }
}

impl<'de> Deserialize<'de> for RawStatement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = RawStatement;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a statement")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawStatement, A::Error> {
                let mut s = RawStatement::default();
                while let Some(name) = map.next_key::<String>()? {
                    match name.to_ascii_lowercase().as_str() {
                        "sid" => s.sid = map.next_value::<Values>()?.0.into_iter().next(),
                        "effect" => s.effect.extend(map.next_value::<Values>()?.0),
                        "action" => s.actions.extend(map.next_value::<Option<Values>>()?.map(|v| v.0)),
                        "notaction" => s.not_actions.extend(map.next_value::<Option<Values>>()?.map(|v| v.0)),
                        "resource" => s.resources.extend(map.next_value::<Option<Values>>()?.map(|v| v.0)),
                        "notresource" => {
                            s.not_resources.extend(map.next_value::<Option<Values>>()?.map(|v| v.0))
                        }
                        "principal" => {
                            s.principals.extend(map.next_value::<Option<Principals>>()?.map(|v| v.0))
                        }
                        "notprincipal" => {
                            s.not_principals.extend(map.next_value::<Option<Principals>>()?.map(|v| v.0));
                        }
                        "condition" => {
                            s.conditions.extend(map.next_value::<Option<Conditions>>()?.map(|v| v.0))
                        }
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(s)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// One statement, or a list of them.
struct Statements(Vec<RawStatement>);

impl<'de> Deserialize<'de> for Statements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Statements;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a statement or a list of statements")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Statements, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(Statements(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Statements, A::Error> {
                let one = RawStatement::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Statements(vec![one]))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for RawDocument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = RawDocument;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a policy document")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawDocument, A::Error> {
                let mut document = RawDocument::default();
                let mut seen = 0;
                while let Some(name) = map.next_key::<String>()? {
                    match name.to_ascii_lowercase().as_str() {
                        "version" => document.version = map.next_value::<Values>()?.0.into_iter().next(),
                        "statement" => {
                            if let Some(statements) = map.next_value::<Option<Statements>>()? {
                                seen += 1;
                                document.statements.extend(statements.0);
                            }
                        }
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                document.repeated = seen > 1;
                Ok(document)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}
