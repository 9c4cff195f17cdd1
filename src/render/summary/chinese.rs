//! The sentences in Chinese.

use super::{Gist, Strongest, probability};
use crate::explanation::{
    Entity, FoundAnswer, MaskPrediction, Predicted, Prediction, Resolved, ScalarName, Similarity,
    SpanBoundary,
};
use crate::text::Token;

/// Maximum number of entities that are listed.
const LISTED: usize = 3;

pub fn sentences(gist: &Gist<'_>) -> String {
    let mut text = prediction(gist);
    if let Some(strongest) = &gist.strongest {
        text.push_str(&words(strongest, &target(strongest.target, gist.tokens)));
    }
    if gist.inexact {
        text.push_str("这些分数不精确。");
    }
    if gist.has_warnings {
        text.push_str("请谨慎解读：有警告。");
    }
    text
}

fn prediction(gist: &Gist<'_>) -> String {
    match gist.predicted {
        Predicted::Labels(list) => labels(list.first(), gist.has_probability),
        Predicted::Tokens { entities, .. } => found(entities),
        Predicted::Answer { answer, .. } => answered(answer),
        Predicted::Masks(masks) => filled(masks),
        Predicted::Similarity(similarity) => cosine(similarity),
    }
}

fn labels(best: Option<&Prediction>, has_probability: bool) -> String {
    match best {
        Some(Prediction { label, probability: value, .. }) if has_probability => {
            format!("模型预测为 {label}，概率 {}。", probability(*value))
        }
        Some(Prediction { label, logit, .. }) => format!("模型的最高输出是 {label}：{logit:.3}。"),
        None => "模型没有预测。".to_owned(),
    }
}

fn found(entities: &[Entity]) -> String {
    let name = |entity: &Entity| format!("{}（{}）", quoted(&entity.text), entity.label);
    let names: Vec<String> = entities.iter().take(LISTED).map(name).collect();
    let names = names.join("、");
    match entities.len() {
        0 => "模型没有找到实体。".to_owned(),
        count if count > LISTED => format!("模型找到 {count} 个实体，包括{names}。"),
        count => format!("模型找到 {count} 个实体：{names}。"),
    }
}

fn answered(answer: &FoundAnswer) -> String {
    let value = probability(answer.probability);
    match answer.text.as_str() {
        "" => format!("模型没有找到答案，概率 {value}。"),
        text => format!("模型的答案是{}，概率 {value}。", quoted(text)),
    }
}

fn filled(masks: &[MaskPrediction]) -> String {
    let best = |mask: &MaskPrediction| {
        let best = mask.predictions.first()?;
        let text = best.decoded.as_deref().unwrap_or(&best.label);
        Some(format!("{}（{}）", quoted(text), probability(best.probability)))
    };
    let best: Vec<String> = masks.iter().filter_map(best).collect();
    match best.is_empty() {
        true => "文本中没有空位。".to_owned(),
        false => format!("模型在空位填入{}。", best.join("、")),
    }
}

fn cosine(similarity: &Similarity) -> String {
    match &similarity.pair {
        Some(pair) => format!("两段文本的余弦相似度为 {:.3}。", pair.cosine),
        None => format!("文本被表示为 {} 维向量。", similarity.embedding.len()),
    }
}

fn words(strongest: &Strongest<'_>, target: &str) -> String {
    let quote = |words: &[String]| words.iter().map(|word| quoted(word)).collect::<String>();
    let (supporting, opposing) = (quote(&strongest.supporting), quote(&strongest.opposing));
    let method = strongest.method;
    match (strongest.signed, supporting.as_str(), opposing.as_str()) {
        (false, _, _) => format!("{method} 对 {target} 打分最高的是{supporting}。"),
        (true, _, "") => format!("根据 {method}，{supporting}最支持 {target}。"),
        (true, "", _) => format!("根据 {method}，{opposing}最反对 {target}。"),
        (true, _, _) => {
            format!("根据 {method}，{supporting}最支持 {target}，{opposing}最反对。")
        }
    }
}

fn target(target: &Resolved, tokens: &[Token]) -> String {
    let name = match &target.what {
        ScalarName::Class(class) => class.label.to_string(),
        ScalarName::Contrast(a, b) => format!("{} 而不是 {}", a.label, b.label),
        ScalarName::SpanBoundary(SpanBoundary::Start) => "答案的开头".to_owned(),
        ScalarName::SpanBoundary(SpanBoundary::End) => "答案的结尾".to_owned(),
        ScalarName::Cosine(_) => "余弦相似度".to_owned(),
    };
    match target.token.and_then(|index| tokens.get(index)) {
        Some(token) => format!("{name}（词元{}）", quoted(&token.text)),
        None => name,
    }
}

fn quoted(text: &str) -> String {
    format!("“{text}”")
}
