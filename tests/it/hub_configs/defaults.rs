//! Fields that are missing, null or in another notation.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use explaind::checkpoint::Source;
use explaind::model::{Model, Placement};
use explaind::rows::Row;
use explaind::text::tokenizer::Truncate;
use serde_json::{Value, json};

use super::{check_explained, edit_tensors, explain, folder_with, read, tiny_config};
use crate::support::input;

/// DeBERTa's pos_att_type as a string instead of a list.
#[tokio::test]
async fn pos_att_type_may_be_a_string() {
    let tiny = "deberta-v3-nli";
    let config = |terms: Value| {
        let mut config = tiny_config(tiny);
        config["pos_att_type"] = terms;
        folder_with(tiny, &config)
    };
    let (_, list) = explain(tiny, config(json!(["p2c", "c2p"])).path()).await;
    let (_, text) = explain(tiny, config(json!("p2c|c2p")).path()).await;
    assert_eq!(list.predicted, text.predicted);
}

/// Extends the tiny checkpoint to `count` layers with copies of the second one.
fn deepen(tensors: &mut HashMap<String, Tensor>, count: usize) {
    for layers in [".layer.", ".layers."] {
        let second = format!("{layers}1.");
        let copied: Vec<_> = tensors
            .iter()
            .filter(|(name, _)| name.contains(&second))
            .flat_map(|(name, tensor)| {
                let name = |layer| name.replace(&second, &format!("{layers}{layer}."));
                (2..count).map(move |layer| (name(layer), tensor.clone())).collect::<Vec<_>>()
            })
            .collect();
        tensors.extend(copied);
    }
}

/// Returns the logits for a few tokens, or the loading error.
fn outcome(folder: &Path, config: &Value) -> Result<Vec<f64>, String> {
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let placement = Placement::reference().unwrap();
    let source = Source::Directory(folder.to_owned());
    let model = Model::load("changed", &source, &placement).map_err(|error| error.to_string())?;
    let encoding = model.encode(&input("a b c d e", None), Truncate::No);
    let row = Row::forward(encoding.map_err(|error| error.to_string())?.ids, [].into());
    Ok(model.run(&[row]).map_err(|error| error.to_string())?.remove(0).logits)
}

/// A missing or null field has transformers' default: logits or errors are the same as with the
/// default written out. tests/data/transformers-defaults.json has the defaults of transformers'
/// configuration classes.
#[test]
fn missing_fields_have_transformers_defaults() {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/transformers-defaults.json");
    for (model_type, defaults) in read(&path).as_object().unwrap() {
        let tiny = match model_type.as_str() {
            "bert" => "bert-tiny".to_owned(),
            "deberta-v2" => "deberta-c2p-sequence".to_owned(),
            "modernbert" => "modernbert-mean-sequence".to_owned(),
            other => format!("{other}-sequence"),
        };
        let config = tiny_config(&tiny);
        let folder = folder_with(&tiny, &config);
        edit_tensors(folder.path(), |tensors| deepen(tensors, 24));
        for (field, default) in defaults.as_object().unwrap() {
            let with = |value: Option<&Value>| {
                let mut changed = config.clone();
                changed.as_object_mut().unwrap().remove(field);
                changed.as_object_mut().unwrap().extend(value.map(|v| (field.clone(), v.clone())));
                outcome(folder.path(), &changed)
            };
            let written = with(Some(default));
            assert_eq!(with(None), written, "{model_type}: {field} missing");
            // transformers 4 wrote null for "as in the global layers".
            if field != "local_rope_theta" {
                assert_eq!(with(Some(&Value::Null)), written, "{model_type}: {field} null");
            }
        }
    }
}

/// The default is twelve layers.
#[tokio::test]
async fn the_number_of_layers_is_optional() {
    for tiny in ["bert-tiny", "albert-sequence"] {
        let mut config = tiny_config(tiny);
        config.as_object_mut().unwrap().remove("num_hidden_layers");
        let folder = folder_with(tiny, &config);
        edit_tensors(folder.path(), |tensors| deepen(tensors, 12));
        let (model, explained) = explain(tiny, folder.path()).await;
        assert_eq!(model.layers(), 12);
        check_explained(tiny, &explained);
    }
}
