//! DynamoDB's condition and update expressions, as far as the functions use them.

use serde_json::{Value, json};

use super::Item;

/// An expression that the stub does not understand, and why.
#[derive(Debug, PartialEq)]
pub(super) struct Unknown(pub(super) String);

/// Whether the condition holds: comparisons with `=` and `<`, `attribute_not_exists`, AND, OR, parentheses.
pub(super) fn holds(condition: &str, item: Option<&Item>, values: &Item) -> Result<bool, Unknown> {
    let mut words = Words { words: words(condition), at: 0, item, values };
    let holds = words.either()?;
    match words.next() {
        "" => Ok(holds),
        other => Err(unknown(other)),
    }
}

/// Applies an update of SET, ADD to numbers, and REMOVE.
pub(super) fn update(update: &str, item: &mut Item, values: &Item) -> Result<(), Unknown> {
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
                item.insert(name.to_owned(), value(new)?);
                rest = tail;
            }
            ("ADD", name, [more, tail @ ..]) => {
                let sum = item.get(name).map_or(Some(0), number).zip(number(&value(more)?));
                let (old, more) = sum.ok_or_else(|| unknown(name))?;
                item.insert(name.to_owned(), json!({"N": (old + more).to_string()}));
                rest = tail;
            }
            ("REMOVE", name, _) => {
                item.remove(name);
            }
            (_, word, _) => return Err(unknown(word)),
        }
    }
    Ok(())
}

struct Words<'a> {
    words: Vec<&'a str>,
    at: usize,
    item: Option<&'a Item>,
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
        self.item.and_then(|item| item.get(name))
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
        let check = |condition| holds(condition, Some(&stored), &values);
        assert_eq!(check("state = :p OR (state = :c AND lease < :n)"), Ok(true));
        assert_eq!(check("state = :p AND lease < :n"), Ok(false));
        assert_eq!(check("attribute_not_exists(state)"), Ok(false));
        assert_eq!(check("attribute_not_exists(other)"), Ok(true));
        assert_eq!(holds("state = :p", None, &values), Ok(false));
        for odd in ["state <> :p", "state = :missing", "begins_with(state, :p)", "state = :p )", ""] {
            assert!(check(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn updates() {
        let mut stored = item(json!({"claim": {"S": "me"}, "version": {"N": "1"}}));
        let values = item(json!({":s": {"S": "SENT"}, ":one": {"N": "1"}}));
        let text = "SET state = :s ADD sent :one, version :one REMOVE claim, lease";
        update(text, &mut stored, &values).unwrap();
        let wanted = json!({"state": {"S": "SENT"}, "sent": {"N": "1"}, "version": {"N": "2"}});
        assert_eq!(Value::Object(stored.clone()), wanted);
        assert!(update("SET state = if_not_exists(state, :s)", &mut stored, &values).is_err());
    }
}
