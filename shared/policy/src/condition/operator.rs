//! What an operator says of one value that a request carries, or of a request that lacks the key.

use keepwatch_base::network::Cidr;
use keepwatch_base::time::Timestamp;
use keepwatch_base::wildcard;

/// What a comparison comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    Yes,
    No,
    /// It hangs on a policy variable whose value is not known, or on an operator that IAM does not document.
    Either,
}

impl Truth {
    fn of(holds: bool) -> Truth {
        if holds { Truth::Yes } else { Truth::No }
    }

    fn not(self) -> Truth {
        match self {
            Truth::Yes => Truth::No,
            Truth::No => Truth::Yes,
            Truth::Either => Truth::Either,
        }
    }

    /// Whether it can come to this.
    pub(crate) fn can_be(self, wanted: bool) -> bool {
        self != Truth::of(!wanted)
    }
}

/// How values are compared (IAM user guide, "IAM JSON policy elements: Condition operators").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Letter by letter; `*` is an asterisk.
    Equals {
        /// `StringEqualsIgnoreCase`.
        ignore_case: bool,
    },
    /// With wildcards.
    Like,
    /// Six parts, each with wildcards of its own.
    Arn,
    /// `Numeric…`.
    Number(Order),
    /// `Date…`.
    Date(Order),
    /// `Bool`.
    Bool,
    /// `IpAddress`, `NotIpAddress`: ranges.
    Address,
    /// Whether the key is there at all.
    Null,
    /// None that IAM documents.
    Unknown,
}

/// How numbers and dates are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `…Equals`, `…NotEquals`.
    Equal,
    /// `…LessThan`.
    Less,
    /// `…LessThanEquals`.
    LessOrEqual,
    /// `…GreaterThan`.
    Greater,
    /// `…GreaterThanEquals`.
    GreaterOrEqual,
}

impl Order {
    fn holds<T: PartialOrd>(self, carried: T, written: T) -> bool {
        match self {
            Order::Equal => carried == written,
            Order::Less => carried < written,
            Order::LessOrEqual => carried <= written,
            Order::Greater => carried > written,
            Order::GreaterOrEqual => carried >= written,
        }
    }
}

/// A condition operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator {
    /// How values are compared.
    pub kind: Kind,
    /// `…Not…`: fits what is not listed, and requests without the key.
    pub negated: bool,
    /// `…IfExists` and `ForAllValues:` fit requests without the key.
    pub optional: bool,
    /// `ForAnyValue:` fits no request without the key, negated or not.
    any: bool,
}

impl Operator {
    /// Reads `StringEquals`, `ForAnyValue:StringNotLikeIfExists`; the case of its letters does not count.
    pub fn parse(text: &str) -> Operator {
        let text = text.to_ascii_lowercase();
        let (set, name) = text.split_once(':').unwrap_or(("", &text));
        let base = name.strip_suffix("ifexists").unwrap_or(name);
        let order = |name: &str| match name {
            "equals" | "notequals" => Some(Order::Equal),
            "lessthan" => Some(Order::Less),
            "lessthanequals" => Some(Order::LessOrEqual),
            "greaterthan" => Some(Order::Greater),
            "greaterthanequals" => Some(Order::GreaterOrEqual),
            _ => None,
        };
        let kind = match base {
            "stringequals" | "stringnotequals" | "binaryequals" => Kind::Equals { ignore_case: false },
            "stringequalsignorecase" | "stringnotequalsignorecase" => Kind::Equals { ignore_case: true },
            "stringlike" | "stringnotlike" => Kind::Like,
            "arnequals" | "arnlike" | "arnnotequals" | "arnnotlike" => Kind::Arn,
            "bool" => Kind::Bool,
            "ipaddress" | "notipaddress" => Kind::Address,
            "null" => Kind::Null,
            _ => {
                let number = base.strip_prefix("numeric").and_then(order).map(Kind::Number);
                let date = || base.strip_prefix("date").and_then(order).map(Kind::Date);
                number.or_else(date).unwrap_or(Kind::Unknown)
            }
        };
        Operator {
            kind,
            negated: base.contains("not"),
            optional: set == "forallvalues" || base.len() != name.len(),
            any: set == "foranyvalue",
        }
    }

