//! Skims JSON: reads the few fields of an object that are wanted, and steps over the rest.
//!
//! A log holds thousands of records for each one that a rule wants to see. What those cost is what a replay costs, and most
//! of it is stepping over JSON. serde's general way through an object of which twenty fields are wanted costs half as much
//! again as stepping over all of it; this one costs no more than that (`make bench-rules`). JSON is judged as strictly as
//! serde does. What is not understood here is left to serde, which says what is wrong with it.

use serde_json::Value;
use wide::u8x16;

use super::lenient::Text;
use super::unreadable::Unreadable;

/// What the object that begins the text holds of a model's fields, and where it ends.
///
/// # Errors
/// What serde says of the text, when it begins with no object whose fields can be read. Other JSON has an empty model.
pub(super) fn skim<'a, T: Skimmed<'a> + Default>(text: &'a str) -> Result<(T, usize), Unreadable> {
    let mut skim = Skim { text, at: 0, nested: Nested::default() };
    let mut model = T::default();
    if skim.token() == b'{' && model.skim(&mut skim).is_some() {
        return Ok((model, skim.at));
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    values.next().ok_or(Unreadable::Nothing)??;
    Ok((T::default(), values.byte_offset()))
}

/// What can be read from a value of JSON in passing. A value of another type than documented leaves it empty.
pub(super) trait Skimmed<'a> {
    /// Reads the value that begins here; `None` is what JSON does not allow.
    fn skim(&mut self, skim: &mut Skim<'a>) -> Option<()>;
}

impl<'a> Skimmed<'a> for Text<'a> {
    #[inline(always)]
    fn skim(&mut self, skim: &mut Skim<'a>) -> Option<()> {
        *self = skim.read()?;
        Some(())
    }
}

/// A value as it stands in the text; empty for `null`.
impl<'a> Skimmed<'a> for &'a str {
    #[inline(always)]
    fn skim(&mut self, skim: &mut Skim<'a>) -> Option<()> {
        *self = Some(skim.value()?).filter(|value| *value != "null").unwrap_or_default();
        Some(())
    }
}

/// A value of which some is read, and all is kept as it stands.
#[derive(Clone, Debug, Default)]
pub struct Kept<'a, T> {
    pub(super) text: &'a str,
    pub(super) read: T,
}

impl<'a, T: Skimmed<'a>> Skimmed<'a> for Kept<'a, T> {
    #[inline(always)]
    fn skim(&mut self, skim: &mut Skim<'a>) -> Option<()> {
        skim.token();
        let begin = skim.at;
        self.read.skim(skim)?;
        self.text = &skim.text[begin..skim.at];
        Some(())
    }
}

/// Declares a borrowed model of a JSON object as `lenient!` does, to be skimmed. Field types are [`Text`], `&'a str` for a
/// value that is not parsed, another such model, or one that is [`Kept`].
macro_rules! skimmed {
    ($(#[$meta:meta])* $name:ident { $( $(#[$fmeta:meta])* $field:ident : $ty:ty = $key:literal ),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        pub struct $name<'a> {
            $( $(#[$fmeta])* pub $field: $ty, )+
        }

        impl<'a> $crate::event::skim::Skimmed<'a> for $name<'a> {
            fn skim(&mut self, skim: &mut $crate::event::skim::Skim<'a>) -> Option<()> {
                // One that stands there twice is the last, as with every other field.
                *self = $name::default();
                skim.members(|skim, name| match name {
                    $( $key => self.$field.skim(skim), )+
                    _ => skim.step_over(),
                })
            }
        }
    };
}
pub(super) use skimmed;

/// A place in a text. Each method begins there and leaves it behind what it has read; `None` is what JSON does not allow.
pub(super) struct Skim<'a> {
    text: &'a str,
    at: usize,
    nested: Nested,
}

/// The objects and lists that have been begun and not ended, inside the value that is stepped over: a bit for each, set for
/// an object.
#[derive(Default)]
struct Nested {
    depth: usize,
    /// The last 64 at most.
    inner: u64,
    /// Those around them, in full words.
    outer: Vec<u64>,
}

impl Nested {
    fn begin(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.inner);
        }
        self.inner = self.inner << 1 | u64::from(object);
        self.depth += 1;
    }

    fn end(&mut self) {
        self.inner >>= 1;
        self.depth -= 1;
        if self.depth.is_multiple_of(64) {
            self.inner = self.outer.pop().unwrap_or_default();
        }
    }

    fn in_object(&self) -> bool {
        self.inner & 1 == 1
    }
}

