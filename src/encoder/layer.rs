//! One transformer layer of BERT: attention and feed-forward, each with a
//! residual and a layer norm after it (Devlin et al. 2019).

use candle_core::{Result, Tensor};

use crate::kernels::attention::{Attended, Group};
use crate::kernels::layer_norm::Normalized;
use crate::kernels::{Activation, Attention, LayerNorm, Linear};

/// `h = norm(x + out(attention(qkv(x))))`, `y = norm(h + down(act(up(h))))`.
#[derive(Debug)]
pub struct TransformerLayer {
    pub attention: Attention,
    /// Query, key and value as one map, `[3 hidden, hidden]`.
    pub qkv: Linear,
    pub attention_output: Linear,
    pub attention_norm: LayerNorm,
    pub up: Linear,
    pub activation: Activation,
    pub down: Linear,
    pub output_norm: LayerNorm,
}

/// What a forward pass leaves for the gradient.
#[derive(Debug)]
pub struct Saved {
    /// One entry a group; holds the attention weights.
    pub attended: Vec<Attended>,
    attention_norm: Normalized,
    /// Before the activation, `[total, intermediate]`.
    up: Tensor,
    output_norm: Normalized,
}

impl TransformerLayer {
    /// `[total, hidden]` → `[total, hidden]`
    pub fn forward(&self, x: &Tensor, groups: &[Group]) -> Result<(Tensor, Saved)> {
        let (context, attended) = self.attention.forward(&self.qkv.forward(x)?, groups)?;
        let attention = (self.attention_output.forward(&context)? + x)?;
        let (h, attention_norm) = self.attention_norm.forward(&attention)?;
        let up = self.up.forward(&h)?;
        let down = (self.down.forward(&self.activation.forward(&up)?)? + &h)?;
        let (y, output_norm) = self.output_norm.forward(&down)?;
        Ok((y, Saved { attended, attention_norm, up, output_norm }))
    }

    /// Gradient at the output → at the input, `[total, hidden]`.
    pub fn vjp(&self, saved: &Saved, groups: &[Group], grad: &Tensor) -> Result<Tensor> {
        let down = self.output_norm.vjp(&saved.output_norm, grad)?;
        let up = self.activation.vjp(&saved.up, &self.down.vjp(&down)?)?;
        let h = (self.up.vjp(&up)? + down)?;
        let attention = self.attention_norm.vjp(&saved.attention_norm, &h)?;
        let context = self.attention_output.vjp(&attention)?;
        let qkv = self.attention.vjp(&saved.attended, groups, &context)?;
        self.qkv.vjp(&qkv)? + attention
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{check_vjp, random};

    fn linear(out: usize, input: usize, seed: u64) -> Linear {
        Linear::new((random(&[out, input], seed) * 0.4).unwrap(), random(&[out], seed + 1))
    }

    #[test]
    fn vjp_equals_finite_differences() {
        let norm = |seed| LayerNorm::new(random(&[6], seed), random(&[6], seed + 1), 1e-12);
        let layer = TransformerLayer {
            attention: Attention { heads: 2, head_size: 3 },
            qkv: linear(18, 6, 1),
            attention_output: linear(6, 6, 3),
            attention_norm: norm(5),
            up: linear(10, 6, 7),
            activation: Activation::Gelu,
            down: linear(6, 10, 9),
            output_norm: norm(11),
        };
        let groups =
            [Group { start: 0, rows: 2, tokens: 2 }, Group { start: 4, rows: 1, tokens: 3 }];
        check_vjp(
            &random(&[7, 6], 13),
            |x| Ok(layer.forward(x, &groups)?.0),
            |x, grad| layer.vjp(&layer.forward(x, &groups)?.1, &groups, grad),
        );
    }
}
