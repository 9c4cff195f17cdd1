//! The block kinds that models are made of, as descriptions: which tensors of
//! a checkpoint, in which shape, put together how. An architecture writes one;
//! a back end puts the weights in place.

use safetensors::Dtype;

/// Where a tensor of floats lies in `model.safetensors`.
#[derive(Debug, Clone)]
pub struct Stored {
    pub name: String,
    pub dtype: Dtype,
    /// Its first byte in the file, and its bytes.
    pub start: u64,
    pub bytes: usize,
}

/// `y = x Wᵀ + b`, weight `[out, input]`, bias `[out]`.
#[derive(Debug, Clone)]
pub struct Linear {
    pub weight: Stored,
    pub bias: Stored,
    pub input: usize,
    pub out: usize,
}

/// `γ x̂ + β`, `[hidden]` each.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    pub weight: Stored,
    pub bias: Stored,
    pub eps: f64,
}

/// `norm(word + position + type)`; tables `[entries, hidden]`.
#[derive(Debug, Clone)]
pub struct Embeddings {
    pub word: Stored,
    pub position: Stored,
    pub token_type: Stored,
    pub hidden: usize,
    pub norm: LayerNorm,
}

/// One transformer layer of BERT (Devlin et al. 2019): attention and
/// feed-forward, each with a residual and a layer norm after it.
/// `h = norm(x + output(attention(x)))`, `y = norm(h + down(act(up(h))))`.
#[derive(Debug, Clone)]
pub struct Layer {
    pub heads: usize,
    pub head_size: usize,
    pub query: Linear,
    pub key: Linear,
    pub value: Linear,
    pub attention_output: Linear,
    pub attention_norm: LayerNorm,
    pub up: Linear,
    pub activation: Activation,
    pub down: Linear,
    pub output_norm: LayerNorm,
}

/// An embedding block and a stack of layers.
#[derive(Debug, Clone)]
pub struct Encoder {
    pub embeddings: Embeddings,
    pub layers: Vec<Layer>,
}

/// From the first token's hidden state to logits:
/// `output(act(dense(x)))`.
#[derive(Debug, Clone)]
pub struct Classifier {
    pub dense: Linear,
    pub activation: Activation,
    pub output: Linear,
}

/// An elementwise function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x Φ(x)`, Φ the normal distribution (Hendrycks & Gimpel 2016).
    Gelu,
    /// Its approximation by tanh.
    GeluTanh,
    Relu,
    Silu,
    Tanh,
}

impl Activation {
    /// sqrt(2 / π), the slope inside the tanh approximation.
    pub const TANH_SLOPE: f64 = 0.797_884_560_802_865_4;
    /// The factor of the cube there.
    pub const TANH_CUBIC: f64 = 0.044_715;

    /// The activation that a config.json's `hidden_act` names.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "gelu" => Some(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" => Some(Self::GeluTanh),
            "relu" => Some(Self::Relu),
            "silu" | "swish" => Some(Self::Silu),
            "tanh" => Some(Self::Tanh),
            _ => None,
        }
    }
}

impl Layer {
    /// Numbers of its weights.
    fn weights(&self) -> usize {
        let maps = [&self.query, &self.key, &self.value, &self.attention_output];
        maps.into_iter().chain([&self.up, &self.down]).map(|map| map.input * map.out).sum()
    }
}

impl Encoder {
    /// Multiply-adds of one token's forward pass, attention aside.
    pub fn work_per_token(&self) -> usize {
        self.layers.iter().map(Layer::weights).sum()
    }

    /// Numbers that a pass keeps for the gradient of a row of `tokens`: per
    /// token and layer query, key, value, two normalised states and a slope;
    /// the attention weights; a few states in between.
    pub fn kept_per_row(&self, tokens: usize) -> usize {
        let layer = |layer: &Layer| {
            tokens * (5 * layer.query.out + layer.up.out) + layer.heads * tokens * tokens
        };
        let between = self.layers.first().map_or(0, |layer| 8 * layer.query.out + 2 * layer.up.out);
        self.layers.iter().map(layer).sum::<usize>() + tokens * between
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_activation_is_refused() {
        assert_eq!(Activation::from_name("geglu"), None);
    }
}
