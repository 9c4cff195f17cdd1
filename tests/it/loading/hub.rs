//! Models of the Hugging Face Hub, with a mock server.

mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use explaind::checkpoint::hub::{Access, Settings};
use explaind::checkpoint::{Cancellation, Checkpoint, LoadError, Weights};
use serde_json::Value;
use server::{COMMIT, Hub, Trouble};
use tempfile::TempDir;

use crate::support::{golden_folder, wait_until_blocking};

const MODULES: &str = r#"[
    {"type": "sentence_transformers.models.Transformer", "path": ""},
    {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}
]"#;

/// Files with a further module that has weights.
const WITH_DENSE: [(&str, &str); 4] = [
    (
        "modules.json",
        r#"[
    {"type": "sentence_transformers.models.Transformer", "path": ""},
    {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
    {"type": "sentence_transformers.models.Dense", "path": "2_Dense"}
]"#,
    ),
    ("2_Dense/config.json", "{\"in_features\": 24, \"out_features\": 2}"),
    ("2_Dense/model.safetensors", "opened, not read"),
    ("2_Dense/pytorch_model.bin", "not fetched"),
];

/// A hub with the tiny model, and an empty cache.
struct Setting {
    hub: Hub,
    home: TempDir,
}

impl Setting {
    fn new() -> Self {
        Self::with(&[])
    }

    /// Adds or replaces files.
    fn with(others: &[(&str, &str)]) -> Self {
        let files = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
        let read = |name: &str| fs::read(golden_folder("bert-tiny").join(name)).unwrap();
        let mut files: Vec<(String, Vec<u8>)> =
            files.map(|name| (name.to_owned(), read(name))).into();
        let more = [
            ("modules.json", MODULES),
            ("1_Pooling/config.json", "{\"pooling_mode_mean_tokens\": true}"),
            ("README.md", "# A model"),
            ("pytorch_model.bin", "not fetched"),
            ("vocab.txt", "not fetched"),
            ("onnx/model.onnx", "not fetched"),
        ];
        files.extend(more.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())));
        files.retain(|(name, _)| !others.iter().any(|(other, _)| other == name));
        files.extend(
            others.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())),
        );
        Self { hub: Hub::start(files), home: tempfile::tempdir().unwrap() }
    }

    fn settings(&self) -> Settings {
        Settings {
            cache: self.home.path().join("hub"),
            endpoint: self.hub.url(),
            token: None,
            access: Access::Online,
        }
    }

    fn offline(&self) -> Settings {
        Settings { access: Access::Offline, ..self.settings() }
    }

    fn model(&self) -> PathBuf {
        self.home.path().join("hub/models--owner--tiny")
    }
}

/// Reads everything that a model needs, and returns the revision.
fn read(name: &str, settings: &Settings) -> Result<String, LoadError> {
    let checkpoint =
        Checkpoint::read_hub(&name.parse().unwrap(), settings, &Cancellation::default())?;
    Weights::read(&checkpoint)?;
    checkpoint.revision()
}

fn rejected(name: &str, settings: &Settings, words: &[&str]) {
    let error = read(name, settings).expect_err("loading must fail").to_string();
    for word in words.iter().chain(&[format!("hf:{name}").as_str()]) {
        assert!(error.contains(word), "{word:?} in {error:?}");
    }
}

const NAME: &str = "owner/tiny";

