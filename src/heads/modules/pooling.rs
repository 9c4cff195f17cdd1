//! The Pooling module's config.json: mode names since version 5.4, flags before.

use serde_json::{Map, Value};

use crate::blocks::{Pool, PoolingMode};

/// Names, flags and modes, in the order in which the library concatenates them.
const MODES: [(&str, &str, PoolingMode); 6] = [
    ("cls", "pooling_mode_cls_token", PoolingMode::First),
    ("max", "pooling_mode_max_tokens", PoolingMode::Max),
    ("mean", "pooling_mode_mean_tokens", PoolingMode::Mean),
    ("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", PoolingMode::MeanSqrt),
    ("weightedmean", "pooling_mode_weightedmean_tokens", PoolingMode::WeightedMean),
    ("lasttoken", "pooling_mode_lasttoken", PoolingMode::Last),
];

/// The maximum number of modes. Each makes the embedding longer, so more are a mistake.
const MAX_MODES: usize = 16;

/// Reads the pooling. The first `prompt` tokens are skipped only if `include_prompt` is false.
pub fn read(config: &Map<String, Value>, prompt: usize) -> Result<Pool, String> {
    let modes = match config.get("pooling_mode") {
        Some(Value::String(name)) => vec![named(name)?],
        Some(Value::Array(names)) => {
            let name = |name: &Value| named(name.as_str().unwrap_or_default());
            names.iter().take(MAX_MODES + 1).map(name).collect::<Result<_, _>>()?
        }
        Some(other) => return Err(format!("pooling_mode is {other}, not a name or a list")),
        None => flagged(config)?,
    };
    if !(1..=MAX_MODES).contains(&modes.len()) {
        return Err(format!("pooling_mode has {} modes, not 1 to {MAX_MODES}", modes.len()));
    }
    let skip = match config.get("include_prompt").and_then(Value::as_bool) {
        Some(false) => prompt,
        Some(true) | None => 0,
    };
    Ok(Pool { modes, skip })
}

fn named(name: &str) -> Result<PoolingMode, String> {
    let entry = MODES.iter().find(|(known, ..)| *known == name);
    entry.map(|(.., mode)| *mode).ok_or_else(|| {
        let known = MODES.map(|(known, ..)| known).join(", ");
        format!("pooling_mode {name:?} is not known; explaind pools by {known}")
    })
}

fn flagged(config: &Map<String, Value>) -> Result<Vec<PoolingMode>, String> {
    let set = |name: &str| config.get(name) == Some(&Value::Bool(true));
    let known = |name: &str| MODES.iter().any(|(_, flag, _)| *flag == name);
    let flags = config.keys().filter(|name| name.starts_with("pooling_mode_") && set(name));
    if let Some(other) = flags.into_iter().find(|name| !known(name)) {
        return Err(format!("{other} is not known"));
    }
    let modes: Vec<PoolingMode> =
        MODES.iter().filter(|(_, flag, _)| set(flag)).map(|(.., mode)| *mode).collect();
    Ok(if modes.is_empty() { vec![PoolingMode::Mean] } else { modes })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pool(config: Value) -> Result<Pool, String> {
        read(&serde_json::from_value(config).unwrap(), 3)
    }

    fn modes(config: Value) -> Vec<PoolingMode> {
        pool(config).unwrap().modes
    }

    #[test]
    fn names_and_flags_are_equivalent() {
        for (name, flag, mode) in MODES {
            assert_eq!(modes(json!({"pooling_mode": name})), [mode]);
            assert_eq!(modes(json!({flag: true, "pooling_mode_other": false})), [mode]);
        }
        let listed = json!({"pooling_mode": ["mean", "cls"]});
        assert_eq!(modes(listed), [PoolingMode::Mean, PoolingMode::First], "keeps its order");
        let flags = json!({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true});
        assert_eq!(
            modes(flags),
            [PoolingMode::First, PoolingMode::Mean],
            "flags have the library's order"
        );
        assert_eq!(modes(json!({"pooling_mode_mean_tokens": false})), [PoolingMode::Mean]);
        assert_eq!(modes(json!({})), [PoolingMode::Mean]);
    }

    #[test]
    fn include_prompt_false_skips_the_prompt() {
        assert_eq!(pool(json!({"include_prompt": false})).unwrap().skip, 3);
        assert_eq!(pool(json!({"include_prompt": true})).unwrap().skip, 0);
        assert_eq!(pool(json!({})).unwrap().skip, 0);
    }

    #[test]
    fn errors_name_the_unknown_value() {
        for (config, word) in [
            (json!({"pooling_mode": "median"}), "median"),
            (json!({"pooling_mode": 3}), "3"),
            (json!({"pooling_mode": []}), "0 modes"),
            (json!({"pooling_mode": vec!["cls"; 17]}), "17 modes"),
            (json!({"pooling_mode_median_tokens": true}), "median"),
        ] {
            let error = pool(config).unwrap_err();
            assert!(error.contains(word), "{word}: {error}");
        }
    }
}
