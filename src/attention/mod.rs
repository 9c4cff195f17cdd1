//! Selects and computes the attention that answers include.

mod mixing;
mod patterns;

use crate::attribution::spread::rollout;
use crate::attribution::{Cost, Subject};
use crate::choice::Choice as _;
use crate::error::{Error, Result};
use crate::explanation::{
    Attention, AttentionKind, AttentionSelection, HeadPattern, Heads, Question, Resolved, Selection,
};
use crate::model::Model;
use crate::passes::Passes;
use crate::rows::{AttentionMap, MapHeads, MapKind, Maps, Norm, Reduce, Row, Want};
use patterns::TokenKinds;

/// Number of attention weights that one row returns for patterns.
const PATTERN_VALUES: usize = 1 << 22;

/// The requested attention, with indexes resolved for the model.
#[derive(Debug, Clone)]
pub struct ResolvedSelection {
    kind: AttentionKind,
    /// Counted from 0.
    layers: Vec<usize>,
    /// Counted from 0; `None` if heads are averaged.
    heads: Option<Vec<usize>>,
    patterns: bool,
    model_layers: usize,
}

/// Validates the attention that a question requests; `None` if it requests none.
pub fn resolve_selection(question: &Question) -> Result<Option<ResolvedSelection>> {
    question.attention.as_ref().map(|selection| resolve(selection, &question.model)).transpose()
}

fn resolve(selection: &AttentionSelection, model: &Model) -> Result<ResolvedSelection> {
    let heads = match &selection.heads {
        Heads::Mean => None,
        Heads::Each(_) if selection.kind.combines_heads() => {
            let name = selection.kind.name();
            let detail = format!("{name} combines all heads: set heads to \"mean\"");
            return Err(Error::field("/attention/heads", detail));
        }
        Heads::Each(heads) => Some(indexes(heads, model.heads(), "/attention/heads", "heads")?),
    };
    Ok(ResolvedSelection {
        kind: selection.kind,
        layers: indexes(&selection.layers, model.layers(), "/attention/layers", "layers")?,
        heads,
        patterns: selection.patterns,
        model_layers: model.layers(),
    })
}

impl ResolvedSelection {
    /// Returns the number of `tokens × tokens` matrices in an answer for one input.
    pub fn matrices(&self) -> usize {
        self.layers.len() * self.heads.as_ref().map_or(1, Vec::len)
    }

    /// Returns the maps to request in the input's first pass.
    pub fn first_pass_maps(&self) -> Maps {
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
            AttentionKind::Gradient
            | AttentionKind::BlockNorm
            | AttentionKind::Alti
            | AttentionKind::ValueZeroing => Maps::default(),
        }
    }

    /// Returns the cost besides the first pass, for an input with this many tokens. A gradient row
    /// counts as a forward row.
    pub fn cost(&self, model: &Model, tokens: usize) -> Cost {
        let layers = self.layers.len();
        let map_load = |kind| layers.saturating_mul(model.map_load(kind, tokens));
        let own = match self.kind {
            AttentionKind::Weights | AttentionKind::Rollout => Cost::default(),
            AttentionKind::Norm => Cost { map_load: map_load(MapKind::Norms), ..Cost::default() },
            AttentionKind::Gradient => Cost { forward_rows: 1, ..Cost::default() },
            AttentionKind::BlockNorm | AttentionKind::Alti => Cost {
                forward_rows: layers,
                map_load: map_load(MapKind::BlockNorms),
                ..Cost::default()
            },
            AttentionKind::ValueZeroing => {
                Cost { forward_rows: layers, layer_rows: layers * tokens, ..Cost::default() }
            }
        };
        let patterns = if self.patterns { self.model_layers } else { 0 };
        Cost { forward_rows: own.forward_rows + patterns, ..own }
    }
}