    /// Whether `*` and `?` in values are wildcards.
    pub(crate) fn is_wild(self) -> bool {
        matches!(self.kind, Kind::Like | Kind::Arn)
    }

    /// Whether a request fits that carries this value, or lacks the key.
    pub(crate) fn holds(self, values: &[Value], carried: Option<&str>) -> Truth {
        if self.kind == Kind::Unknown {
            return Truth::Either;
        }
        if self.kind == Kind::Null {
            let asks = |missing: &str| values.iter().any(|v| v.pattern.eq_ignore_ascii_case(missing));
            return Truth::of(asks(if carried.is_none() { "true" } else { "false" }));
        }
        let Some(carried) = carried else { return Truth::of(self.optional || (self.negated && !self.any)) };
        let mut listed = Truth::No;
        for value in values {
            match value.fits(self.kind, carried) {
                Truth::Yes => {
                    listed = Truth::Yes;
                    break;
                }
                Truth::Either => listed = Truth::Either,
                Truth::No => {}
            }
        }
        if self.negated { listed.not() } else { listed }
    }
}

/// What a policy variable stands for, where that is known.
pub(crate) type Variables<'v> = &'v dyn Fn(&str) -> Option<String>;

/// A value of a condition, its variables replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    /// With `*` and `?` as wildcards; plain ones are [`STAR`] and [`MARK`].
    pub(crate) pattern: String,
    /// It holds a variable whose value is not known, as a `*`.
    pub(crate) unknown: bool,
}

/// A plain `*`.
const STAR: char = '\u{1}';
/// A plain `?`.
const MARK: char = '\u{5}';

/// Text with nothing that could be taken for a wildcard.
fn plain(text: &str) -> String {
    text.replace('*', &STAR.to_string()).replace('?', &MARK.to_string())
}

/// The text that [`plain`] was made of.
pub(crate) fn shown(pattern: &str) -> String {
    pattern.replace(STAR, "*").replace(MARK, "?")
}

impl Value {
    /// Reads a value as this operator does. `variable` says what a policy variable stands for, where that is known; a policy
    /// of the version 2008-10-17, or of none, has no variables and is read without.
    pub(crate) fn read(text: &str, operator: Operator, variable: Option<Variables<'_>>) -> Value {
        let outside = |text: &str| if operator.is_wild() { text.to_owned() } else { plain(text) };
        let mut value = Value { pattern: String::with_capacity(text.len()), unknown: false };
        let mut rest = text;
        while let Some(variable) = variable
            && let Some(start) = rest.find("${")
            && let Some(length) = rest[start..].find('}')
        {
            value.pattern.push_str(&outside(&rest[..start]));
            let name = &rest[start + 2..start + length];
            match (name, variable(name.split(',').next().unwrap_or_default().trim())) {
                ("*", _) => value.pattern.push(STAR),
                ("?", _) => value.pattern.push(MARK),
                ("$", _) => value.pattern.push('$'),
                (_, Some(known)) => value.pattern.push_str(&plain(&known)),
                (_, None) => {
                    value.pattern.push('*');
                    value.unknown = true;
                }
            }
            rest = &rest[start + length + 1..];
        }
        value.pattern.push_str(&outside(rest));
        value
    }

    fn fits(&self, kind: Kind, carried: &str) -> Truth {
        let carried = plain(carried);
        let fits = match kind {
            Kind::Equals { ignore_case: true } => {
                wildcard::matches_ignore_ascii_case(&self.pattern, &carried)
            }
            Kind::Equals { ignore_case: false } | Kind::Like => wildcard::matches(&self.pattern, &carried),
            Kind::Arn => arn_fits(&self.pattern, &carried),
            Kind::Bool => wildcard::matches_ignore_ascii_case(&self.pattern, &carried),
            Kind::Number(order) => numbers(&self.pattern, &carried).is_some_and(|(a, b)| order.holds(a, b)),
            Kind::Date(order) => dates(&self.pattern, &carried).is_some_and(|(a, b)| order.holds(a, b)),
            Kind::Address => {
                let (range, address) = (Cidr::parse(&self.pattern), Cidr::parse(&carried));
                range.zip(address).is_some_and(|(range, address)| range.contains(&address))
            }
            Kind::Null | Kind::Unknown => return Truth::Either,
        };
        match (fits, self.unknown) {
            (_, true) if matches!(kind, Kind::Number(_) | Kind::Date(_) | Kind::Address) => Truth::Either,
            (true, true) => Truth::Either,
            (fits, _) => Truth::of(fits),
        }
    }
}

