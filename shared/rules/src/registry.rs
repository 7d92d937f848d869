//! All rules, in the order of the catalogue. A rule is registered in its theme's `mod.rs`; this file names the themes.

use keepwatch_core::about::{About, Docs};
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::engine::Rule;

use crate::{
    admin, audit, compute, data, detectors, exposure, iam, keys, network_access, organization, root,
    self_protection, sign_in,
};

/// What each theme has of one kind, one theme after another.
macro_rules! of_all_themes {
    ($list:ident) => {
        joined(&[
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
        ])
    };
}

/// How many rules there are.
const COUNT: usize = 143;

/// The built-in rules.
pub static RULES: &[&dyn Rule] = &{
    const ALL: [&dyn Rule; COUNT] = of_all_themes!(RULES);
    ALL
};

/// What describes the built-in rules.
static ABOUT: [&About; COUNT] = of_all_themes!(ABOUT);

/// The built-in rules without their documentation, for programs that write neither mails nor pages: the linker leaves it
/// out of them.
pub const CATALOGUE: Catalogue = Catalogue::new(&ABOUT);

/// The built-in rules with their documentation.
pub const DOCUMENTED: Catalogue = Catalogue::documented(&ABOUT, docs);

/// What explains a rule, by its id.
fn docs(id: &str) -> Option<&'static Docs> {
    static DOCS: [&Docs; COUNT] = of_all_themes!(DOCS);
    let place = ABOUT.iter().position(|about| about.id == id)?;
    DOCS.get(place).copied()
}

/// The lists in a row. What does not add up to [`COUNT`] does not compile.
const fn joined<T: Copy>(lists: &[&[T]]) -> [T; COUNT] {
    let mut all = [lists[0][0]; COUNT];
    let (mut list, mut count) = (0, 0);
    while list < lists.len() {
        let mut item = 0;
        while item < lists[list].len() {
            all[count] = lists[list][item];
            item += 1;
            count += 1;
        }
        list += 1;
    }
    assert!(count == COUNT);
    all
}