/// Returns the answer's attention, if it was requested: from `maps`, those of the first pass, and
/// from extra rows where needed. `target` is the first explained target.
pub async fn answer(
    attention_selection: Option<&ResolvedSelection>,
    passes: &Passes,
    subject: Subject<'_>,
    target: Option<&Resolved>,
    maps: Vec<AttentionMap>,
) -> Result<Option<Attention>> {
    let Some(attention_selection) = attention_selection else { return Ok(None) };
    let layers = &attention_selection.layers;
    let (maps, target) = match (attention_selection.kind, target) {
        (AttentionKind::Gradient, Some(target)) => {
            (gradients(attention_selection, passes, subject, target).await?, Some(target.clone()))
        }
        (AttentionKind::Gradient, None) => {
            let detail = "attention of kind gradient needs a target to explain";
            return Err(Error::field("/attention/kind", detail));
        }
        (AttentionKind::Rollout, _) => (rolled_out(attention_selection, &maps), None),
        (AttentionKind::BlockNorm, _) => {
            (mixing::maps(passes, subject, MapKind::BlockNorms, layers).await?, None)
        }
        (AttentionKind::Alti, _) => {
            (mixing::maps(passes, subject, MapKind::Alti, layers).await?, None)
        }
        (AttentionKind::ValueZeroing, _) => {
            (mixing::value_zeroing(passes, subject, layers).await?, None)
        }
        (AttentionKind::Weights | AttentionKind::Norm, _) => (maps, None),
    };
    let weights =
        maps.iter().flat_map(|map| pick(map, attention_selection.heads.as_deref())).collect();
    let patterns = match attention_selection.patterns {
        true => Some(patterns_of_heads(passes, subject).await?),
        false => None,
    };
    Ok(Some(Attention {
        kind: attention_selection.kind,
        layers: attention_selection.layers.clone(),
        heads: attention_selection.heads.clone(),
        tokens: subject.encoding.tokens.len(),
        weights,
        target,
        patterns,
    }))
}

async fn gradients(
    attention_selection: &ResolvedSelection,
    passes: &Passes,
    subject: Subject<'_>,
    target: &Resolved,
) -> Result<Vec<AttentionMap>> {
    let heads =
        if attention_selection.heads.is_some() { MapHeads::Each } else { MapHeads::Together };
    let maps = Maps { layers: attention_selection.layers.clone(), kind: MapKind::Gradients, heads };
    let want = Want::Gradients(Reduce::Norm(Norm::L2), vec![target.scalar.clone()]);
    Ok(passes.run_one(Row { maps, ..subject.row(want) }).await?.attention)
}

fn rolled_out(attention_selection: &ResolvedSelection, maps: &[AttentionMap]) -> Vec<AttentionMap> {
    let after = rollout(maps);
    let map = |layer: &usize| {
        let weights = after[*layer].concat();
        AttentionMap { heads: 1, tokens: after[*layer].len(), weights }
    };
    attention_selection.layers.iter().map(map).collect()
}

/// Classifies every head of the model, several layers per row and at most a row per layer.
pub async fn patterns_of_heads(passes: &Passes, subject: Subject<'_>) -> Result<Vec<HeadPattern>> {
    let (model, kinds) = (passes.model(), TokenKinds::new(subject.encoding));
    let of_layer = model.heads() * subject.encoding.tokens.len().pow(2);
    let layers_per_row = (PATTERN_VALUES / of_layer.max(1)).max(1);
    let layers: Vec<usize> = (0..model.layers()).collect();
    let mut found = Vec::new();
    for layers in layers.chunks(layers_per_row) {
        let maps = Maps { layers: layers.to_vec(), ..Maps::default() };
        let row = Row { maps, ..subject.row(Want::Values(Vec::new())) };
        let output = passes.run_one(row).await?;
        for (layer, map) in layers.iter().zip(&output.attention) {
            found.extend(kinds.patterns(*layer, map));
        }
    }
    Ok(found)
}

/// Returns the chosen heads of one layer, or the only matrix if heads are averaged.
fn pick(map: &AttentionMap, heads: Option<&[usize]>) -> Vec<f64> {
    let size = map.tokens * map.tokens;
    let head = |index: usize| &map.weights[index * size..(index + 1) * size];
    match heads {
        Some(heads) => heads.iter().flat_map(|&index| head(index)).copied().collect(),
        None => map.weights.clone(),
    }
}

/// Resolves a selection to indexes below `count`; negative numbers count from the end.
fn indexes(selection: &Selection, count: usize, pointer: &str, what: &str) -> Result<Vec<usize>> {
    let Selection::List(list) = selection else {
        return Ok((0..count).collect());
    };
    let index = |(position, &number): (usize, &i64)| {
        let from_start = if number < 0 { number + count as i64 } else { number };
        usize::try_from(from_start).ok().filter(|&index| index < count).ok_or_else(|| {
            let detail = format!("{number} is not among the model's {count} {what}");
            Error::field(format!("{pointer}/{position}"), detail)
        })
    };
    let indexes = list.iter().enumerate().map(index).collect::<Result<Vec<_>>>()?;
    let mut used = vec![false; count];
    match indexes.iter().position(|&index| std::mem::replace(&mut used[index], true)) {
        None => Ok(indexes),
        Some(position) => {
            let detail = format!("{} is named twice", list[position]);
            Err(Error::field(format!("{pointer}/{position}"), detail))
        }
    }
}
