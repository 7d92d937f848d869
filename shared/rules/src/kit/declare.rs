//! The two macros of a rule: what it is, and that it is there.

/// Declares a rule: its doc comment, its name, its metadata.
///
/// The doc comment has the headings `What it detects`, `Why it matters`, `What to do` and `False positives`; a test
/// holds every rule to that. What stands in brackets may be left out:
///
/// | field | what |
/// |---|---|
/// | `finding` | the rule whose finding it adds to; its own id otherwise |
/// | `origin` | `State` where it tells what is so and not what happened; `Event` otherwise |
/// | `failed_calls` | failed calls interest it too; otherwise it never sees one |
/// | `general` | a specific rule's mail on the same event says it all |
/// | `repeat_hours` | after how many hours a repetition is mailed; 24 otherwise |
/// | `alerts_as_witness` | worth a mail of its own on another rule's finding |
/// | `opt_in` | off until its owner switches it on |
macro_rules! declare_rule {
    (
        $(#[doc = $doc:literal])+
        $name:ident {
            id: $id:literal,
            title: $title:literal,
            severity: $severity:ident,
            confidence: $confidence:ident,
            catalogue: $catalogue:expr,
            references: $references:expr,
            on: $on:expr
            $(, finding: $finding:expr)?
            $(, origin: $origin:ident)?
            $(, failed_calls: $failed_calls:expr)?
            $(, general: $general:expr)?
            $(, repeat_hours: $repeat_hours:expr)?
            $(, alerts_as_witness: $alerts_as_witness:expr)?
            $(, opt_in: $opt_in:expr)?
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
            pub(crate) const META: &'static keepwatch_core::engine::RuleMeta = &keepwatch_core::engine::RuleMeta {
                about: keepwatch_core::about::About {
                    id: $id,
                    title: $title,
                    severity: keepwatch_core::severity::Severity::$severity,
                    confidence: keepwatch_core::severity::Confidence::$confidence,
                    catalogue: &$catalogue,
                    origin: $crate::kit::declare::declare_rule!(@origin $($origin)?),
                    finding: $crate::kit::declare::declare_rule!(@or $id $(, $finding)?),
                    general: $crate::kit::declare::declare_rule!(@or false $(, $general)?),
                    repeat_hours: $crate::kit::declare::declare_rule!(@or 24 $(, $repeat_hours)?),
                    alerts_as_witness: $crate::kit::declare::declare_rule!(@or false $(, $alerts_as_witness)?),
                    opt_in: $crate::kit::declare::declare_rule!(@or false $(, $opt_in)?),
                },
                on: &$on,
                failed_calls: $crate::kit::declare::declare_rule!(@or false $(, $failed_calls)?),
            };
        }

        impl keepwatch_core::engine::Described for $name {
            fn meta(&self) -> &'static keepwatch_core::engine::RuleMeta {
                Self::META
            }
        }
    };
    (@origin) => { keepwatch_core::about::Origin::Event };
    (@origin $origin:ident) => { keepwatch_core::about::Origin::$origin };
    (@or $default:expr, $value:expr) => { $value };
    (@or $default:expr) => { $default };
}

pub(crate) use declare_rule;

/// Names the rules of a theme, one line each, `file::Rule`: that is a rule's only registration. It makes the file a module
/// and hands the rule to the registry, in this order.
macro_rules! theme {
    ($($file:ident::$name:ident,)+) => {
        $(pub(crate) mod $file;)+

        /// The rules.
        pub(crate) const RULES: &[&dyn keepwatch_core::engine::Rule] = &[$(&$file::$name,)+];

        /// What describes them.
        pub(crate) const ABOUT: &[&keepwatch_core::about::About] = &[$(&$file::$name::META.about,)+];

        /// What explains them.
        pub(crate) const DOCS: &[&keepwatch_core::about::Docs] = &[$($file::$name::DOCS,)+];
    };
}
pub(crate) use theme;
