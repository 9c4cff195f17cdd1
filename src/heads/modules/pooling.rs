//! The Pooling module's config.json: by name since version 5.4, by flags before.

use serde_json::{Map, Value};

use crate::blocks::{Pool, Way};

/// In the order that the library puts them side by side.
const WAYS: [(&str, &str, Way); 6] = [
    ("cls", "pooling_mode_cls_token", Way::First),
    ("max", "pooling_mode_max_tokens", Way::Max),
    ("mean", "pooling_mode_mean_tokens", Way::Mean),
    ("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", Way::MeanSqrt),
    ("weightedmean", "pooling_mode_weightedmean_tokens", Way::WeightedMean),
    ("lasttoken", "pooling_mode_lasttoken", Way::Last),
];

/// More are a mistake: each makes the embedding longer.
const MOST: usize = 16;

/// `prompt` tokens at the beginning count unless it says otherwise.
pub fn read(config: &Map<String, Value>, prompt: usize) -> Result<Pool, String> {
    let ways = match config.get("pooling_mode") {
        Some(Value::String(name)) => vec![named(name)?],
        Some(Value::Array(names)) => {
            let name = |name: &Value| named(name.as_str().unwrap_or_default());
            names.iter().take(MOST + 1).map(name).collect::<Result<_, _>>()?
        }
        Some(other) => return Err(format!("pooling_mode is {other}, no name nor a list of some")),
        None => flagged(config)?,
    };
    if !(1..=MOST).contains(&ways.len()) {
        return Err(format!("pools in {} ways; it must be from 1 to {MOST}", ways.len()));
    }
    let skip = match config.get("include_prompt").and_then(Value::as_bool) {
        Some(false) => prompt,
        Some(true) | None => 0,
    };
    Ok(Pool { ways, skip })
}

fn named(name: &str) -> Result<Way, String> {
    let found = WAYS.iter().find(|(known, ..)| *known == name);
    found.map(|(.., way)| *way).ok_or_else(|| {
        let known = WAYS.map(|(known, ..)| known).join(", ");
        format!("pooling_mode {name:?} is not known; explaind pools by {known}")
    })
}

fn flagged(config: &Map<String, Value>) -> Result<Vec<Way>, String> {
    let set = |name: &str| config.get(name) == Some(&Value::Bool(true));
    let known = |name: &str| WAYS.iter().any(|(_, flag, _)| *flag == name);
    let flags = config.keys().filter(|name| name.starts_with("pooling_mode_") && set(name));
    if let Some(other) = flags.into_iter().find(|name| !known(name)) {
        return Err(format!("{other} is not known"));
    }
    let ways: Vec<Way> = WAYS.iter().filter(|(_, flag, _)| set(flag)).map(|w| w.2).collect();
    Ok(if ways.is_empty() { vec![Way::Mean] } else { ways })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pool(config: Value) -> Result<Pool, String> {
        read(&serde_json::from_value(config).unwrap(), 3)
    }

    fn ways(config: Value) -> Vec<Way> {
        pool(config).unwrap().ways
    }

    #[test]
    fn both_spellings_mean_the_same() {
        for (name, flag, way) in WAYS {
            assert_eq!(ways(json!({"pooling_mode": name})), [way]);
            assert_eq!(ways(json!({flag: true, "pooling_mode_other": false})), [way]);
        }
        let listed = json!({"pooling_mode": ["mean", "cls"]});
        assert_eq!(ways(listed), [Way::Mean, Way::First], "a list keeps its order");
        let flags = json!({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true});
        assert_eq!(ways(flags), [Way::First, Way::Mean], "flags have the library's");
        assert_eq!(ways(json!({"pooling_mode_mean_tokens": false})), [Way::Mean]);
        assert_eq!(ways(json!({})), [Way::Mean]);
    }

    #[test]
    fn a_prompt_is_left_out_where_it_says_so() {
        assert_eq!(pool(json!({"include_prompt": false})).unwrap().skip, 3);
        assert_eq!(pool(json!({"include_prompt": true})).unwrap().skip, 0);
        assert_eq!(pool(json!({})).unwrap().skip, 0);
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (config, word) in [
            (json!({"pooling_mode": "median"}), "median"),
            (json!({"pooling_mode": 3}), "3"),
            (json!({"pooling_mode": []}), "0 ways"),
            (json!({"pooling_mode": vec!["cls"; 17]}), "17 ways"),
            (json!({"pooling_mode_median_tokens": true}), "median"),
        ] {
            let error = pool(config).unwrap_err();
            assert!(error.contains(word), "{word}: {error}");
        }
    }
}