/// Each of the six parts is compared for itself, so that no `*` crosses a colon before the last part. A pattern with fewer
/// parts is no ARN; it is taken as text.
fn arn_fits(pattern: &str, text: &str) -> bool {
    let parts = |text: &str| text.splitn(6, ':').map(str::to_owned).collect::<Vec<_>>();
    let (wide, narrow) = (parts(pattern), parts(text));
    if wide.len() < 6 || narrow.len() < 6 {
        return wildcard::matches(pattern, text);
    }
    wide.iter().zip(&narrow).all(|(wide, narrow)| wildcard::matches(wide, narrow))
}

/// The carried and the written number.
fn numbers(written: &str, carried: &str) -> Option<(f64, f64)> {
    Some((carried.trim().parse().ok()?, written.trim().parse().ok()?))
}

/// The carried and the written time.
fn dates(written: &str, carried: &str) -> Option<(Timestamp, Timestamp)> {
    Some((date(carried)?, date(written)?))
}

/// A date as IAM takes it: the W3C forms of ISO 8601, or seconds since 1970.
pub(crate) fn date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<i64>() {
        // A year alone is a date as well.
        return match text.len() {
            4 => Timestamp::parse(&format!("{text}-01-01T00:00:00Z")),
            _ => Some(Timestamp::from_millis(seconds.saturating_mul(1000))),
        };
    }
    let minutes = || text.strip_suffix('Z').and_then(|text| Timestamp::parse(&format!("{text}:00Z")));
    let day = || Timestamp::parse(&format!("{text}T00:00:00Z"));
    let month = || Timestamp::parse(&format!("{text}-01T00:00:00Z"));
    let local = || Timestamp::parse(&format!("{text}Z"));
    Timestamp::parse(text).or_else(minutes).or_else(day).or_else(month).or_else(local)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(operator: &str, values: &[&str], carried: Option<&str>) -> bool {
        let operator = Operator::parse(operator);
        let values: Vec<Value> = values.iter().map(|v| Value::read(v, operator, None)).collect();
        match operator.holds(&values, carried) {
            Truth::Yes => true,
            Truth::No => false,
            Truth::Either => panic!("{operator:?} {values:?} {carried:?}"),
        }
    }

    /// Operator, values, what the request carries, whether it holds: rows from the user guide.
    #[test]
    fn operators_are_read_as_documented() {
        let arn = "arn:aws:iam::111122223333:role/team/app";
        for (operator, values, carried, expected) in [
            ("StringEquals", &["a*"][..], Some("a*"), true),
            ("StringEquals", &["a*"], Some("ab"), false),
            ("StringEquals", &["a"], Some("A"), false),
            ("StringEqualsIgnoreCase", &["a"], Some("A"), true),
            ("StringLike", &["a*"], Some("ab"), true),
            ("StringLike", &["A*"], Some("ab"), false),
            ("StringLike", &["a?"], Some("a"), false),
            ("stringlike", &["x", "a?"], Some("ab"), true),
            ("StringEquals", &["a"], None, false),
            ("StringEqualsIfExists", &["a"], None, true),
            ("StringEqualsIfExists", &["a"], Some("b"), false),
            ("StringNotEquals", &["a"], None, true),
            ("StringNotEquals", &["a", "b"], Some("b"), false),
            ("StringNotEquals", &["a", "b"], Some("c"), true),
            ("StringNotLike", &["a*"], Some("ab"), false),
            ("ForAllValues:StringEquals", &["a"], None, true),
            ("ForAllValues:StringEquals", &["a"], Some("b"), false),
            ("ForAnyValue:StringEquals", &["a"], None, false),
            ("ForAnyValue:StringNotEquals", &["a"], None, false),
            ("ForAnyValue:StringNotEquals", &["a"], Some("b"), true),
            ("ArnEquals", &["arn:aws:iam::*:role/*"], Some(arn), true),
            ("ArnLike", &["arn:aws:iam::111122223333:role/*/app"], Some(arn), true),
            ("ArnLike", &["arn:aws:iam::1111*"], Some("arn:aws:iam::1111"), true),
            // No `*` crosses a colon.
            ("ArnLike", &["arn:aws:*:role/team/app:x:y:z"], Some(arn), false),
            ("ArnLike", &["arn:*:*:*:*:role/team/app"], Some(arn), true),
            ("ArnNotLike", &["arn:aws:iam::*:role/*"], Some(arn), false),
            ("ArnNotEquals", &["arn:aws:iam::*:role/*"], None, true),
            ("Bool", &["true"], Some("TRUE"), true),
            ("Bool", &["false"], None, false),
            ("BoolIfExists", &["false"], None, true),
            ("Null", &["true"], None, true),
            ("Null", &["true"], Some("a"), false),
            ("Null", &["false"], Some("a"), true),
            ("Null", &["true", "false"], Some("a"), true),
            ("NumericLessThan", &["10"], Some("9"), true),
            ("NumericLessThan", &["10"], Some("10"), false),
            ("NumericLessThanEquals", &["10"], Some("10"), true),
            ("NumericGreaterThanIfExists", &["10"], None, true),
            ("NumericEquals", &["10"], Some("ten"), false),
            ("DateLessThan", &["2020-01-01T00:00:01Z"], Some("2026-01-01T00:00:00Z"), false),
            ("DateGreaterThan", &["2020-01-01"], Some("2026-01-01T00:00:00Z"), true),
            ("DateLessThan", &["1577836801"], Some("2026-01-01T00:00:00Z"), false),
            ("DateLessThan", &["2030"], Some("2026-01-01T00:00:00Z"), true),
            ("DateLessThanEquals", &["2026-01-01T00:00Z"], Some("2026-01-01T00:00:00Z"), true),
            ("IpAddress", &["203.0.113.0/24"], Some("203.0.113.9"), true),
            ("IpAddress", &["203.0.113.0/24"], Some("198.51.100.1"), false),
            ("IpAddress", &["203.0.113.0/24", "2001:db8::/32"], Some("2001:db8::9"), true),
            ("NotIpAddress", &["203.0.113.0/24"], Some("203.0.113.9"), false),
            ("NotIpAddress", &["203.0.113.0/24"], None, true),
        ] {
            assert_eq!(holds(operator, values, carried), expected, "{operator} {values:?} {carried:?}");
        }
    }

    #[test]
    fn variables_are_replaced_in_documents_that_have_them() {
        let (equals, like) = (Operator::parse("StringEquals"), Operator::parse("StringLike"));
        let known = |name: &str| (name == "aws:username").then(|| "bo*b".to_owned());
        let read = |text: &str, operator| Value::read(text, operator, Some(&known));
        assert_eq!(read("${aws:username}", like).fits(Kind::Like, "bo*b"), Truth::Yes);
        assert_eq!(read("${aws:username}", like).fits(Kind::Like, "bo-b"), Truth::No, "a name is no pattern");
        assert_eq!(read("a${*}${?}${$}", like).fits(Kind::Like, "a*?$"), Truth::Yes);
        assert_eq!(read("x-${aws:PrincipalTag/team}", equals).fits(equals.kind, "x-blue"), Truth::Either);
        assert_eq!(read("x-${aws:PrincipalTag/team}", equals).fits(equals.kind, "y"), Truth::No);
        let old = Value::read("${aws:username}", equals, None);
        assert_eq!(old.fits(equals.kind, "${aws:username}"), Truth::Yes);
    }

    #[test]
    fn what_is_no_operator_may_come_to_anything() {
        let operator = Operator::parse("StringMatches");
        assert_eq!(operator.holds(&[], Some("a")), Truth::Either);
    }
}
