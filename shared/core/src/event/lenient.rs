//! Deserialisation that never fails on a missing field or on one of another JSON type than documented.
//!
//! CloudTrail, Health and Trusted Advisor events differ from their own documentation: numbers arrive as strings, objects
//! as `null`, whole sections are missing. A model that fails on one odd field loses the event, so each of these types
//! reads what it can and leaves the rest empty. Only text that is not JSON at all is an error.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess,
    Visitor,
};

/// Visitor methods that read booleans, numbers and `null` as `$empty`.
macro_rules! ignored_scalars {
    ($empty:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($empty)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($empty)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($empty)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($empty)
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($empty)
        }
    };
}
pub(crate) use ignored_scalars;

/// A string, borrowed from the event where JSON needs no unescaping. Numbers and booleans become their JSON text;
/// `null`, lists and objects become nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'a>(Option<Cow<'a, str>>);

impl<'a> Text<'a> {
    /// The text, unless it is absent or empty. CloudTrail writes `""` where it has nothing to say.
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }

    /// The text, or `""`.
    pub fn or_empty(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether the text equals `other`, ignoring ASCII case.
    pub fn is_ignore_case(&self, other: &str) -> bool {
        self.or_empty().eq_ignore_ascii_case(other)
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Text(Some(Cow::Borrowed(text)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor<'a>(PhantomData<&'a str>);
        impl<'de: 'a, 'a> Visitor<'de> for TextVisitor<'a> {
            type Value = Text<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON value")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Borrowed(text))))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Owned(text.to_owned()))))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Borrowed(if value { "true" } else { "false" }))))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Owned(value.to_string()))))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Owned(value.to_string()))))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Owned(value.to_string()))))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Text(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }
        }
        deserializer.deserialize_any(TextVisitor(PhantomData))
    }
}

/// A list; a single value where a list is documented is a list of one, `null` is an empty list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        List(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
            type Value = List<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON value")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Ok(List(vec![T::deserialize(MapAccessDeserializer::new(map))?]))
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(List(vec![T::deserialize(BorrowedStrDeserializer::new(text))?]))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(List(vec![T::deserialize(text.into_deserializer())?]))
            }
            ignored_scalars!(List::default());
        }
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

/// Which field of a model a name in JSON is.
pub(crate) trait FieldName {
    /// The field of this name, or the model's word for none.
    fn of(name: &str) -> Self;
}

/// Reads names as the fields they are, so that none is kept.
pub(crate) struct Keys<K>(PhantomData<K>);

impl<K> Keys<K> {
    pub(crate) fn new() -> Keys<K> {
        Keys(PhantomData)
    }
}

impl<'de, K: FieldName> DeserializeSeed<'de> for Keys<K> {
    type Value = K;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<K, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<K: FieldName> Visitor<'_> for Keys<K> {
    type Value = K;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }
    fn visit_str<E>(self, name: &str) -> Result<K, E> {
        Ok(K::of(name))
    }
}

/// Declares a borrowed model of a JSON object: every field optional, unknown fields skipped, and any other JSON value
/// read as the empty object. Field types are [`Text`], [`List`], `Option<&'a RawValue>` or another such model.
macro_rules! lenient {
    ($(#[$meta:meta])* $name:ident { $( $(#[$fmeta:meta])* $field:ident : $ty:ty = $($key:literal)|+ ),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        pub struct $name<'a> {
            $( $(#[$fmeta])* pub $field: $ty, )+
        }

        impl<'de: 'a, 'a> serde::Deserialize<'de> for $name<'a> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ModelVisitor<'a>(std::marker::PhantomData<&'a str>);
                impl<'de: 'a, 'a> serde::de::Visitor<'de> for ModelVisitor<'a> {
                    type Value = $name<'a>;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("any JSON value")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        #[allow(non_camel_case_types)]
                        enum Key {
                            $( $field, )+
                            OfNoField,
                        }
                        impl $crate::event::lenient::FieldName for Key {
                            fn of(name: &str) -> Key {
                                match name {
                                    $( $($key)|+ => Key::$field, )+
                                    _ => Key::OfNoField,
                                }
                            }
                        }
                        let mut model = $name::default();
                        while let Some(key) = map.next_key_seed($crate::event::lenient::Keys::<Key>::new())? {
                            match key {
                                $( Key::$field => model.$field = map.next_value()?, )+
                                Key::OfNoField => {
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                }
                            }
                        }
                        Ok(model)
                    }
                    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                        while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                        Ok($name::default())
                    }
                    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                        Ok($name::default())
                    }
                    $crate::event::lenient::ignored_scalars!($name::default());
                }
                deserializer.deserialize_any(ModelVisitor(std::marker::PhantomData))
            }
        }
    };
}
pub(crate) use lenient;
