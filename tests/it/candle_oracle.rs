//! candle-transformers' own BERT as a second judge of the forward pass: other
//! code than this crate's and than transformers'. Its fused layer norm knows no
//! f64, so f32 is compared.

use candle_core::{DType, Device, Tensor};
use candle_nn::{Linear, Module, VarBuilder, linear};
use candle_transformers::models::bert::{BertModel, Config};
use explaind::checkpoint::Source;
use explaind::model::Placement;
use explaind::rows::Row;

use crate::support::{golden_folder, input, load, relative_error};

struct Oracle {
    bert: BertModel,
    pooler: Linear,
    classifier: Linear,
}

impl Oracle {
    fn load(folder: &std::path::Path) -> Self {
        let weights = std::fs::read(folder.join("model.safetensors")).unwrap();
        let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu);
        let weights = weights.unwrap();
        let config = std::fs::read(folder.join("config.json")).unwrap();
        let config: Config = serde_json::from_slice(&config).unwrap();
        let hidden = config.hidden_size;
        Self {
            bert: BertModel::load(weights.clone(), &config).unwrap(),
            pooler: linear(hidden, hidden, weights.pp("bert.pooler.dense")).unwrap(),
            classifier: linear(hidden, 3, weights.pp("classifier")).unwrap(),
        }
    }

    fn logits(&self, ids: &[u32], types: &[u32]) -> Vec<f64> {
        let row = |ids: &[u32]| Tensor::new(ids, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        let hidden = self.bert.forward(&row(ids), &row(types), None).unwrap();
        let first = hidden.narrow(1, 0, 1).unwrap().squeeze(1).unwrap();
        let pooled = self.pooler.forward(&first).unwrap().tanh().unwrap();
        let logits = self.classifier.forward(&pooled).unwrap();
        logits.squeeze(0).unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
    }
}

#[test]
fn logits_equal_candle_transformers() {
    let folder = golden_folder("bert-tiny");
    let oracle = Oracle::load(&folder);
    let placement = Placement::default();
    let model = load(Source::Directory(folder), &placement);
    let texts = ["This movie is really great.", "no", "这部电影真的很棒", "a b c d e f g, h!"];
    let rows: Vec<Row> = texts
        .iter()
        .map(|text| input(text, Some("it is not good")))
        .map(|input| {
            let truncate = explaind::text::tokenizer::Truncate::No;
            Row::forward(model.encode(&input, truncate).unwrap().ids, [].into())
        })
        .collect();
    // Rows of four lengths in one pass here, one at a time there.
    for (row, output) in rows.iter().zip(model.run(&rows).unwrap()) {
        let theirs = oracle.logits(&row.tokens.input_ids, &row.tokens.token_type_ids);
        assert!(relative_error(&output.logits, &theirs) < 1e-5);
    }
}
