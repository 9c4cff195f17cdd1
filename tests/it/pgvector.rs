//! Corpora in a PostgreSQL database with pgvector, compared with the local store. Needs a server:
//! scripts/pgvector-test starts one.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use explaind::app;
use explaind::checkpoint::Source;
use explaind::config::{Config, CorpusEntry};
use explaind::corpus::database::Database;
use explaind::corpus::{
    Address, Corpus, Embedded, Frequencies, Index, Key, Limits, Representation, Sample,
    SearchQuery, Store, embed,
};
use explaind::model::{Model, Placement};
use explaind::random::Generator;
use explaind::rows::{PooledState, StatePooling};
use serde_json::{Value, json};

use crate::support::service::{Running, start_with, untimed};
use crate::support::{input, wait_until_async};

/// The environment variable with the URL of the server.
const URL: &str = "EXPLAIND_TEST_DATABASE";

fn url() -> String {
    std::env::var(URL).unwrap_or_else(|_| panic!("{URL} is not set; run scripts/pgvector-test"))
}

fn address() -> Address {
    match url().parse().unwrap() {
        Store::Database(address) => address,
        Store::Folder(_) => panic!("{URL} is not a postgres:// URL"),
    }
}

fn client() -> postgres::Client {
    postgres::Client::connect(&url(), postgres::NoTls).unwrap()
}

/// Runs SQL on a thread of its own, because the client must not run on an async thread.
async fn execute(sql: impl Into<String>) {
    let sql = sql.into();
    tokio::task::spawn_blocking(move || client().batch_execute(&sql).unwrap()).await.unwrap();
}

/// Returns a key that no other index has.
fn key(representation: Representation) -> Key {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let digest = format!("test {count} of process {}", std::process::id());
    Key { revision: "sha256:aa".to_owned(), digest, representation }
}

/// Random vectors, some of them equal, parallel, zero, or at the ends of the range of f32.
fn random(width: usize, rows: usize, spread: f64) -> (Vec<Sample>, Embedded) {
    let mut generator = Generator::stream(5, width as u64);
    let mut vectors: Vec<f32> =
        (0..rows * width).map(|_| (1. + spread * generator.normal()) as f32).collect();
    for row in (0..rows).step_by(7).skip(1) {
        let scale = [1., 2., 0., 1e-30, 1e30][row / 7 % 5];
        for i in 0..width {
            vectors[row * width + i] = scale * vectors[(row - 3) * width + i];
        }
    }
    let sample = |row: usize| Sample {
        id: format!("'{row}\\"),
        text: format!("a\tb\\n\n{{\"文\", {row}}}"),
        text_pair: None,
        label: "0".to_owned(),
    };
    let embedded = Embedded {
        width,
        vectors,
        labels: (0..rows).map(|_| generator.below(3) as u32).collect(),
        predicted: (0..rows).map(|_| generator.below(3) as u32).collect(),
        probabilities: (0..rows).map(|_| generator.uniform()).collect(),
        frequencies: Frequencies { samples: rows, of_piece: (0..300).collect() },
    };
    ((0..rows).map(sample).collect(), embedded)
}

/// Stores an index and asserts that every search in it gives what the local one gives.
fn check(local: &Index, queries: &[Vec<f32>]) {
    let database = Database::connect(&address()).unwrap();
    assert!(database.open(&local.key).unwrap().is_none());
    let stored = database.insert(&local.key.digest, local).unwrap();
    let reopened = database.open(&local.key).unwrap().unwrap();
    for index in [&stored, &reopened] {
        assert_eq!(index.len(), local.len());
        assert_eq!(index.width(), local.width());
        assert_eq!(index.frequencies, local.frequencies);
        for (number, vector) in queries.iter().enumerate() {
            let predicted = number % 3;
            for neighbours in [1, 7, local.len()] {
                let query = SearchQuery { vector, predicted, neighbours };
                assert_eq!(index.find(query).unwrap(), local.find(query).unwrap(), "{number}");
            }
        }
    }
}

#[test]
fn searches_equal_those_of_the_local_store() {
    for (width, rows, spread) in [(3, 40, 1.), (160, 1_500, 0.01), (384, 1_200, 1.)] {
        let (samples, embedded) = random(width, rows, spread);
        let mut queries: Vec<Vec<f32>> =
            embedded.vectors.chunks_exact(width).step_by(rows / 20).map(<[f32]>::to_vec).collect();
        queries.push(vec![0.; width]);
        queries.extend(random(width, 4, 3.).1.vectors.chunks_exact(width).map(<[f32]>::to_vec));
        let state = PooledState { layer: 4, pooling: StatePooling::Mean };
        let key = key(Representation::State(state));
        check(&Index::new(key, &samples, embedded, &|_, _| {}).unwrap(), &queries);
    }
}

#[test]
fn searches_of_a_model_equal_those_of_the_local_store() {
    let source: Source = "builtin:sentiment-en".parse().unwrap();
    let model = Model::load("tested", &source, &Placement::default()).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/sentiment-en/corpus.jsonl");
    let limits = Limits { rows: 1_000, bytes: 1 << 20 };
    let corpus = Corpus::built_in("reviews", &fs::read(path).unwrap(), limits).unwrap();
    let state = PooledState { layer: model.layers(), pooling: StatePooling::Mean };
    for representation in [Representation::State(state), Representation::Gradient] {
        let embedded = embed(&model, &corpus.samples, representation, &|_| true).unwrap();
        let own = embedded.vectors.chunks_exact(embedded.width).step_by(60);
        let mut queries: Vec<Vec<f32>> = own.map(<[f32]>::to_vec).collect();
        let texts = ["This movie is really great.", "Colourless ideas sleep.", "not bad at all"];
        let texts = texts.map(|text| Sample {
            id: String::new(),
            text: input(text, None).text,
            text_pair: None,
            label: "1".to_owned(),
        });
        let fresh = embed(&model, &texts, representation, &|_| true).unwrap();
        queries.extend(fresh.vectors.chunks_exact(fresh.width).map(<[f32]>::to_vec));
        let index = Index::new(key(representation), &corpus.samples, embedded, &|_, _| {}).unwrap();
        check(&index, &queries);
    }
}