#[test]
fn needed_files_are_downloaded_once_into_a_huggingface_hub_cache() {
    let setting = Setting::new();
    let revision = read(NAME, &setting.settings()).unwrap();
    let requests = setting.hub.requests();
    for name in ["pytorch_model.bin", "README.md", "vocab.txt", "onnx"] {
        assert!(!requests.iter().any(|line| line.contains(name)), "{name} in {requests:#?}");
    }
    // The layout of Python's huggingface_hub: relative symbolic links.
    let snapshot = setting.model().join("snapshots").join(COMMIT);
    let target = fs::read_link(snapshot.join("config.json")).unwrap();
    assert!(target.starts_with("../../blobs"), "{target:?}");
    let target = fs::read_link(snapshot.join("1_Pooling/config.json")).unwrap();
    assert!(target.starts_with("../../../blobs"), "{target:?}");
    assert_eq!(fs::read_to_string(setting.model().join("refs/main")).unwrap(), COMMIT);
    let blobs = fs::read_dir(setting.model().join("blobs")).unwrap();
    let blobs: Vec<_> = blobs.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(blobs.len(), 6, "{blobs:?}");
    // A second load requests only the revision.
    setting.hub.clear_requests();
    assert_eq!(read(NAME, &setting.settings()).unwrap(), revision);
    let requests = setting.hub.requests();
    assert_eq!(requests.len(), 1, "{requests:#?}");
    assert!(requests[0].contains("/api/models/owner/tiny/revision/main"), "{requests:#?}");
    // A snapshot folder loads like any directory.
    let source = explaind::checkpoint::Source::Directory(snapshot);
    assert_eq!(
        Checkpoint::read(&source, &Cancellation::default()).unwrap().revision().unwrap(),
        revision
    );
}

#[test]
fn files_of_a_sentence_encoder_are_downloaded() {
    let setting = Setting::with(&WITH_DENSE);
    let checkpoint =
        Checkpoint::read_hub(&NAME.parse().unwrap(), &setting.settings(), &Cancellation::default())
            .unwrap();
    let pooling = checkpoint.file("1_Pooling/config.json").unwrap();
    assert!(pooling.starts_with(b"{\"pooling_mode_mean_tokens\""));
    assert_eq!(checkpoint.file("modules.json"), Some(WITH_DENSE[0].1.as_bytes()));
    assert!(checkpoint.file("2_Dense/config.json").is_some());
    Weights::read(&checkpoint).unwrap();
    let requests = setting.hub.requests();
    let has = |name: &str| requests.iter().any(|line| line.contains(name));
    assert!(has("2_Dense/model.safetensors") && !has("2_Dense/pytorch"), "{requests:#?}");
}

#[test]
fn weights_are_downloaded_only_when_they_are_read() {
    let setting = Setting::new();
    Checkpoint::read_hub(&NAME.parse().unwrap(), &setting.settings(), &Cancellation::default())
        .unwrap();
    assert!(!setting.hub.requests().iter().any(|line| line.contains("safetensors")));
}

#[test]
fn the_token_is_sent_only_to_the_hub() {
    let setting = Setting::new();
    let token = Some("hf_secret".parse().unwrap());
    read(NAME, &Settings { token, ..setting.settings() }).unwrap();
    let requests = setting.hub.requests();
    let (storage, hub): (Vec<_>, Vec<_>) =
        requests.iter().partition(|line| line.contains("/storage/"));
    assert!(!storage.is_empty() && storage.iter().all(|line| !line.contains("hf_secret")));
    assert!(!hub.is_empty() && hub.iter().all(|line| line.contains("Bearer hf_secret")));
}

#[test]
fn cancelling_a_load_stops_its_download() {
    let setting = Setting::new();
    setting.hub.set_trouble(Trouble::Drip);
    let (settings, cancellation) = (setting.settings(), Cancellation::default());
    let reading = std::thread::spawn({
        let cancellation = cancellation.clone();
        move || {
            let name = NAME.parse().unwrap();
            let checkpoint = Checkpoint::read_hub(&name, &settings, &cancellation)?;
            Weights::read(&checkpoint).map(|_| ())
        }
    });
    wait_until_blocking(|| setting.hub.requests().iter().any(|line| line.contains("/storage/")));
    cancellation.cancel();
    let error = reading.join().unwrap().unwrap_err().to_string();
    assert!(error.contains("cancelled"), "{error}");
}

