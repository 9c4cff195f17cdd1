//! Indexes in a PostgreSQL database with pgvector, which services can share: the corpus is embedded
//! once, and no service holds its samples in memory.
//!
//! The table `explaind_index` has one row per index, with its key; `explaind_sample` has the
//! samples. An index is inserted in one transaction, so it is either whole or absent. There is no
//! index over the vectors, since those of pgvector are approximate.

mod clients;
mod table;

use std::io;
use std::sync::Arc;

use postgres::{Client, Row, Transaction};

use super::Address;
use super::calibration::Calibration;
use super::frequencies::Frequencies;
use super::index::{Index, Key, Samples};
use super::local::{Local, Vectors};
use clients::Clients;
pub use table::Table;
use table::{scaled, vector_text};

/// Version of the tables; part of the key.
const VERSION: u32 = 1;

/// Samples per statement.
const BATCH: usize = 1_000;

/// Indexes of a corpus that are kept when another is inserted: services that have not been replaced
/// yet still search the previous one.
const KEPT: i64 = 2;

/// Creates the tables. The lock keeps concurrent services from creating them at the same time.
const CREATE: &str = "
    BEGIN;
    SELECT pg_advisory_xact_lock(4815162342);
    CREATE EXTENSION IF NOT EXISTS vector;
    CREATE TABLE IF NOT EXISTS explaind_index (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        key text NOT NULL UNIQUE,
        name text NOT NULL,
        width integer NOT NULL,
        samples integer NOT NULL,
        frequencies bytea NOT NULL
    );
    CREATE TABLE IF NOT EXISTS explaind_sample (
        index_id bigint NOT NULL REFERENCES explaind_index ON DELETE CASCADE,
        number integer NOT NULL,
        name text NOT NULL,
        content text NOT NULL,
        label integer NOT NULL,
        predicted integer NOT NULL,
        probability double precision NOT NULL,
        held boolean NOT NULL,
        nonconformity double precision NOT NULL,
        density double precision NOT NULL,
        embedding vector NOT NULL,
        PRIMARY KEY (index_id, number)
    );
    COMMIT;
";

const INSERT: &str = "
    INSERT INTO explaind_sample
    SELECT $1::bigint, n, i, t, l, p, q, h, a, d, e::vector
    FROM unnest(
        $2::integer[], $3::text[], $4::text[], $5::integer[], $6::integer[],
        $7::double precision[], $8::boolean[], $9::double precision[], $10::double precision[],
        $11::text[]
    ) AS sample (n, i, t, l, p, q, h, a, d, e)
";

/// A database with the tables.
pub struct Database {
    clients: Arc<Clients>,
}

impl Database {
    /// Connects, and creates the tables if they are missing.
    ///
    /// # Errors
    /// Fails if the database cannot be reached or has no pgvector.
    pub fn connect(address: &Address) -> io::Result<Self> {
        let clients = Arc::new(Clients::new(address)?);
        clients.run(|client| client.batch_execute(CREATE))?;
        Ok(Self { clients })
    }

    /// Opens the index of `key`; `None` if there is none. One that lacks samples is removed.
    ///
    /// # Errors
    /// Fails if the database cannot be read.
    pub fn open(&self, key: &Key) -> io::Result<Option<Index>> {
        let Some(stored) = self.clients.run(|client| Stored::read(client, key))? else {
            return Ok(None);
        };
        let (table, held) = (stored.table(&self.clients), &stored.held);
        let column = |of: fn(&HeldOut) -> f64| held.iter().map(of).collect();
        let parts = (
            held.iter().map(|one| one.number as u32).collect(),
            column(|one| one.nonconformity),
            column(|one| one.density),
        );
        let label = |row: usize| {
            let found = held.binary_search_by_key(&(row as i32), |one| one.number);
            found.map_or(0, |index| held[index].label as u32)
        };
        Ok(Some(Index {
            key: key.clone(),
            frequencies: Frequencies {
                samples: table.rows,
                of_piece: stored.frequencies.chunks_exact(4).map(number).collect(),
            },
            calibration: Calibration::of_parts(parts, label),
            samples: Samples::Database(table),
        }))
    }

    /// Inserts a new index, whose samples are in memory, and returns the one in the database: that
    /// of another service if it was faster. Older indexes of the same name are removed.
    ///
    /// # Errors
    /// Fails if the database cannot be written.
    pub fn insert(&self, name: &str, index: &Index) -> io::Result<Index> {
        let missing = || io::Error::other("the samples are not in memory");
        let local = index.local().ok_or_else(missing)?;
        let Vectors::Memory(vectors) = &local.vectors else { return Err(missing()) };
        self.clients.run(|client| {
            let mut transaction = client.transaction()?;
            if let Some(id) = new_row(&mut transaction, name, index, local)? {
                insert_samples(&mut transaction, id, index, local, vectors)?;
            }
            transaction.commit()
        })?;
        let gone = || io::Error::other("the index was removed by another service");
        self.open(&index.key)?.ok_or_else(gone)
    }
}

