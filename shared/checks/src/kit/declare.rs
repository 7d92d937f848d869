//! The two macros of a check: what it is, and that it is there.

/// Declares a check: its doc comment, its name, its metadata. The fields are listed at the head of the crate.
macro_rules! declare_check {
    (
        $(#[doc = $doc:literal])+
        $name:ident {
            id: $id:literal,
            title: $title:literal,
            severity: $severity:ident,
            practices: $practices:expr,
            $(number: $number:literal,)?
            references: $references:expr,
            asks: [$($ask:ident),* $(,)?]
            $(, finding: $finding:literal)?
            $(, closes: [$($closes:expr),* $(,)?])?
            $(, ages: $ages:literal)?
            $(,)?
        }
    ) => {
        $(#[doc = $doc])+
        pub(crate) struct $name;

        impl $name {
            /// What explains it: the text above, and what it refers to.
            pub(crate) const DOCS: &'static keepwatch_core::about::Docs = &keepwatch_core::about::Docs {
                text: concat!($($doc, "\n"),+),
                references: &$references,
            };

            /// What is known of it without running it.
            pub(crate) const META: &'static $crate::meta::CheckMeta = &$crate::meta::CheckMeta {
                about: keepwatch_core::about::About {
                    id: $id,
                    title: $title,
                    severity: keepwatch_core::severity::Severity::$severity,
                    confidence: keepwatch_core::severity::Confidence::High,
                    catalogue: &$practices,
                    origin: keepwatch_core::about::Origin::State,
                    finding: $crate::kit::declare::declare_check!(@or $id $(, $finding)?),
                    general: false,
                    repeat_hours: keepwatch_core::posture::NEVER_AGAIN,
                    alerts_as_witness: false,
                    opt_in: false,
                },
                practices: &$practices,
                number: $crate::kit::declare::declare_check!(@number $($number)?),
                asks: &[$(keepwatch_core::posture::Question::$ask),*],
                closes: &[$($($closes),*)?],
                ages: $crate::kit::declare::declare_check!(@flag $($ages)?),
            };
        }

        impl $crate::check::Described for $name {
            fn meta(&self) -> &'static $crate::meta::CheckMeta {
                Self::META
            }
        }
    };
    (@or $default:expr, $value:expr) => { $value };
    (@or $default:expr) => { $default };
    (@flag) => { false };
    (@flag $flag:literal) => { $flag };
    (@number) => { None };
    (@number $number:literal) => { Some($number) };
}

pub(crate) use declare_check;

/// Names the checks of a theme, one line each, `file::Check`: that is a check's only registration.
macro_rules! theme {
    ($($file:ident::$name:ident,)+) => {
        $(pub(crate) mod $file;)+

        /// The checks.
        pub(crate) const CHECKS: &[&dyn $crate::check::Check] = &[$(&$file::$name,)+];

        /// What describes them.
        pub(crate) const ABOUT: &[&keepwatch_core::about::About] = &[$(&$file::$name::META.about,)+];

        /// What explains them.
        pub(crate) const DOCS: &[&keepwatch_core::about::Docs] = &[$($file::$name::DOCS,)+];
    };
}
pub(crate) use theme;
