//! Predicts many changed versions of a text, in batches, until time runs out.

use std::sync::Arc;

use super::masked_path;
use crate::error::{Error, Result};
use crate::explanation::{Prediction, Question};
use crate::model::Model;
use crate::passes::Passes;
use crate::remote::Forwarded;
use crate::rows::{Output, Reduce, Row, RowOutput, Scalar, Tokens, Want};
use crate::tasks;
use crate::text::tokenizer::Truncate;
use crate::text::{Encoding, Input};

/// Rows per batch. The time left is checked before each batch.
const BATCH: usize = 64;

/// The prediction for one sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The label with the highest logit.
    pub label: usize,
    /// `[labels]`
    pub logits: Vec<f64>,
    /// `[labels]`
    pub probabilities: Vec<f64>,
}

impl Verdict {
    fn of(output: RowOutput) -> Result<Self> {
        let RowOutput { logits, probabilities, .. } = output;
        let better = |best: usize, i: usize| if logits[i] > logits[best] { i } else { best };
        match logits.is_empty() {
            true => Err(Error::internal("a row gave no logits")),
            false => Ok(Self { label: (1..logits.len()).fold(0, better), logits, probabilities }),
        }
    }

    /// Returns the probability of `label`.
    pub fn probability(&self) -> f64 {
        self.probabilities[self.label]
    }
}

/// An input and its prediction.
pub struct Original<'a> {
    pub input: &'a Input,
    pub encoding: &'a Encoding,
    pub verdict: Verdict,
}

impl Original<'_> {
    /// Converts the verdict to the prediction of a response.
    pub fn prediction(&self, model: &Model) -> Prediction {
        prediction(model, &self.verdict)
    }
}

/// Converts a verdict to the prediction of a response.
pub fn prediction(model: &Model, verdict: &Verdict) -> Prediction {
    Prediction {
        index: verdict.label,
        label: model.label(verdict.label),
        decoded: None,
        logit: verdict.logits[verdict.label],
        probability: verdict.probability(),
    }
}

/// Runs predictions of one model within the time limit of one request.
pub struct Predictor {
    pub passes: Passes,
    truncate: Truncate,
    forwarded: Forwarded,
    /// The seed for random samples.
    pub seed: u64,
}

impl Predictor {
    pub fn new(passes: &Passes, question: &Question) -> Self {
        Self {
            passes: passes.clone(),
            truncate: question.truncate,
            forwarded: question.forwarded.clone(),
            seed: question.seed,
        }
    }

    /// Returns a predictor for rows of this input, which a remote model needs.
    pub fn reading(&self, encoding: &Encoding) -> Self {
        let (passes, forwarded) =
            (self.passes.reading(encoding, &self.forwarded), self.forwarded.clone());
        Self { passes, forwarded, ..*self }
    }

    pub fn model(&self) -> &Arc<Model> {
        self.passes.model()
    }