/// The key in the table.
fn text_of(key: &Key) -> String {
    format!("version {VERSION}\n{}", key.describe())
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// An index in the database, without its samples.
struct Stored {
    id: i64,
    width: i32,
    samples: i32,
    frequencies: Vec<u8>,
    /// The calibration samples, by number.
    held: Vec<HeldOut>,
}

struct HeldOut {
    number: i32,
    label: i32,
    nonconformity: f64,
    density: f64,
}

impl Stored {
    fn read(client: &mut Client, key: &Key) -> Result<Option<Self>, postgres::Error> {
        let select = "SELECT id, width, samples, frequencies FROM explaind_index WHERE key = $1";
        let Some(row) = client.query_opt(select, &[&text_of(key)])? else { return Ok(None) };
        let (id, samples): (i64, i32) = (row.get(0), row.get(2));
        let count = "SELECT count(*) FROM explaind_sample WHERE index_id = $1";
        if client.query_one(count, &[&id])?.get::<_, i64>(0) != i64::from(samples) {
            client.execute("DELETE FROM explaind_index WHERE id = $1", &[&id])?;
            return Ok(None);
        }
        let held = "SELECT number, label, nonconformity, density FROM explaind_sample \
                    WHERE index_id = $1 AND held ORDER BY number";
        let one = |row: &Row| HeldOut {
            number: row.get(0),
            label: row.get(1),
            nonconformity: row.get(2),
            density: row.get(3),
        };
        let held = client.query(held, &[&id])?.iter().map(one).collect();
        Ok(Some(Self { id, width: row.get(1), samples, frequencies: row.get(3), held }))
    }

    fn table(&self, clients: &Arc<Clients>) -> Table {
        let (rows, width) = (self.samples as usize, self.width as usize);
        Table { clients: Arc::clone(clients), id: self.id, rows, width }
    }
}

/// Inserts the row of the index, and removes older ones; `None` if the index exists already.
fn new_row(
    transaction: &mut Transaction<'_>,
    name: &str,
    index: &Index,
    local: &Local,
) -> Result<Option<i64>, postgres::Error> {
    let insert = "INSERT INTO explaind_index (key, name, width, samples, frequencies) \
                  VALUES ($1, $2, $3, $4, $5) ON CONFLICT (key) DO NOTHING RETURNING id";
    let frequencies = index.frequencies.of_piece.iter();
    let frequencies: Vec<u8> = frequencies.flat_map(|count| count.to_le_bytes()).collect();
    let (width, rows) = (local.width as i32, local.labels.len() as i32);
    let key = text_of(&index.key);
    let row = transaction.query_opt(insert, &[&key, &name, &width, &rows, &frequencies])?;
    let delete = "DELETE FROM explaind_index WHERE name = $1 AND id NOT IN \
                  (SELECT id FROM explaind_index WHERE name = $1 ORDER BY id DESC LIMIT $2)";
    transaction.execute(delete, &[&name, &KEPT])?;
    Ok(row.map(|row| row.get(0)))
}

fn insert_samples(
    transaction: &mut Transaction<'_>,
    id: i64,
    index: &Index,
    local: &Local,
    vectors: &[f32],
) -> Result<(), postgres::Error> {
    let insert = transaction.prepare(INSERT)?;
    let (held, nonconformity, density) = index.calibration.parts();
    let (mut a, mut d) = (vec![0.; local.labels.len()], vec![0.; local.labels.len()]);
    for ((row, own), near) in held.iter().zip(nonconformity).zip(density) {
        (a[*row as usize], d[*row as usize]) = (*own, *near);
    }
    let numbers: Vec<usize> = (0..local.labels.len()).collect();
    for part in numbers.chunks(BATCH) {
        let range = part[0]..part[0] + part.len();
        let integers = |list: &[u32]| list.iter().map(|x| *x as i32).collect::<Vec<i32>>();
        let rows: Vec<i32> = part.iter().map(|row| *row as i32).collect();
        let (ids, texts): (Vec<&str>, Vec<&str>) =
            part.iter().map(|row| local.texts.get(*row)).unzip();
        let (labels, predicted) =
            (integers(&local.labels[range.clone()]), integers(&local.predicted[range.clone()]));
        let of_part = &vectors[range.start * local.width..range.end * local.width];
        let embeddings: Vec<String> =
            of_part.chunks_exact(local.width).map(|row| vector_text(&scaled(row))).collect();
        transaction.execute(
            &insert,
            &[
                &id,
                &rows,
                &ids,
                &texts,
                &labels,
                &predicted,
                &&local.probabilities[range.clone()],
                &&local.is_held[range.clone()],
                &&a[range.clone()],
                &&d[range.clone()],
                &embeddings,
            ],
        )?;
    }
    Ok(())
}