#[test]
fn another_key_is_absent_and_a_cut_index_is_removed() {
    let (samples, embedded) = random(5, 30, 1.);
    let index = Index::new(key(Representation::Gradient), &samples, embedded, &|_, _| {}).unwrap();
    let database = Database::connect(&address()).unwrap();
    database.insert(&index.key.digest, &index).unwrap();
    for change in [
        |key: &mut Key| key.revision.push('b'),
        |key: &mut Key| key.digest.push('b'),
        |key: &mut Key| {
            let state = PooledState { layer: 0, pooling: StatePooling::Mean };
            key.representation = Representation::State(state);
        },
    ] {
        let mut other = index.key.clone();
        change(&mut other);
        assert!(database.open(&other).unwrap().is_none());
    }
    let cut = "DELETE FROM explaind_sample WHERE number = 29 AND index_id = \
               (SELECT id FROM explaind_index WHERE position($1 in key) > 0)";
    assert_eq!(client().execute(cut, &[&index.key.digest]).unwrap(), 1);
    assert!(database.open(&index.key).unwrap().is_none());
    let again = database.insert(&index.key.digest, &index).unwrap();
    assert_eq!(again.len(), 30);
}

/// Of equal names, the two newest indexes are kept.
#[test]
fn older_indexes_are_removed() {
    let database = Database::connect(&address()).unwrap();
    let name = format!("named by process {}", std::process::id());
    let inserted = [0, 1, 2].map(|_| {
        let (samples, embedded) = random(4, 10, 1.);
        let key = key(Representation::Gradient);
        let index = Index::new(key.clone(), &samples, embedded, &|_, _| {}).unwrap();
        database.insert(&name, &index).unwrap();
        // A service that was slower gets the same index.
        database.insert(&name, &index).unwrap();
        key
    });
    let present = inserted.map(|key| database.open(&key).unwrap().is_some());
    assert_eq!(present, [false, true, true]);
}

/// Returns a service with a corpus of four reviews in this store.
async fn serving(folder: &Path, store: &str) -> Running {
    let path = folder.join("reviews.tsv");
    fs::write(&path, "so good\t1\nso dull\t0\ngreat fun\t1\nawful\t0\n").unwrap();
    let entry = CorpusEntry {
        // Other runs of this test have other indexes.
        id: format!("reviews-{}", std::process::id()),
        path,
        model: "sentiment-en".to_owned(),
        layer: -1,
        pooling: StatePooling::First,
        store: Some(store.parse().unwrap()),
    };
    let config = Config { corpora: vec![entry], ..untimed() };
    let service = start_with(&config).await;
    app::serve_corpora(&service.service.explainer, &[], &config.corpora);
    service
}

async fn result(service: &Running, body: &Value) -> Value {
    let reply = service.post("/examples", body).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()["results"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_searches_in_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let body = json!({"inputs": "great fun", "k": 10});
    let local = serving(folder.path(), folder.path().to_str().unwrap()).await;
    let expected = result(&local, &body).await;
    // The name tells its connections from those of other tests.
    let separator = if url().contains('?') { '&' } else { '?' };
    let named = format!("{}{separator}application_name=lost", url());
    let service = serving(folder.path(), &named).await;
    assert_eq!(result(&service, &body).await, expected);
    let explained = json!({"inputs": "great fun", "evidence": {"examples": {"k": 10}}});
    let explained = service.explain(explained).await;
    let found = &explained["results"][0]["evidence"]["examples"];
    assert_eq!(found["neighbours"], expected["neighbours"]);
    let files = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 2, "the corpus, and the index of the local store only");
    // Lost connections and a lost index are errors that pass.
    for sql in [
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lost'",
        "DELETE FROM explaind_index WHERE name LIKE 'reviews-%'",
    ] {
        execute(sql).await;
        let answers = async || {
            let reply = service.post("/examples", &body).await;
            if reply.status != 200 {
                reply.problem(503, "not_ready");
                return false;
            }
            assert_eq!(reply.json()["results"][0], expected);
            true
        };
        wait_until_async(answers).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_reached_fails_only_its_corpus() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing listens on port 1.
    let service = serving(folder.path(), "postgres://me:hunter2@127.0.0.1:1/corpora").await;
    let body = json!({"inputs": "great fun"});
    let problem = service.post("/examples", &body).await.problem(503, "not_ready");
    assert!(!problem.to_string().contains("hunter2"), "{problem}");
    let listed = service.get_as_admin("/corpora").await.json();
    let reason = listed["corpora"][0]["indexes"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("postgres://127.0.0.1:1/corpora: "), "{reason}");
    assert!(!listed.to_string().contains("hunter2"), "{listed}");
    let built_in = json!({"inputs": "great fun", "corpus": "sentiment-en"});
    assert_eq!(result(&service, &built_in).await["corpus"]["id"], "sentiment-en");
    service.explain(body).await;
}