    /// Predicts the input itself. Runs one forward row, however little time is left.
    pub async fn original<'a>(
        &self,
        input: &'a Input,
        encoding: &'a Encoding,
    ) -> Result<Original<'a>> {
        // Rejects inputs that do not suit the task, such as a single text for a pair task.
        let reads = tasks::of(self.model().task).reads(encoding, self.model());
        reads.map_err(|error| error.at(&input.pointer))?;
        let row = forward(Arc::clone(&encoding.ids));
        let verdict = Verdict::of(self.passes.run_one(row).await?)?;
        Ok(Original { input, encoding, verdict })
    }

    /// Predicts the sequence of each row, in order. `None` if there is not enough time for all
    /// of them.
    pub async fn rows(&self, rows: Vec<Row>) -> Result<Option<Vec<Verdict>>> {
        let mut verdicts = Vec::with_capacity(rows.len());
        let mut rows = rows.into_iter().map(|row| Row { want: Want::Outputs, ..row }).peekable();
        while rows.peek().is_some() {
            let batch: Vec<Row> = rows.by_ref().take(BATCH).collect();
            if !self.passes.have_time_for(batch.len()) {
                return Ok(None);
            }
            let Some(outputs) = self.passes.run_in_time(batch).await? else { return Ok(None) };
            for output in outputs {
                verdicts.push(Verdict::of(output)?);
            }
        }
        Ok(Some(verdicts))
    }

    /// Tokenises and predicts other texts in place of that of `input`, as if a client had sent
    /// them. An inner `None` is a text that cannot be encoded because it is empty or too long.
    pub async fn texts(
        &self,
        input: &Input,
        texts: Vec<String>,
    ) -> Result<Option<Vec<Option<Verdict>>>> {
        let (model, truncate) = (Arc::clone(self.model()), self.truncate);
        let pair = input.text_pair.clone();
        let encode_all = move || -> Vec<Option<Arc<Tokens>>> {
            let encode = |text| {
                let input = Input { text, text_pair: pair.clone(), ..Input::default() };
                model.encode(&input, truncate).ok().map(|encoding| encoding.ids)
            };
            texts.into_iter().map(encode).collect()
        };
        let sequences = self.passes.compute(encode_all).await?;
        let rows = sequences.iter().flatten().map(|tokens| forward(Arc::clone(tokens))).collect();
        let Some(verdicts) = self.rows(rows).await? else { return Ok(None) };
        let mut verdicts = verdicts.into_iter();
        let verdict = |tokens: &Option<_>| tokens.as_ref().and_then(|_| verdicts.next());
        Ok(Some(sequences.iter().map(verdict).collect()))
    }

    /// Tokenises another text in place of that of `input`. `None` if it cannot be encoded.
    pub async fn encode(&self, input: &Input, text: String) -> Result<Option<Encoding>> {
        let (model, truncate) = (Arc::clone(self.model()), self.truncate);
        let input = Input { text, text_pair: input.text_pair.clone(), ..Input::default() };
        self.passes.compute(move || model.encode(&input, truncate).ok()).await
    }

    /// Computes the gradient of `logit[towards] - logit[from]` at the word embeddings, averaged over
    /// the path from masks at the tokens in `masked`, `[tokens]`; returns `[tokens · width]`. Runs
    /// [`masked_path::POINTS`] gradient rows. `None` if time runs out.
    pub async fn gradients(
        &self,
        encoding: &Encoding,
        masked: &[bool],
        towards: usize,
        from: usize,
    ) -> Result<Option<Vec<f64>>> {
        let terms = vec![(towards, 1.), (from, -1.)];
        let scalar = Scalar::Sum { output: Output::Logit, terms };
        self.mean_along_path(encoding, masked, Reduce::Keep, scalar).await
    }

    /// Computes the effect of each token on the logit of `label` relative to masks: gradient times
    /// difference, averaged over the path from them, `[tokens]`. Runs [`masked_path::POINTS`]
    /// gradient rows. `None` if time runs out.
    pub async fn effects(&self, encoding: &Encoding, label: usize) -> Result<Option<Vec<f64>>> {
        let scalar = Scalar::one(Output::Logit, label);
        let masked = masked_path::all_content(encoding);
        self.mean_along_path(encoding, &masked, Reduce::TimesDifference, scalar).await
    }

    async fn mean_along_path(
        &self,
        encoding: &Encoding,
        masked: &[bool],
        reduce: Reduce,
        scalar: Scalar,
    ) -> Result<Option<Vec<f64>>> {
        let want = Want::Gradients(reduce, vec![scalar]);
        let row = |path| Row {
            want: want.clone(),
            path: Some(path),
            ..forward(Arc::clone(&encoding.ids))
        };
        let points = masked_path::points(self.model(), encoding, masked);
        let rows: Vec<Row> = points.into_iter().map(row).collect();
        let count = rows.len() as f64;
        let Some(scores) = self.scores(rows).await? else { return Ok(None) };
        let mut mean = vec![0.; scores.first().map_or(0, Vec::len)];
        for row in &scores {
            mean.iter_mut().zip(row).for_each(|(mean, score)| *mean += score / count);
        }
        Ok(Some(mean))
    }

    /// Returns the token scores of each row, which must have a single scalar.
    async fn scores(&self, rows: Vec<Row>) -> Result<Option<Vec<Vec<f64>>>> {
        let Some(outputs) = self.passes.run_in_time(rows).await? else { return Ok(None) };
        let scores = outputs.into_iter().map(|output| output.token_scores.into_iter().next());
        let scores: Option<Vec<Vec<f64>>> = scores.collect();
        scores.map(Some).ok_or_else(|| Error::internal("a row gave no gradient"))
    }
}

fn forward(tokens: Arc<Tokens>) -> Row {
    Row::forward(tokens, [].into())
}
