//! Checks that a question about a remote model can be answered from predictions.

use crate::error::{Code, Error, Result};
use crate::explanation::Question;

/// Fails for everything that needs the model itself.
pub fn check(question: &Question) -> Result<()> {
    if !question.model.is_remote() {
        return Ok(());
    }
    let needing = |what: &str, pointer: &str| {
        let detail = format!("another server predicts {}: {what}", question.model.id);
        Error::new(Code::MethodNotSupported, detail).at(pointer)
    };
    let methods = question.methods.iter().enumerate();
    if let Some((index, (method, _))) = { methods }.find(|(_, (method, _))| !method.perturbs()) {
        let what = format!(
            "{} needs the model itself; use occlusion, lime, kernel_shap, partition_shap or \
             shapley_interactions",
            method.name
        );
        return Err(needing(&what, &format!("/methods/{index}")));
    }
    let views = [
        (question.attention.is_some(), "/attention"),
        (!question.inside.is_empty(), "/inside"),
        (!question.concepts.is_empty(), "/concepts"),
        (question.candidates.is_some(), "/candidate_labels"),
        (question.window.is_some(), "/window"),
    ];
    match views.iter().find(|(is_asked, _)| *is_asked) {
        Some((_, pointer)) => Err(needing("this needs the model itself", pointer)),
        None => Ok(()),
    }
}
