//! Which attention an answer carries.

mod patterns;

use crate::attribution::Subject;
use crate::attribution::spread::rollout;
use crate::error::{Error, Result};
use crate::explanation::{
    Attention, AttentionKind, AttentionSelection, HeadPattern, Heads, Question, Resolved, Selection,
};
use crate::model::Model;
use crate::passes::Passes;
use crate::rows::{AttentionMap, MapHeads, MapKind, Maps, Reduce, Row, Want};
use patterns::Places;

/// Numbers of attention that one row brings for patterns.
const PATTERN_VALUES: usize = 1 << 22;

/// The attention asked for, with its numbers found in the model.
#[derive(Debug, Clone)]
pub struct Wished {
    kind: AttentionKind,
    /// Counted from 0.
    layers: Vec<usize>,
    /// Counted from 0; none where they are averaged.
    heads: Option<Vec<usize>>,
    patterns: bool,
    model_layers: usize,
}

/// Checks what a question asks for; none where it asks for none.
pub fn wished(question: &Question) -> Result<Option<Wished>> {
    question.attention.as_ref().map(|selection| resolve(selection, &question.model)).transpose()
}

fn resolve(selection: &AttentionSelection, model: &Model) -> Result<Wished> {
    let heads = match &selection.heads {
        Heads::Mean => None,
        Heads::Each(_) if selection.kind == AttentionKind::Rollout => {
            let detail = "rollout goes through all heads together: heads is \"mean\"";
            return Err(Error::field("/attention/heads", detail));
        }
        Heads::Each(heads) => Some(indexes(heads, model.heads(), "/attention/heads", "heads")?),
    };
    Ok(Wished {
        kind: selection.kind,
        layers: indexes(&selection.layers, model.layers(), "/attention/layers", "layers")?,
        heads,
        patterns: selection.patterns,
        model_layers: model.layers(),
    })
}

impl Wished {
    /// Matrices of `tokens × tokens` that one input's answer will carry.
    pub fn matrices(&self) -> usize {
        self.layers.len() * self.heads.as_ref().map_or(1, Vec::len)
    }

    /// What the input's first pass brings of it.
    pub fn at_first(&self) -> Maps {
        let heads = match self.heads {
            Some(_) => MapHeads::Each,
            None => MapHeads::Together,
        };
        let maps = |kind| Maps { layers: self.layers.clone(), kind, heads };
        match self.kind {
            AttentionKind::Weights => maps(MapKind::Weights),
            AttentionKind::Norm => maps(MapKind::Norms),
            AttentionKind::Rollout => Maps {
                layers: (0..=self.layers.iter().copied().max().unwrap_or_default()).collect(),
                kind: MapKind::Weights,
                heads: MapHeads::Together,
            },
            AttentionKind::Gradient => Maps::default(),
        }
    }

    /// Gradient rows and forward rows beside the first pass.
    pub fn rows(&self) -> usize {
        let gradient = usize::from(self.kind == AttentionKind::Gradient);
        gradient + if self.patterns { self.model_layers } else { 0 }
    }
}

/// The answer's attention, where one is asked for: out of `maps`, those of the first
/// pass, and of rows of its own where it needs some. `target` is the first one
/// explained.
pub async fn answer(
    wished: Option<&Wished>,
    passes: &Passes,
    subject: Subject<'_>,
    target: Option<&Resolved>,
    maps: Vec<AttentionMap>,
) -> Result<Option<Attention>> {
    let Some(wished) = wished else { return Ok(None) };
    let (maps, target) = match (wished.kind, target) {
        (AttentionKind::Gradient, Some(target)) => {
            (gradients(wished, passes, subject, target).await?, Some(target.clone()))
        }
        (AttentionKind::Gradient, None) => {
            let detail = "attention of kind gradient is of a target: explain one";
            return Err(Error::field("/attention/kind", detail));
        }
        (AttentionKind::Rollout, _) => (rolled_out(wished, &maps), None),
        (AttentionKind::Weights | AttentionKind::Norm, _) => (maps, None),
    };
    let weights = maps.iter().flat_map(|map| pick(map, wished.heads.as_deref())).collect();
    let patterns = match wished.patterns {
        true => Some(find_patterns(passes, subject).await?),
        false => None,
    };
    Ok(Some(Attention {
        kind: wished.kind,
        layers: wished.layers.clone(),
        heads: wished.heads.clone(),
        tokens: subject.encoding.tokens.len(),
        weights,
        target,
        patterns,
    }))
}

async fn gradients(
    wished: &Wished,
    passes: &Passes,
    subject: Subject<'_>,
    target: &Resolved,
) -> Result<Vec<AttentionMap>> {
    let heads = if wished.heads.is_some() { MapHeads::Each } else { MapHeads::Together };
    let maps = Maps { layers: wished.layers.clone(), kind: MapKind::Gradients, heads };
    let want = Want::Gradients(Reduce::L2, vec![target.scalar.clone()]);
    Ok(passes.run_one(Row { maps, ..subject.row(want) }).await?.attention)
}

fn rolled_out(wished: &Wished, maps: &[AttentionMap]) -> Vec<AttentionMap> {
    let after = rollout(maps);
    let map = |layer: &usize| {
        let weights = after[*layer].concat();
        AttentionMap { heads: 1, tokens: after[*layer].len(), weights }
    };
    wished.layers.iter().map(map).collect()
}

/// Every head of the model, some layers a row.
async fn find_patterns(passes: &Passes, subject: Subject<'_>) -> Result<Vec<HeadPattern>> {
    let (model, places) = (passes.model(), Places::new(subject.encoding));
    let of_layer = model.heads() * subject.encoding.tokens.len().pow(2);
    let together = (PATTERN_VALUES / of_layer.max(1)).max(1);
    let layers: Vec<usize> = (0..model.layers()).collect();
    let mut found = Vec::new();
    for layers in layers.chunks(together) {
        let maps = Maps { layers: layers.to_vec(), ..Maps::default() };
        let row = Row { maps, ..subject.row(Want::Values(Vec::new())) };
        let output = passes.run_one(row).await?;
        for (layer, map) in layers.iter().zip(&output.attention) {
            found.extend(places.patterns(*layer, map));
        }
    }
    Ok(found)
}

/// The chosen heads of one layer; of a mean, it.
fn pick(map: &AttentionMap, heads: Option<&[usize]>) -> Vec<f64> {
    let size = map.tokens * map.tokens;
    let head = |number: usize| &map.weights[number * size..(number + 1) * size];
    match heads {
        Some(heads) => heads.iter().flat_map(|&number| head(number)).copied().collect(),
        None => map.weights.clone(),
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