#[test]
fn the_cache_is_used_offline() {
    let setting = Setting::new();
    rejected(NAME, &setting.offline(), &["HF_HUB_OFFLINE", "main", "models--owner--tiny"]);
    let revision = read(NAME, &setting.settings()).unwrap();
    setting.hub.clear_requests();
    assert_eq!(read(NAME, &setting.offline()).unwrap(), revision);
    assert!(setting.hub.requests().is_empty());
    // No server listens at this address.
    let gone = Settings { endpoint: "http://127.0.0.1:9".to_owned(), ..setting.settings() };
    assert_eq!(read(NAME, &gone).unwrap(), revision);
    rejected("owner/other", &gone, &["http://127.0.0.1:9", "cannot be reached", "directory"]);
    // The error for a missing file mentions offline mode.
    fs::remove_file(setting.model().join("snapshots").join(COMMIT).join("model.safetensors"))
        .unwrap();
    rejected(NAME, &setting.offline(), &["model.safetensors", "HF_HUB_OFFLINE"]);
}

#[test]
fn a_revision_is_a_branch_tag_or_commit() {
    let setting = Setting::new();
    for revision in ["v1", "refs/pr/1", COMMIT] {
        let name = format!("{NAME}@{revision}");
        let online = read(&name, &setting.settings()).unwrap();
        assert_eq!(read(&name, &setting.offline()).unwrap(), online);
    }
    assert_eq!(fs::read_to_string(setting.model().join("refs/refs/pr/1")).unwrap(), COMMIT);
    rejected(&format!("{NAME}@v2"), &setting.settings(), &["no revision \"v2\""]);
    rejected(&format!("{NAME}@v2"), &setting.offline(), &["HF_HUB_OFFLINE", "v2"]);
}

#[test]
fn errors_say_what_to_do() {
    let setting = Setting::new();
    rejected("owner/nothing", &setting.settings(), &["no such model", "private", "HF_TOKEN"]);
    setting.hub.set_trouble(Trouble::Gated);
    rejected(NAME, &setting.settings(), &["modules.json", "gated", "accept its terms", "HF_TOKEN"]);
    let token = Some("hf_other".parse().unwrap());
    let settings = Settings { token, ..setting.settings() };
    rejected(NAME, &settings, &["gated", "the token's owner"]);
    let odd = Settings { endpoint: "nowhere".to_owned(), ..setting.settings() };
    rejected(NAME, &odd, &["HF_ENDPOINT", "nowhere"]);
}

#[test]
fn failed_requests_are_retried() {
    let setting = Setting::new();
    setting.hub.set_trouble(Trouble::Busy(2));
    read(NAME, &setting.settings()).unwrap();
    setting.hub.set_trouble(Trouble::Busy(99));
    rejected("owner/nothing", &setting.settings(), &["cannot be reached", "503"]);
    // The cached model is used instead.
    read(NAME, &setting.settings()).unwrap();
}

fn ranges(hub: &Hub) -> Vec<String> {
    hub.requests().into_iter().filter(|line| line.contains("bytes=")).collect()
}

#[test]
fn an_interrupted_download_is_resumed() {
    let setting = Setting::new();
    setting.hub.set_trouble(Trouble::Cut { at: 20_000, times: 1 });
    read(NAME, &setting.settings()).unwrap();
    assert_eq!(ranges(&setting.hub).len(), 1);
    assert!(ranges(&setting.hub)[0].contains("bytes=20000-"));
}

#[test]
fn a_failed_download_is_resumed_by_the_next_load() {
    let setting = Setting::new();
    setting.hub.set_trouble(Trouble::Cut { at: 10_000, times: 99 });
    rejected(NAME, &setting.settings(), &["model.safetensors", "broke off", "again"]);
    assert!(!setting.model().join("snapshots").join(COMMIT).join("model.safetensors").exists());
    setting.hub.set_trouble(Trouble::None);
    setting.hub.clear_requests();
    read(NAME, &setting.settings()).unwrap();
    assert_eq!(ranges(&setting.hub).len(), 1, "{:#?}", setting.hub.requests());
}

#[test]
fn a_download_without_range_support_is_restarted() {
    let setting = Setting::new();
    setting.hub.set_trouble(Trouble::CutWithoutRanges { at: 30_000 });
    read(NAME, &setting.settings()).unwrap();
    assert_eq!(ranges(&setting.hub).len(), 1);
}

