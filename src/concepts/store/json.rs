//! The file of a concept, in JSON. Numbers that answers depend on are strings, which are read to the
//! last bit.

use serde_json::{Value, json};

use crate::choice::Choice;
use crate::explanation::{
    Axis, Concept, ConceptLayer, Named, ScalarName, Separation, SpanBoundary, Tcav,
};

/// Version of the format.
const VERSION: u64 = 1;

pub fn text(concept: &Concept) -> String {
    let Concept { name, model, revision, target, texts, layers, layer } = concept;
    let file = json!({
        "version": VERSION,
        "name": name,
        "model": model,
        "revision": revision,
        "target": target.as_ref().map(target_json),
        "texts": texts,
        "layers": layers.iter().map(layer_json).collect::<Vec<Value>>(),
        "layer": layer,
    });
    format!("{file:#}\n")
}

fn numbers(values: &[f64]) -> String {
    let texts: Vec<String> = values.iter().map(f64::to_string).collect();
    texts.join(" ")
}

fn layer_json(layer: &ConceptLayer) -> Value {
    let separation = |Separation { hits, count, auc }: &Separation| json!({"hits": hits, "count": count, "auc": auc});
    let Tcav { score, sensitivity, p_value } = &layer.tcav;
    json!({
        "axis": layer.axis.as_ref().map(axis_json),
        "mean_difference": separation(&layer.mean_difference),
        "logistic": separation(&layer.logistic),
        "tcav": {"score": score, "sensitivity": sensitivity, "p_value": p_value},
    })
}

fn axis_json(Axis { direction, middle, half }: &Axis) -> Value {
    let direction = numbers(direction);
    json!({"direction": direction, "middle": middle.to_string(), "half": half.to_string()})
}

fn target_json(target: &ScalarName) -> Value {
    let class = |Named { index, label }: &Named| json!({"index": index, "label": &**label});
    match target {
        ScalarName::Class(named) => class(named),
        ScalarName::Contrast(a, b) => json!({"contrast": [class(a), class(b)]}),
        ScalarName::SpanBoundary(boundary) => json!({"position": boundary.name()}),
        ScalarName::Cosine(segment) => json!({"cosine": segment}),
    }
}

/// Reads what [`text`] writes.
pub fn parse(text: &str) -> Result<Concept, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if file["version"] != VERSION {
        return Err(format!("has another version than {VERSION}"));
    }
    concept(&file).ok_or_else(|| "has missing or wrong fields".to_owned())
}

fn concept(file: &Value) -> Option<Concept> {
    let string = |name: &str| file[name].as_str().map(str::to_owned);
    let layers: Option<Vec<ConceptLayer>> = file["layers"].as_array()?.iter().map(layer).collect();
    let layers = layers?;
    let layer = index(&file["layer"])?;
    layers.get(layer.checked_sub(1)?)?.axis.as_ref()?;
    let target = match &file["target"] {
        Value::Null => None,
        target => Some(scalar_name(target)?),
    };
    let texts = [index(&file["texts"][0])?, index(&file["texts"][1])?];
    let (name, model) = (string("name")?, string("model")?);
    Some(Concept { name, model, revision: string("revision")?, target, texts, layers, layer })
}

fn axis(value: &Value) -> Option<Axis> {
    let number = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
    let direction: Option<Vec<f64>> = value["direction"].as_str()?.split(' ').map(number).collect();
    Some(Axis {
        direction: direction?,
        middle: number(value["middle"].as_str()?)?,
        half: number(value["half"].as_str()?).filter(|half| *half > 0.)?,
    })
}

fn index(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

fn layer(value: &Value) -> Option<ConceptLayer> {
    let separation = |value: &Value| {
        let (hits, count) = (index(&value["hits"])?, index(&value["count"])?);
        Some(Separation { hits, count, auc: value["auc"].as_f64()? })
    };
    let tcav = &value["tcav"];
    let axis = match &value["axis"] {
        Value::Null => None,
        value => Some(axis(value)?),
    };
    Some(ConceptLayer {
        axis,
        mean_difference: separation(&value["mean_difference"])?,
        logistic: separation(&value["logistic"])?,
        tcav: Tcav {
            score: tcav["score"].as_f64()?,
            sensitivity: tcav["sensitivity"].as_f64()?,
            p_value: tcav["p_value"].as_f64()?,
        },
    })
}

fn scalar_name(value: &Value) -> Option<ScalarName> {
    let class = |value: &Value| {
        Some(Named { index: index(&value["index"])?, label: value["label"].as_str()?.into() })
    };
    if let Some([a, b]) = value["contrast"].as_array().map(Vec::as_slice) {
        return Some(ScalarName::Contrast(class(a)?, class(b)?));
    }
    if let Some(position) = value["position"].as_str() {
        return SpanBoundary::named(position).map(ScalarName::SpanBoundary);
    }
    match index(&value["cosine"]) {
        Some(segment) => Some(ScalarName::Cosine(segment)),
        None => class(value).map(ScalarName::Class),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_to_the_last_bit() {
        let named = |index: usize| Named { index, label: format!("L{index}").into() };
        let layer = ConceptLayer {
            axis: None,
            mean_difference: Separation { hits: 9, count: 10, auc: 0.9375 },
            logistic: Separation { hits: 10, count: 10, auc: 1. },
            tcav: Tcav { score: 0.75, sensitivity: -0.5, p_value: 0.03125 },
        };
        let axis = Axis {
            direction: vec![0.1, -1e-300, 1. / 3.],
            middle: -2. / 3.,
            half: f64::MIN_POSITIVE,
        };
        let targets = [
            None,
            Some(ScalarName::Class(named(3))),
            Some(ScalarName::Contrast(named(0), named(1))),
            Some(ScalarName::SpanBoundary(SpanBoundary::ALL[1])),
            Some(ScalarName::Cosine(0)),
        ];
        for target in targets {
            let concept = Concept {
                name: "politeness".to_owned(),
                model: "m".to_owned(),
                revision: "sha256:aa".to_owned(),
                target,
                texts: [5, 5],
                layers: vec![
                    layer.clone(),
                    ConceptLayer { axis: Some(axis.clone()), ..layer.clone() },
                ],
                layer: 2,
            };
            assert_eq!(parse(&text(&concept)).unwrap(), concept);
        }
    }

    #[test]
    fn damaged_files_are_refused() {
        for text in ["", "{", "[]", "{\"version\": 2}", "{\"version\": 1, \"name\": \"a\"}"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
