//! Which attention an answer carries.

use crate::error::{Error, Result};
use crate::explanation::{Attention, Heads, Question, Selection};
use crate::rows::AttentionMap;

/// The layers asked for, counted from 0.
pub fn layers(question: &Question) -> Result<Vec<usize>> {
    match &question.attention {
        None => Ok(Vec::new()),
        Some(selection) => {
            indexes(&selection.layers, question.model.layers(), "/attention/layers", "layers")
        }
    }
}

/// The heads asked for, counted from 0; none where they are averaged.
fn heads(question: &Question) -> Result<Option<Vec<usize>>> {
    match question.attention.as_ref().map(|selection| &selection.heads) {
        None | Some(Heads::Mean) => Ok(None),
        Some(Heads::Each(heads)) => {
            indexes(heads, question.model.heads(), "/attention/heads", "heads").map(Some)
        }
    }
}

/// Matrices of `tokens × tokens` that one input's answer will carry.
pub fn matrices(question: &Question) -> Result<usize> {
    Ok(layers(question)?.len() * heads(question)?.map_or(1, |heads| heads.len()))
}

/// The answer's attention out of the maps of `layers`.
pub fn select(
    question: &Question,
    layers: &[usize],
    maps: Vec<AttentionMap>,
) -> Result<Option<Attention>> {
    if question.attention.is_none() {
        return Ok(None);
    }
    let heads = heads(question)?;
    let tokens = maps.first().map_or(0, |map| map.tokens);
    let weights = maps.iter().flat_map(|map| pick(map, heads.as_deref())).collect();
    Ok(Some(Attention { layers: layers.to_vec(), heads, tokens, weights }))
}

/// The chosen heads of one layer, or their mean.
fn pick(map: &AttentionMap, heads: Option<&[usize]>) -> Vec<f64> {
    let size = map.tokens * map.tokens;
    let head = |number: usize| &map.weights[number * size..(number + 1) * size];
    match heads {
        Some(heads) => heads.iter().flat_map(|&number| head(number)).copied().collect(),
        None => (0..size)
            .map(|i| (0..map.heads).map(|number| head(number)[i]).sum::<f64>() / map.heads as f64)
            .collect(),
    }
}

/// A selection as indexes below `count`; negative numbers count from the end.
fn indexes(selection: &Selection, count: usize, pointer: &str, what: &str) -> Result<Vec<usize>> {
    let Selection::List(list) = selection else {
        return Ok((0..count).collect());
    };
    let index = |(place, &number): (usize, &i64)| {
        let from_start = if number < 0 { number + count as i64 } else { number };
        usize::try_from(from_start).ok().filter(|&index| index < count).ok_or_else(|| {
            let detail = format!("{number} is not among the model's {count} {what}");
            Error::field(format!("{pointer}/{place}"), detail)
        })
    };
    let indexes = list.iter().enumerate().map(index).collect::<Result<Vec<_>>>()?;
    let mut seen = vec![false; count];
    match indexes.iter().position(|&index| std::mem::replace(&mut seen[index], true)) {
        None => Ok(indexes),
        Some(place) => {
            let detail = format!("{} is named twice", list[place]);
            Err(Error::field(format!("{pointer}/{place}"), detail))
        }
    }
}