#[test]
fn size_and_digest_of_downloads_are_verified() {
    for (trouble, word) in [
        (Trouble::Shorter, "ended after"),
        (Trouble::Longer, "bytes instead of"),
        (Trouble::Different, "does not match the hub's digest"),
    ] {
        let setting = Setting::new();
        setting.hub.set_trouble(trouble);
        rejected(NAME, &setting.settings(), &["model.safetensors", word]);
        setting.hub.set_trouble(Trouble::None);
        read(NAME, &setting.settings()).unwrap();
    }
}

#[test]
fn malicious_metadata_and_redirect_loops_are_rejected() {
    let setting = Setting::new();
    setting.hub.set_trouble(Trouble::EvilTag);
    rejected(NAME, &setting.settings(), &["modules.json", "etag"]);
    setting.hub.set_trouble(Trouble::EvilCommit);
    rejected(NAME, &setting.settings(), &["the commit \"../../x\""]);
    setting.hub.set_trouble(Trouble::Circle);
    rejected(NAME, &setting.settings(), &["modules.json", "times"]);
}

#[test]
fn shards_are_downloaded_by_their_index() {
    let setting = Setting::new();
    let shard = "model-00001-of-00001.safetensors";
    setting.hub.rename("model.safetensors", shard);
    let index = format!("{{\"weight_map\": {{\"classifier.bias\": \"{shard}\"}}}}");
    setting.hub.add("model.safetensors.index.json", index.as_bytes());
    read(NAME, &setting.settings()).unwrap();
    let fetched = |name: &str| setting.model().join("snapshots").join(COMMIT).join(name).exists();
    assert!(fetched(shard) && fetched("model.safetensors.index.json"));
    assert!(!fetched("pytorch_model.bin"));
}

/// Returns a command of the binary with settings from the environment.
fn explaind(setting: &Setting) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_explaind"));
    let variables = ["HF_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE", "HF_TOKEN_PATH"];
    for name in variables {
        command.env_remove(name);
    }
    command.env("HF_HOME", setting.home.path()).env("HF_ENDPOINT", setting.hub.url());
    command.current_dir(std::env::temp_dir());
    command
}

#[test]
fn the_binary_explains_with_a_hub_model() {
    let setting = Setting::new();
    let explain = |variables: &[(&str, &str)]| {
        let mut command = explaind(&setting);
        // The model is a sentence encoder and needs two texts.
        let pair = ["--pair", "good", "great"];
        command.args(["explain", "--json", "--model", "hf:owner/tiny"]).args(pair);
        command.envs(variables.iter().copied()).output().unwrap()
    };
    let output = explain(&[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["model"]["id"], "tiny");
    // Progress is logged as lines if stderr is not a terminal.
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("downloading") && log.contains("model.safetensors"), "{log}");
    assert!(!log.contains('\r'), "{log}");
    setting.hub.clear_requests();
    assert!(explain(&[("HF_HUB_OFFLINE", "1")]).status.success());
    assert!(setting.hub.requests().is_empty());
}

#[test]
fn the_service_stops_on_sigterm_during_a_download() {
    let setting = Setting::new();
    setting.hub.set_trouble(Trouble::Stall);
    let mut child = explaind(&setting)
        .args(["--listen", "127.0.0.1:0", "--model", "hf:owner/tiny"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stalled = || setting.hub.requests().iter().any(|line| line.contains("/storage/"));
    wait_until_blocking(stalled);
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    child.wait().unwrap();
}

/// A cache filled by another program such as `hf download`, with copies instead of links.
#[test]
fn a_cache_without_links_is_read() {
    let setting = Setting::new();
    let snapshot = setting.model().join("snapshots").join(COMMIT);
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(setting.model().join("refs")).unwrap();
    fs::write(setting.model().join("refs/main"), format!("{COMMIT}\n")).unwrap();
    let copy =
        |name: &str, to: &Path| fs::copy(golden_folder("bert-tiny").join(name), to.join(name));
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        copy(name, &snapshot).unwrap();
    }
    read(NAME, &setting.offline()).unwrap();
    // A reference that points outside of the cache is ignored.
    fs::write(setting.model().join("refs/main"), "../../../..").unwrap();
    rejected(NAME, &setting.offline(), &["HF_HUB_OFFLINE"]);
}
