//! Exact search in a table of samples.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use postgres::Row;

use super::clients::Clients;
use crate::corpus::search::{Among, Nearest, Search};
use crate::nearest::{Neighbour, cosine};

/// The samples of an index in a database.
pub struct Table {
    pub(super) clients: Arc<Clients>,
    pub(super) id: i64,
    /// Number of samples.
    pub rows: usize,
    pub width: usize,
}

/// A search for one query.
pub struct TableSearch<'a> {
    table: &'a Table,
    query: &'a [f32],
    /// The scaled query in pgvector's text format.
    text: String,
}

impl Table {
    pub fn search<'a>(&'a self, query: &'a [f32]) -> TableSearch<'a> {
        TableSearch { table: self, query, text: vector_text(&scaled(query)) }
    }

    /// Returns the samples of neighbours, in their order.
    ///
    /// # Errors
    /// Fails if the database cannot be read, or if the index was removed from it.
    pub fn samples(&self, neighbours: &[Neighbour]) -> io::Result<Vec<Nearest>> {
        let select = "SELECT number, name, content, label, predicted, probability \
                      FROM explaind_sample WHERE index_id = $1 AND number = ANY($2)";
        let numbers: Vec<i32> = neighbours.iter().map(|found| found.row as i32).collect();
        let rows = self.clients.run(|client| client.query(select, &[&self.id, &numbers]))?;
        let rows: HashMap<usize, &Row> =
            rows.iter().map(|row| (row.get::<_, i32>(0) as usize, row)).collect();
        let sample = |found: &Neighbour| {
            let row = rows.get(&found.row).ok_or_else(gone)?;
            Ok(Nearest {
                id: row.get(1),
                text: row.get(2),
                label: row.get::<_, i32>(3) as usize,
                predicted: row.get::<_, i32>(4) as usize,
                probability: row.get(5),
                similarity: found.similarity,
            })
        };
        neighbours.iter().map(sample).collect()
    }

    /// Fails if the index was removed from the database, for example by a newer one.
    fn check_present(&self) -> io::Result<()> {
        let select = "SELECT FROM explaind_index WHERE id = $1";
        let found = self.clients.run(|client| client.query_opt(select, &[&self.id]))?;
        found.map(|_| ()).ok_or_else(gone)
    }

    /// The most by which a nearer sample can seem farther to pgvector, which sums in f32.
    ///
    /// Each of the three sums of `width` products is off by at most `width · 2⁻²⁴` relative to the
    /// product of the norms, so a cosine is off by less than twice that, and the difference of two
    /// by less than four times that. Another factor of two covers terms of higher order.
    fn tolerance(&self) -> f64 {
        8. * self.width as f64 * f64::from(f32::EPSILON) / 2.
    }
}

impl Search for TableSearch<'_> {
    /// pgvector scans all samples; those that can be among the nearest by its error bound are
    /// compared in f64. The scan is materialized, so that no approximate index can replace it.
    fn nearest(&self, k: usize, among: Among) -> io::Result<Vec<Neighbour>> {
        let condition = condition(among);
        let select = format!(
            "WITH scan AS MATERIALIZED (
                SELECT number,
                    coalesce(nullif(embedding <=> $2::text::vector, 'NaN'::float8), 1) AS distance
                FROM explaind_sample WHERE index_id = $1 AND {condition}
            ), edge AS (SELECT distance FROM scan ORDER BY distance LIMIT 1 OFFSET $3)
            SELECT number, embedding::real[]
            FROM scan JOIN explaind_sample USING (number)
            WHERE index_id = $1
                AND distance <= coalesce((SELECT distance FROM edge), 'Infinity'::float8) + $4"
        );
        let (table, offset) = (self.table, k as i64 - 1);
        let rows = table.clients.run(|client| {
            client.query(&select, &[&table.id, &self.text, &offset, &table.tolerance()])
        })?;
        if rows.is_empty() {
            table.check_present()?;
        }
        let neighbour = |row: &Row| Neighbour {
            row: row.get::<_, i32>(0) as usize,
            similarity: cosine(self.query, &row.get::<_, Vec<f32>>(1)),
        };
        let mut found: Vec<Neighbour> = rows.iter().map(neighbour).collect();
        found.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.row.cmp(&b.row)));
        found.truncate(k);
        Ok(found)
    }
}

/// The samples that a search may return, as a condition of SQL.
fn condition(among: Among) -> String {
    match among {
        Among::All => "true".to_owned(),
        Among::Others(row) => format!("number <> {row}"),
        Among::Dissenting(to) => format!("(label <> {to} OR label <> predicted)"),
        Among::OfLabel(own) => format!("NOT held AND label = {own}"),
        Among::OfOtherLabels(own) => format!("NOT held AND label <> {own}"),
    }
}

/// Scales a vector by a power of two so that its largest component is near 1: pgvector's sums of
/// squares in f32 then neither overflow nor vanish. Cosines are unchanged to the last bit.
pub fn scaled(vector: &[f32]) -> Vec<f32> {
    let largest = vector.iter().fold(0_f32, |largest, x| largest.max(x.abs()));
    let factor = if largest > 0. { -f64::from(largest).log2().floor() } else { 0. };
    vector.iter().map(|x| (f64::from(*x) * factor.exp2()) as f32).collect()
}

/// Formats a vector for pgvector; f32 is read back exactly.
pub fn vector_text(vector: &[f32]) -> String {
    let numbers: Vec<String> = vector.iter().map(f32::to_string).collect();
    format!("[{}]", numbers.join(","))
}

fn gone() -> io::Error {
    io::Error::other("the index was removed from the database")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_keeps_cosines() {
        let (a, b) = ([3e-30_f32, -1e-31, 2e-30], [5e20_f32, 1e19, -3e20]);
        assert_eq!(cosine(&a, &b), cosine(&scaled(&a), &scaled(&b)));
        assert!(scaled(&a).iter().all(|x| x.abs() < 2.) && scaled(&b)[0] >= 1.);
        assert_eq!(scaled(&[0., 0.]), [0., 0.]);
        assert_eq!(vector_text(&[1., -0.1, 1e-8]), "[1,-0.1,0.00000001]");
    }
}
