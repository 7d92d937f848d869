//! AWS's managed policies that give power, and those that people attach most, with what the engine says of their documents.
//!
//! The table is text, which costs a binary less than pointers to as many strings. `cargo xtask managed` writes it from the
//! documents of a pinned package; its first line says which, and from when they are.

use std::sync::LazyLock;

use super::level::Level;

/// What is known of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its path and name, as its ARN has them after `policy/`.
    pub(super) resource: &'static str,
    pub(super) level: Level,
    /// The most direct ways to gain power that it opens.
    pub(super) paths: Vec<&'static str>,
    /// The services that it gives whole.
    pub(super) services: Vec<&'static str>,
}

impl Row {
    /// The last segment of its ARN.
    pub(super) fn name(&self) -> &'static str {
        self.resource.rsplit('/').next().unwrap_or_default()
    }

    /// Path and name, level, ways and services, with tabs between them.
    fn read(line: &'static str) -> Option<Row> {
        let mut fields = line.split('\t');
        let resource = fields.next().filter(|resource| !resource.is_empty())?;
        let level = match fields.next()? {
            "F" => Level::FullAdmin,
            "E" => Level::PrivilegeEscalation,
            "S" => Level::ServiceAdmin,
            "O" => Level::Ordinary,
            _ => return None,
        };
        let list = |text: &'static str| text.split(',').filter(|item| !item.is_empty()).collect();
        Some(Row { resource, level, paths: list(fields.next()?), services: list(fields.next()?) })
    }
}

const TABLE: &str = include_str!("managed_table.txt");

/// The rows, in no order that matters.
fn rows() -> impl Iterator<Item = Row> {
    TABLE.lines().skip(1).filter_map(Row::read)
}

/// The row of the policy of this name.
pub(super) fn row(name: &str) -> Option<Row> {
    rows().find(|row| row.name() == name)
}

/// The ARNs of the AWS-managed policies whose attachment makes their holder powerful, in AWS's main partition.
pub(super) static POWERFUL: LazyLock<Vec<String>> = LazyLock::new(|| {
    let strong = |row: &Row| row.level >= Level::PrivilegeEscalation || row.name() == "SystemAdministrator";
    rows().filter(strong).map(|row| format!("arn:aws:iam::aws:policy/{}", row.resource)).collect()
});

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::PATHS;

    #[test]
    fn every_line_of_the_table_is_read() {
        assert!(TABLE.starts_with("# moto "), "{:?}", TABLE.lines().next());
        assert_eq!(rows().count(), TABLE.lines().count() - 1);
        let names: BTreeSet<&str> = rows().map(|row| row.name()).collect();
        assert_eq!(names.len(), rows().count(), "a name stands twice");
        for row in rows() {
            for id in &row.paths {
                assert!(PATHS.iter().any(|path| path.id == *id), "{}: {id}", row.resource);
            }
            let told = !row.paths.is_empty() || !row.services.is_empty();
            match row.level {
                Level::PrivilegeEscalation => assert!(!row.paths.is_empty(), "{}", row.resource),
                Level::ServiceAdmin => assert!(told, "{}", row.resource),
                Level::FullAdmin | Level::Ordinary => assert!(!told, "{}", row.resource),
            }
        }
    }
}
