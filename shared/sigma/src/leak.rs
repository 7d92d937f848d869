//! Texts that live as long as the program: rules are loaded once, and their metadata is `'static` like everybody's.

pub(crate) fn text(text: impl Into<String>) -> &'static str {
    Box::leak(text.into().into_boxed_str())
}

pub(crate) fn texts(texts: impl IntoIterator<Item = impl Into<String>>) -> &'static [&'static str] {
    Box::leak(texts.into_iter().map(text).collect::<Vec<_>>().into_boxed_slice())
}

pub(crate) fn value<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}
