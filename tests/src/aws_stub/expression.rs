//! DynamoDB's condition and update expressions, as far as the functions use them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Item;

/// An expression that the stub does not understand, and why.
#[derive(Debug, PartialEq)]
pub(super) struct Unknown(pub(super) String);

/// Whether the condition holds: comparisons with `=` and `<`, `attribute_not_exists`, `contains` in a set of strings, NOT,
/// AND, OR, parentheses.
pub(super) fn holds(
    condition: &str,
    item: Option<&Item>,
    names: &Item,
    values: &Item,
) -> Result<bool, Unknown> {
    let mut words = Words { words: words(condition), at: 0, item, names, values };
    let holds = words.either()?;
    match words.next() {
        "" => Ok(holds),
        other => Err(unknown(other)),
    }
}

/// Applies an update of SET, ADD to numbers and sets of strings, and REMOVE.
pub(super) fn update(update: &str, item: &mut Item, names: &Item, values: &Item) -> Result<(), Unknown> {
    let value = |name: &str| values.get(name).cloned().ok_or_else(|| unknown(name));
    let words = words(update);
    let mut section = "";
    let mut rest = words.as_slice();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (section, *first, rest) {
            (_, "SET" | "ADD" | "REMOVE", _) => section = first,
            (_, ",", _) => {}
            ("SET", name, ["=", new, tail @ ..]) => {
                item.insert(full(name, names), value(new)?);
                rest = tail;
            }
            ("ADD", name, [more, tail @ ..]) => {
                let name = full(name, names);
                let sum = add(item.get(&name), &value(more)?).ok_or_else(|| unknown(&name))?;
                item.insert(name, sum);
                rest = tail;
            }
            ("REMOVE", name, _) => {
                item.remove(&full(name, names));
            }
            (_, word, _) => return Err(unknown(word)),
        }
    }
    Ok(())
}

/// The name behind a placeholder such as `#at`.
fn full(name: &str, names: &Item) -> String {
    names.get(name).and_then(Value::as_str).unwrap_or(name).to_owned()
}

fn add(old: Option<&Value>, more: &Value) -> Option<Value> {
    let Some(old) = old else { return Some(more.clone()) };
    if let (Some(old), Some(more)) = (strings(old), strings(more)) {
        let all: BTreeSet<&str> = old.into_iter().chain(more).collect();
        return Some(json!({"SS": all}));
    }
    Some(json!({"N": (number(old)? + number(more)?).to_string()}))
}

fn strings(value: &Value) -> Option<Vec<&str>> {
    Some(value["SS"].as_array()?.iter().filter_map(Value::as_str).collect())
}

struct Words<'a> {
    words: Vec<&'a str>,
    at: usize,
    item: Option<&'a Item>,
    names: &'a Item,
    values: &'a Item,
}

impl<'a> Words<'a> {
    /// The next word, empty at the end.
    fn next(&mut self) -> &'a str {
        self.at += 1;
        self.words.get(self.at - 1).copied().unwrap_or_default()
    }

    /// Takes the next word if it is this one.
    fn took(&mut self, word: &str) -> bool {
        let there = self.words.get(self.at) == Some(&word);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, word: &str) -> Result<(), Unknown> {
        if self.took(word) { Ok(()) } else { Err(unknown(self.next())) }
    }

    fn either(&mut self) -> Result<bool, Unknown> {
        let mut holds = self.both()?;
        while self.took("OR") {
            holds |= self.both()?;
        }
        Ok(holds)
    }

    fn both(&mut self) -> Result<bool, Unknown> {
        let mut holds = self.term()?;
        while self.took("AND") {
            holds &= self.term()?;
        }
        Ok(holds)
    }

    fn term(&mut self) -> Result<bool, Unknown> {
        if self.took("(") {
            let holds = self.either()?;
            self.expect(")")?;
            return Ok(holds);
        }
        if self.took("NOT") {
            return self.term().map(|holds| !holds);
        }
        if self.took("contains") {
            self.expect("(")?;
            let name = self.next();
            self.expect(",")?;
            let value_name = self.next();
            self.expect(")")?;
            let value = self.values.get(value_name).ok_or_else(|| unknown(value_name))?;
            let set = self.attribute(name).and_then(strings);
            return Ok(set.zip(value["S"].as_str()).is_some_and(|(set, value)| set.contains(&value)));
        }
        if self.took("attribute_not_exists") {
            self.expect("(")?;
            let name = self.next();
            self.expect(")")?;
            return Ok(self.attribute(name).is_none());
        }
        let name = self.next();
        let operator = self.next();
        let value_name = self.next();
        let value = self.values.get(value_name).ok_or_else(|| unknown(value_name))?;
        let attribute = self.attribute(name);
        match operator {
            "=" => Ok(attribute == Some(value)),
            "<" => {
                Ok(attribute.and_then(number).zip(number(value)).is_some_and(|(left, right)| left < right))
            }
            other => Err(unknown(other)),
        }
    }

    fn attribute(&self, name: &str) -> Option<&'a Value> {
        self.item.and_then(|item| item.get(&full(name, self.names)))
    }
}

