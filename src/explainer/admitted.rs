//! Encodes and admits the inputs of a question for work other than attribution, such as evidence.

use std::sync::Arc;

use super::cost::{self, Estimate};
use super::{Checked, Clock, Explainer, TokenizedInput};
use crate::engine::Admitted;
use crate::error::{Error, Result};
use crate::explanation::{Load, Question};
use crate::pace::Pace;
use crate::passes::Passes;
use crate::text::Encoding;

/// Admitted inputs with a time limit. Dropping them releases the admission.
pub struct AdmittedInputs {
    pub question: Arc<Question>,
    /// The encoding of each input, in order.
    pub encodings: Vec<Result<Encoding>>,
    /// Runs passes within the time limit of the question.
    pub passes: Passes,
    /// Total over all inputs.
    pub tokens: usize,
    closing: Arc<Pace>,
    _admitted: Admitted,
}

impl AdmittedInputs {
    /// Records the time from the last pass until now, to predict it for later requests.
    pub fn close(&self) {
        if let Some(elapsed) = self.passes.since_last_output() {
            self.closing.note(self.tokens, elapsed.as_secs_f64());
        }
    }
}

impl Explainer {
    /// Encodes and admits the inputs of a question. `loads` returns the most work for one input.
    /// It may exceed the time limit, because the work stops in time.
    pub async fn admit(
        &self,
        question: Question,
        loads: impl Fn(&Encoding) -> Vec<Load>,
    ) -> Result<AdmittedInputs> {
        let (question, encodings, clock) = self.encodings(question).await?;
        let admission = &self.engine.admission;
        let remaining = clock.remaining();
        let loads: Vec<Load> = encodings.iter().flatten().flat_map(loads).collect();
        let caller = Arc::clone(&question.caller);
        let admitted = admission.admit(cost::demand_of(&loads, caller, admission, remaining))?;
        let tokens = encodings.iter().flatten().map(Encoding::len).sum();
        let passes = self.passes(&question, &admitted, tokens, clock);
        let closing = Arc::clone(&self.engine.closing);
        Ok(AdmittedInputs { question, encodings, passes, tokens, closing, _admitted: admitted })
    }

    /// Estimates the cost of the same work without running it. `name` labels the estimate.
    pub async fn price(
        &self,
        question: Question,
        name: &'static str,
        loads: impl Fn(&Encoding) -> Vec<Load>,
    ) -> Result<Estimate> {
        let (question, encodings, clock) = self.encodings(question).await?;
        let tokens = encodings.iter().flatten().map(Encoding::len).sum();
        let loads: Vec<Load> = encodings.iter().flatten().flat_map(loads).collect();
        let failed: Option<Vec<Error>> =
            encodings.into_iter().map(|encoding| encoding.err()).collect();
        match failed.and_then(|errors| errors.into_iter().next()) {
            Some(error) => Err(error),
            None => {
                let admission = &self.engine.admission;
                let caller = Arc::clone(&question.caller);
                let demand = cost::demand_of(&loads, caller, admission, clock.limit);
                Ok(cost::estimate_of(&loads, name, tokens, admission, &demand))
            }
        }
    }

    async fn encodings(
        &self,
        question: Question,
    ) -> Result<(Arc<Question>, Vec<Result<Encoding>>, Clock)> {
        let (Checked { question, tokenized, .. }, clock) = self.checked(question).await?;
        let to_encoding = |input: TokenizedInput| match input {
            TokenizedInput::Whole(encoding) => Ok(encoding),
            TokenizedInput::Windows(..) | TokenizedInput::Candidates(_) => {
                Err(Error::internal("evidence needs whole texts"))
            }
        };
        let encodings = tokenized.into_iter().map(|input| input.and_then(to_encoding)).collect();
        Ok((question, encodings, clock))
    }
}
