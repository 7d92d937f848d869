//! The printed table.

use std::fmt;

use crate::measure::Measured;

/// One measurement.
#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    cost: Measured,
    base: Option<(Measured, &'static str)>,
    bound: Option<f64>,
}

impl Row {
    pub(crate) fn new(name: &str, cost: Measured) -> Row {
        Row { name: name.to_owned(), cost, base: None, bound: None }
    }

    /// Compares with this, called so.
    pub(crate) fn against(self, base: Measured, name: &'static str) -> Row {
        Row { base: Some((base, name)), ..self }
    }

    /// Holds the ratio to a bound.
    pub(crate) fn bound(self, most: f64) -> Row {
        Row { bound: Some(most), ..self }
    }

    fn ratio(&self) -> Option<f64> {
        self.base.map(|(base, _)| self.cost.micros / base.micros)
    }

    fn met(&self) -> Option<bool> {
        // What could not be measured is not met.
        self.bound.map(|most| self.ratio().is_some_and(|ratio| ratio <= most))
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
        writeln!(f, "{:<34}{:>9}{:>12}{:>9}  of", "", "µs/event", "events/s", "ratio")?;
        for row in &self.0 {
            let micros = row.cost.micros;
            write!(f, "{:<34}{micros:>9.2}{:>12.0}", row.name, 1e6 / micros)?;
            if let (Some(ratio), Some((_, base))) = (row.ratio(), row.base) {
                write!(f, "{:>9}  {base}", format!("{ratio:.2}x"))?;
            }
            match (row.bound, row.met()) {
                (Some(most), Some(met)) => {
                    writeln!(f, "  <= {most}x  {}", if met { "met" } else { "missed" })?;
                }
                _ => writeln!(f)?,
            }
        }
        Ok(())
    }
}
