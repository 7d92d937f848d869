//! The printed table.

use std::fmt;

/// What a row is held to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// At most this much for detect itself.
    Detect(f64),
    /// At most this many times what it is compared with.
    Ratio(f64),
}

/// One measurement.
#[derive(Debug)]
pub(crate) struct Row {
    name: &'static str,
    noop: Option<f64>,
    detect: f64,
    /// What `detect` is compared with: the empty function, or detect when it is warm.
    base: Option<f64>,
    bound: Option<Bound>,
}

impl Row {
    /// The empty function and detect, side by side.
    pub(crate) fn new(name: &'static str, noop: f64, detect: f64) -> Row {
        Row { name, noop: Some(noop), detect, base: Some(noop), bound: None }
    }

    /// Something that the empty function does not do.
    pub(crate) fn alone(name: &'static str, detect: f64) -> Row {
        Row { name, noop: None, detect, base: None, bound: None }
    }

    /// Compares with this.
    pub(crate) fn against(self, base: f64) -> Row {
        Row { base: Some(base), ..self }
    }

    /// Holds it to a bound.
    pub(crate) fn bound(self, bound: Bound) -> Row {
        Row { bound: Some(bound), ..self }
    }

    fn ratio(&self) -> Option<f64> {
        self.base.map(|base| self.detect / base)
    }

    fn met(&self) -> Option<bool> {
        Some(match self.bound? {
            Bound::Detect(most) => self.detect <= most,
            // What could not be compared is not met.
            Bound::Ratio(most) => self.ratio().is_some_and(|ratio| ratio <= most),
        })
    }
}

/// All rows, in order.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) fn add(&mut self, row: Row) {
        self.0.push(row);
    }

    /// Whether every bound is met.
    pub(crate) fn met(&self) -> bool {
        self.0.iter().all(|row| row.met() != Some(false))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<42}{:>9}{:>9}{:>8}  bound", "", "noop", "detect", "ratio")?;
        for row in &self.0 {
            let noop = row.noop.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
            let ratio = row.ratio().map_or_else(String::new, |ratio| format!("{ratio:.1}x"));
            write!(f, "{:<42}{noop:>9}{:>9.2}{ratio:>8}", row.name, row.detect)?;
            let word = match row.met() {
                Some(true) => "met",
                Some(false) => "missed",
                None => "",
            };
            match row.bound {
                Some(Bound::Detect(most)) => writeln!(f, "  <= {most:<6}{word}")?,
                Some(Bound::Ratio(most)) => writeln!(f, "  <= {:<6}{word}", format!("{most}x"))?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}
