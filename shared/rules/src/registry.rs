//! All rules, in the order of the catalogue. A rule is registered in its theme's `mod.rs`; this file names the themes.

use keepwatch_core::about::{About, Docs};
use keepwatch_core::catalogue::{Catalogue, count, joined};
use keepwatch_core::engine::Rule;

use crate::{
    admin, audit, compute, data, detectors, exposure, iam, keys, network_access, organization, root,
    self_protection, sign_in,
};

/// A theme's list of one kind, for each theme.
macro_rules! of_all_themes {
    ($list:ident) => {
        &[
            root::$list,
            keys::$list,
            admin::$list,
            iam::$list,
            sign_in::$list,
            audit::$list,
            self_protection::$list,
            organization::$list,
            exposure::$list,
            network_access::$list,
            data::$list,
            compute::$list,
            detectors::$list,
        ]
    };
}

/// How many rules there are.
const COUNT: usize = count::<&About>(of_all_themes!(ABOUT));

/// The built-in rules.
pub static RULES: &[&dyn Rule] = &{
    const ALL: [&dyn Rule; COUNT] = joined(of_all_themes!(RULES));
    ALL
};

/// What describes the built-in rules.
static ABOUT: [&About; COUNT] = joined(of_all_themes!(ABOUT));

/// The built-in rules without their documentation, for programs that write neither mails nor pages: the linker leaves it
/// out of them.
pub const CATALOGUE: Catalogue = Catalogue::new(&ABOUT);

/// The built-in rules with their documentation.
pub const DOCUMENTED: Catalogue = Catalogue::documented(&ABOUT, docs);

/// What explains a rule, by its id.
fn docs(id: &str) -> Option<&'static Docs> {
    static DOCS: [&Docs; COUNT] = joined(of_all_themes!(DOCS));
    let place = ABOUT.iter().position(|about| about.id == id)?;
    DOCS.get(place).copied()
}