impl<'a> Skim<'a> {
    /// Hands on the name of each member of an object; `each` reads its value. Another value has no members.
    #[inline(always)]
    pub(super) fn members(&mut self, mut each: impl FnMut(&mut Self, &str) -> Option<()>) -> Option<()> {
        if self.token() != b'{' {
            return self.read().map(drop);
        }
        self.at += 1;
        if self.token() == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.token();
            let begin = self.at;
            let plain = self.string()?;
            let quoted = &self.text[begin..self.at];
            self.expect(b':')?;
            match plain {
                true => each(self, &quoted[1..quoted.len() - 1])?,
                false => each(self, &serde_json::from_str::<String>(quoted).ok()?)?,
            }
            match self.token() {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// Reads a value as [`Text`] does.
    #[inline]
    fn read(&mut self) -> Option<Text<'a>> {
        let quoted = self.token() == b'"';
        let begin = self.at;
        if quoted && self.string()? {
            return Some(Text::from(&self.text[begin + 1..self.at - 1]));
        }
        self.at = begin;
        serde_json::from_str(self.value()?).ok()
    }

    /// A value as it stands.
    fn value(&mut self) -> Option<&'a str> {
        self.token();
        let begin = self.at;
        self.step_over()?;
        Some(&self.text[begin..self.at])
    }

    /// Steps over a value.
    pub(super) fn step_over(&mut self) -> Option<()> {
        loop {
            match self.token() {
                b'"' => drop(self.string()?),
                open @ (b'{' | b'[') => {
                    self.at += 1;
                    let object = open == b'{';
                    // The brackets of ASCII end two behind where they begin.
                    if self.token() != open + 2 {
                        self.nested.begin(object);
                        if object {
                            self.name()?;
                        }
                        continue;
                    }
                    self.at += 1;
                }
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                _ => self.number()?,
            }
            // A value has ended, and with it perhaps what it stands in.
            loop {
                if self.nested.depth == 0 {
                    return Some(());
                }
                let object = self.nested.in_object();
                match self.token() {
                    b',' => {
                        self.at += 1;
                        if object {
                            self.name()?;
                        }
                        break;
                    }
                    b'}' if object => {}
                    b']' if !object => {}
                    _ => return None,
                }
                self.at += 1;
                self.nested.end();
            }
        }
    }

    /// The name of a member, and the colon.
    #[inline(always)]
    fn name(&mut self) -> Option<()> {
        self.token();
        self.string()?;
        self.expect(b':')
    }