fn words(expression: &str) -> Vec<&str> {
    let ends = |c: char| c == ' ' || "(),=<".contains(c);
    expression.split_inclusive(ends).flat_map(split_end(ends)).filter(|word| !word.is_empty()).collect()
}

/// Splits the mark that ended a piece from the piece.
fn split_end(ends: impl Fn(char) -> bool + Copy) -> impl Fn(&str) -> [&str; 2] {
    move |piece| match piece.char_indices().next_back() {
        Some((at, mark)) if ends(mark) => [&piece[..at], piece[at..].trim()],
        _ => [piece, ""],
    }
}

fn number(value: &Value) -> Option<i64> {
    value["N"].as_str()?.parse().ok()
}

fn unknown(word: &str) -> Unknown {
    Unknown(format!("the stub does not understand `{word}` here"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn item(value: Value) -> Item {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn conditions() {
        let stored = item(json!({"state": {"S": "CLAIMED"}, "lease": {"N": "5"}}));
        let values = item(json!({":p": {"S": "PENDING"}, ":c": {"S": "CLAIMED"}, ":n": {"N": "10"}}));
        let none = Item::new();
        let check = |condition| holds(condition, Some(&stored), &none, &values);
        assert_eq!(check("state = :p OR (state = :c AND lease < :n)"), Ok(true));
        assert_eq!(check("state = :p AND lease < :n"), Ok(false));
        assert_eq!(check("attribute_not_exists(state)"), Ok(false));
        assert_eq!(check("attribute_not_exists(other)"), Ok(true));
        assert_eq!(holds("state = :p", None, &none, &values), Ok(false));
        let set = item(json!({"told": {"SS": ["a", "b"]}}));
        let values = item(json!({":a": {"S": "a"}, ":z": {"S": "z"}}));
        let names = item(json!({"#t": "told"}));
        assert_eq!(holds("NOT contains(told, :a)", Some(&set), &none, &values), Ok(false));
        assert_eq!(holds("NOT contains(#t, :z)", Some(&set), &names, &values), Ok(true));
        assert_eq!(holds("NOT contains(told, :a)", None, &none, &values), Ok(true));
        for odd in ["state <> :p", "state = :missing", "begins_with(state, :p)", "state = :p )", ""] {
            assert!(check(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn updates() {
        let mut stored = item(json!({"claim": {"S": "me"}, "version": {"N": "1"}}));
        let values = item(json!({":s": {"S": "SENT"}, ":one": {"N": "1"}}));
        let text = "SET state = :s ADD sent :one, version :one REMOVE claim, lease";
        update(text, &mut stored, &Item::new(), &values).unwrap();
        let wanted = json!({"state": {"S": "SENT"}, "sent": {"N": "1"}, "version": {"N": "2"}});
        assert_eq!(Value::Object(stored.clone()), wanted);
        let values = item(json!({":a": {"SS": ["a"]}, ":b": {"SS": ["b", "a"]}}));
        let mut set = Item::new();
        update("ADD told :a", &mut set, &Item::new(), &values).unwrap();
        update("ADD told :b", &mut set, &Item::new(), &values).unwrap();
        assert_eq!(set["told"], json!({"SS": ["a", "b"]}));
        assert!(update("SET state = if_not_exists(state, :s)", &mut stored, &Item::new(), &values).is_err());
    }
}
