//! An answer as a tree: XML and JSON read alike, for checks need few fields of each.

use keepwatch_base::time::Timestamp;
use serde_json::Value;

use crate::fault::Fault;

/// A part of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// Text, a number, `true`.
    Text(String),
    /// Named parts, in order; XML may have several of one name.
    Parts(Vec<(String, Node)>),
    /// A list of JSON.
    List(Vec<Node>),
    /// Nothing.
    Null,
}

impl Node {
    /// Reads JSON. No text at all is an empty object, as some services answer.
    pub(crate) fn json(text: &[u8]) -> Result<Node, Fault> {
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(Node::Parts(Vec::new()));
        }
        Ok(Node::of(serde_json::from_slice(text).map_err(Fault::unreadable)?))
    }

    fn of(value: Value) -> Node {
        match value {
            Value::Null => Node::Null,
            Value::Bool(flag) => Node::Text(flag.to_string()),
            Value::Number(number) => Node::Text(number.to_string()),
            Value::String(text) => Node::Text(text),
            Value::Array(items) => Node::List(items.into_iter().map(Node::of).collect()),
            Value::Object(parts) => {
                Node::Parts(parts.into_iter().map(|(name, value)| (name, Node::of(value))).collect())
            }
        }
    }

    /// Reads XML; the document's own element is the tree's root.
    pub(crate) fn xml(text: &[u8]) -> Result<Node, Fault> {
        let text = std::str::from_utf8(text).map_err(Fault::unreadable)?;
        let document = roxmltree::Document::parse(text).map_err(Fault::unreadable)?;
        Ok(Node::element(document.root_element()))
    }

    fn element(element: roxmltree::Node<'_, '_>) -> Node {
        let children: Vec<(String, Node)> = element
            .children()
            .filter(|child| child.is_element())
            .map(|child| (child.tag_name().name().to_owned(), Node::element(child)))
            .collect();
        match children.is_empty() {
            false => Node::Parts(children),
            // Text may come in several pieces, around a CDATA section.
            true => Node::Text(element.children().filter_map(|child| child.text()).collect()),
        }
    }

    /// Everything at a path such as `volumeSet/item`; lists of JSON count as their items.
    pub(crate) fn all(&self, path: &str) -> Vec<&Node> {
        let found = self.search(path);
        #[cfg(test)]
        tests::LOOKUPS.with_borrow_mut(|lookups| lookups.push((path.to_owned(), !found.is_empty())));
        found
    }

    fn search(&self, path: &str) -> Vec<&Node> {
        let mut found = vec![self];
        for step in path.split('/') {
            let parts = found.into_iter().flat_map(|node| match node {
                Node::Parts(parts) => parts.as_slice(),
                _ => &[],
            });
            found = parts.filter(|(name, _)| name == step).flat_map(|(_, node)| node.items()).collect();
        }
        found
    }

    fn items(&self) -> Vec<&Node> {
        match self {
            Node::List(items) => items.iter().collect(),
            Node::Null => Vec::new(),
            other => vec![other],
        }
    }

    /// The first thing at a path.
    pub(crate) fn at(&self, path: &str) -> Option<&Node> {
        self.all(path).into_iter().next()
    }

    /// The names and values of an object that serves as a map.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &Node)> {
        let parts = match self {
            Node::Parts(parts) => parts.as_slice(),
            _ => &[],
        };
        parts.iter().map(|(name, node)| (name.as_str(), node))
    }

    /// The text at a path; nothing where there is none or an empty one.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        self.at(path).and_then(Node::own_text).map(str::to_owned)
    }

    /// Its own text.
    pub(crate) fn own_text(&self) -> Option<&str> {
        match self {
            Node::Text(text) if !text.trim().is_empty() => Some(text.trim()),
            _ => None,
        }
    }

    /// All texts at a path.
    pub(crate) fn texts(&self, path: &str) -> Vec<String> {
        self.all(path).into_iter().filter_map(|node| node.own_text().map(str::to_owned)).collect()
    }

    /// The text that must be there.
    ///
    /// # Errors
    /// None is.
    pub(crate) fn need(&self, path: &str) -> Result<String, Fault> {
        self.text(path).ok_or_else(|| Fault::unreadable(format!("it has no {path}")))
    }

    /// Whether it says `true`; what is left out says no.
    ///
    /// # Errors
    /// Text that is neither.
    pub(crate) fn flag(&self, path: &str) -> Result<bool, Fault> {
        match self.text(path).map(|text| text.to_ascii_lowercase()).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Fault::unreadable(format!("{path} is {other}, and neither true nor false"))),
        }
    }

    /// The number, where there is one.
    ///
    /// # Errors
    /// Text that is none.
    pub(crate) fn number<T: std::str::FromStr>(&self, path: &str) -> Result<Option<T>, Fault> {
        let read = |text: String| {
            text.parse().map_err(|_| Fault::unreadable(format!("{path} is {text}, and no number")))
        };
        self.text(path).map(read).transpose()
    }

    /// The time, in seconds since 1970 or RFC 3339, where there is one.
    ///
    /// # Errors
    /// Text that is none.
    pub(crate) fn time(&self, path: &str) -> Result<Option<Timestamp>, Fault> {
        let Some(text) = self.text(path) else { return Ok(None) };
        let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
        #[expect(clippy::cast_possible_truncation, reason = "a float becomes the nearest integer there is")]
        let by_seconds = seconds.map(|seconds| Timestamp::from_millis((seconds * 1_000.0) as i64));
        let time = by_seconds.or_else(|| Timestamp::parse(&text));
        time.map(Some).ok_or_else(|| Fault::unreadable(format!("{path} is {text}, and no time")))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        /// What was looked for, and whether it was there.
        pub(crate) static LOOKUPS: RefCell<Vec<(String, bool)>> = const { RefCell::new(Vec::new()) };
    }

    #[test]
    fn xml_and_json_are_read_alike() {
        let xml = Node::xml(
            b"<R xmlns='http://ec2.amazonaws.com/doc/2016-11-15/'><volumeSet><item><id>a</id><on>true</on></item>\
              <item><id>b &amp; c</id><at>2026-11-22T12:00:00.000Z</at></item></volumeSet><empty/></R>",
        )
        .unwrap();
        let json = Node::json(
            br#"{"volumeSet": {"item": [{"id": "a", "on": true}, {"id": "b & c", "at": 1795348800}]}, "empty": null}"#,
        )
        .unwrap();
        for node in [xml, json] {
            assert_eq!(node.texts("volumeSet/item/id"), ["a", "b & c"]);
            let items = node.all("volumeSet/item");
            assert_eq!((items[0].flag("on"), items[1].flag("on")), (Ok(true), Ok(false)));
            let noon = Timestamp::parse("2026-11-22T12:00:00Z");
            assert_eq!((items[0].time("at"), items[1].time("at")), (Ok(None), Ok(noon)));
            assert_eq!(node.text("empty"), None);
            assert!(node.need("empty").is_err() && node.flag("volumeSet/item/id").is_err());
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error_and_never_an_empty_one() {
        assert!(Node::json(b"<html>").is_err());
        assert!(Node::xml(b"{}").is_err());
        assert!(Node::xml(b"<a><b></a>").is_err());
        let billion = b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>";
        assert!(Node::xml(billion).is_err());
    }
}
