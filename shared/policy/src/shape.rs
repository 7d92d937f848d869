//! The shapes that JSON takes in policies: a scalar where there may be a list, an object that repeats a member.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::document::{Condition, Principal, PrincipalKind};

/// A scalar, or a list of scalars; null is as good as nothing.
pub(super) struct Values(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_str<E: Error>(self, v: &str) -> Result<Values, E> {
                Ok(Values(vec![v.to_owned()]))
            }
            fn visit_bool<E: Error>(self, v: bool) -> Result<Values, E> {
                Ok(Values(vec![v.to_string()]))
            }
            fn visit_i64<E: Error>(self, v: i64) -> Result<Values, E> {
                Ok(Values(vec![v.to_string()]))
            }
            fn visit_u64<E: Error>(self, v: u64) -> Result<Values, E> {
                Ok(Values(vec![v.to_string()]))
            }
            fn visit_f64<E: Error>(self, v: f64) -> Result<Values, E> {
                Ok(Values(vec![v.to_string()]))
            }
            fn visit_unit<E: Error>(self) -> Result<Values, E> {
                Ok(Values(Vec::new()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Values, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element::<Scalar>()? {
                    all.extend(one.0);
                }
                Ok(Values(all))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// One scalar: [`Values`] without lists, so that lists do not nest.
pub(super) struct Scalar(pub(super) Option<String>);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_str<E: Error>(self, v: &str) -> Result<Scalar, E> {
                Ok(Scalar(Some(v.to_owned())))
            }
            fn visit_bool<E: Error>(self, v: bool) -> Result<Scalar, E> {
                Ok(Scalar(Some(v.to_string())))
            }
            fn visit_i64<E: Error>(self, v: i64) -> Result<Scalar, E> {
                Ok(Scalar(Some(v.to_string())))
            }
            fn visit_u64<E: Error>(self, v: u64) -> Result<Scalar, E> {
                Ok(Scalar(Some(v.to_string())))
            }
            fn visit_f64<E: Error>(self, v: f64) -> Result<Scalar, E> {
                Ok(Scalar(Some(v.to_string())))
            }
            fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
                Ok(Scalar(None))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// The members of an object in their order, repeated ones too.
struct Members<T>(Vec<(String, Option<T>)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Members<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<T>, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = map.next_entry::<String, Option<T>>()? {
                    all.push(member);
                }
                Ok(Members(all))
            }
        }
        deserializer.deserialize_map(Reader(PhantomData))
    }
}

/// `"*"`, or an object of lists.
pub(super) struct Principals(pub(super) Vec<Principal>);

impl<'de> Deserialize<'de> for Principals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Principals;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a principal")
            }
            fn visit_str<E: Error>(self, v: &str) -> Result<Principals, E> {
                Ok(Principals(vec![Principal { kind: PrincipalKind::Aws, value: v.to_owned() }]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Principals, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element::<Scalar>()? {
                    all.extend(one.0.map(|value| Principal { kind: PrincipalKind::Aws, value }));
                }
                Ok(Principals(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Principals, A::Error> {
                let mut all = Vec::new();
                while let Some((name, values)) = map.next_entry::<String, Option<Values>>()? {
                    let kind = match name.to_ascii_lowercase().as_str() {
                        "aws" | "*" => PrincipalKind::Aws,
                        "service" => PrincipalKind::Service,
                        "federated" => PrincipalKind::Federated,
                        "canonicaluser" => PrincipalKind::CanonicalUser,
                        _ => PrincipalKind::Other,
                    };
                    all.extend(values.into_iter().flat_map(|v| v.0).map(|value| Principal { kind, value }));
                }
                Ok(Principals(all))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// The two levels of a Condition block, flattened.
pub(super) struct Conditions(pub(super) Vec<Condition>);

impl<'de> Deserialize<'de> for Conditions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let operators = Members::<Members<Values>>::deserialize(deserializer)?;
        let mut all = Vec::new();
        for (operator, keys) in operators.0 {
            for (key, values) in keys.into_iter().flat_map(|k| k.0) {
                let values = values.map(|v| v.0).unwrap_or_default();
                all.push(Condition { operator: operator.clone(), key, values });
            }
        }
        Ok(Conditions(all))
    }
}