    /// A string; whether it stands there as it is meant, without an escape.
    #[inline(always)]
    fn string(&mut self) -> Option<bool> {
        let bytes = self.text.as_bytes();
        if bytes.get(self.at) != Some(&b'"') {
            return None;
        }
        self.at += 1;
        let mut plain = true;
        loop {
            while let Some(chunk) = bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
                match ends_or_escapes(u8x16::new(*chunk)) {
                    0 => self.at += 16,
                    found => {
                        self.at += found.trailing_zeros() as usize;
                        break;
                    }
                }
            }
            match bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(plain);
                }
                b'\\' => {
                    plain = false;
                    self.escape()?;
                }
                0..0x20 => return None,
                _ => self.at += 1,
            }
        }
    }

    #[cold]
    fn escape(&mut self) -> Option<()> {
        let rest = self.text.as_bytes().get(self.at + 1..)?;
        self.at += match rest.first()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' if rest.get(1..5)?.iter().all(u8::is_ascii_hexdigit) => 6,
            _ => return None,
        };
        Some(())
    }

    /// A number, as RFC 8259 has it.
    fn number(&mut self) -> Option<()> {
        if self.byte() == b'-' {
            self.at += 1;
        }
        match self.byte() {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.byte() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.byte(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let digits =
            self.text.as_bytes().get(self.at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        (digits > 0).then_some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.text.as_bytes().get(self.at..)?.starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    #[inline(always)]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.token() == byte).then(|| self.at += 1)
    }

    /// The first byte that is no white space; zero, which JSON has nowhere, at the end of the text.
    #[inline(always)]
    fn token(&mut self) -> u8 {
        while matches!(self.byte(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
        self.byte()
    }

    #[inline(always)]
    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or_default()
    }
}

/// A bit for each of sixteen bytes that is a quote, a backslash or a control character.
#[inline(always)]
fn ends_or_escapes(bytes: u8x16) -> u32 {
    let is = |byte: u8| bytes.simd_eq(u8x16::splat(byte));
    let control = bytes.min(u8x16::splat(0x1f)).simd_eq(bytes);
    (control | is(b'"') | is(b'\\')).to_bitmask()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;
    use serde_json::json;
    use serde_json::value::RawValue;

    use super::*;
    use crate::event::header::Outline;
    use crate::event::lenient::lenient;

    lenient! {
        /// The same fields, read by serde.
        #[allow(unreachable_pub)]
        Oracle {
            name: Text<'a> = "eventName",
            agent: Text<'a> = "userAgent",
            read_only: Text<'a> = "readOnly",
            who: Who<'a> = "userIdentity",
            request: Option<&'a RawValue> = "requestParameters",
        }
    }

    lenient! {
        /// A caller, read by serde.
        #[allow(unreachable_pub)]
        Who {
            kind: Text<'a> = "type",
            user_name: Text<'a> = "userName",
        }
    }

    /// Says what serde says of the first value: what stands there, and where it ends.
    fn agrees(text: &str) {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Oracle<'_>>();
        let serde = values.next();
        let skimmed = skim::<Outline<'_>>(text);
        let (Some(Ok(oracle)), Ok((outline, end))) = (&serde, &skimmed) else {
            assert!(!matches!(serde, Some(Ok(_))) && skimmed.is_err(), "{text}: {serde:?}, {skimmed:?}");
            return;
        };
        assert_eq!(*end, values.byte_offset(), "{text}");
        assert_eq!(outline.event_name, oracle.name, "{text}");
        assert_eq!(outline.user_agent, oracle.agent, "{text}");
        assert_eq!(outline.read_only, oracle.read_only, "{text}");
        assert_eq!(outline.caller.read.kind, oracle.who.kind, "{text}");
        assert_eq!(outline.caller.read.user_name, oracle.who.user_name, "{text}");
        assert_eq!(outline.request_parameters, oracle.request.map_or("", RawValue::get), "{text}");
    }

    #[test]
    fn what_json_allows_is_read_as_serde_reads_it() {
        for value in [
            "\"x\"",
            "\"\"",
            "\"a\\\"b\\u00e9\\n\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud800\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"a\tb\"",
            "\"eight by\"",
            "\"eight by\\\\\"",
            "\"ééééé\"",
            "\"open",
            "true",
            "false",
            "null",
            "nul",
            "True",
            "0",
            "-0",
            "01",
            "-",
            "1.",
            ".5",
            "1.50",
            "1e5",
            "1E-5",
            "1e",
            "1e999",
            "+1",
            "12345678901234567890123",
            "{}",
            "[]",
            "[ ]",
            "{ }",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "[1 2]",
            "{\"a\":1]",
            "[1}",
            "[[],{},[[]],{\"a\":{\"b\":[]}}]",
            "{\"type\":\"Root\",\"userName\":null}",
            "{\"type\":[1],\"x\":{\"y\":1}}",
            "{\"type\":\"A\",\"type\":\"B\"}",
            "{},\"userIdentity\":{\"userName\":\"u\"},\"userIdentity\":{\"type\":\"A\"}",
            "{\"ty\\u0070e\":\"A\"}",
            "",
            " ",
            "\u{a0}1",
            "\0",
            "//",
        ] {
            for name in [
                "eventName",
                "userAgent",
                "readOnly",
                "userIdentity",
                "requestParameters",
                "responseElements",
                "else",
                "event\\u004eame",
            ] {
                agrees(&format!("{{\"{name}\":{value}}}"));
                agrees(&format!("{{ \"{name}\" :\n{value} , \"eventName\":\"last\" }} behind"));
            }
            agrees(value);
        }
    }

    #[test]
    fn however_deep_it_is_nested() {
        for depth in [1, 2, 63, 64, 65, 127, 128, 129, 300] {
            for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"b\":[],\"a\":", "}]")] {
                let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
                agrees(&format!("{{\"else\":{value},\"requestParameters\":{value},\"eventName\":\"A\"}}"));
                agrees(&format!("{{\"else\":{value}]}}"));
                let swapped = value.replacen(close, if close == "]" { "}" } else { "]" }, 1);
                agrees(&format!("{{\"else\":{swapped}}}"));
            }
        }
    }

    #[test]
    fn a_record_that_breaks_off_anywhere_is_refused_as_serde_refuses_it() {
        let whole = json!({"eventName": "A\"b", "userIdentity": {"type": "Root", "more": [1.5, true, null]},
            "readOnly": false, "requestParameters": {"a": ["x", {"b": -1e3}]}, "userAgent": "\u{1F600}"});
        let whole = whole.to_string();
        for end in (0..=whole.len()).filter(|&end| whole.is_char_boundary(end)) {
            agrees(&whole[..end]);
        }
    }

    proptest! {
        /// A byte put in, taken out or changed anywhere.
        #[test]
        fn whatever_is_broken(at in 0_usize..200, change in 0_usize..3, with in "[\\{\\}\\[\\],:\"\\\\ 0-9eE+.tfnu\u{0}-\u{1f}é-]") {
            let whole = json!({"eventName": "A", "userIdentity": {"type": "Root", "more": [1.5, true, null, {"a": {}}]},
                "userAgent": "a\\b \"c\"", "requestParameters": {"a": ["x", {"b": -1e3}]}, "readOnly": false}).to_string();
            let at = at % whole.len();
            let (before, rest) = whole.split_at(at);
            agrees(&match change {
                0 => format!("{before}{with}{rest}"),
                1 => format!("{before}{}", &rest[1..]),
                _ => format!("{before}{with}{}", &rest[1..]),
            });
        }

        /// Any text at all, of the signs of JSON.
        #[test]
        fn whatever_stands_there(text in "\\{(\"(eventName|else|requestParameters)\":|[\\{\\}\\[\\],:\"\\\\ 0-9a]|true|null|\"x\"){0,20}") {
            agrees(&text);
            if skim::<Outline<'_>>(&text).is_ok() {
                prop_assert!(serde_json::Deserializer::from_str(&text).into_iter::<IgnoredAny>().next().is_some_and(|read| read.is_ok()));
            }
        }
    }
}
