//! Activation functions, by their names in checkpoints.

/// An elementwise activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x Φ(x)`, where Φ is the normal distribution function (Hendrycks & Gimpel 2016).
    Gelu,
    /// The tanh approximation of GELU.
    GeluTanh,
    /// The logistic approximation of GELU, `x σ(1.702 x)`.
    GeluQuick,
    Relu,
    Silu,
    Sigmoid,
    Tanh,
}

impl Activation {
    /// sqrt(2 / π), the slope inside the tanh approximation.
    pub const TANH_SLOPE: f64 = 0.797_884_560_802_865_4;
    /// The coefficient of the cubic term inside the tanh approximation.
    pub const TANH_CUBIC: f64 = 0.044_715;
    /// The slope inside the logistic approximation.
    pub const QUICK_SLOPE: f64 = 1.702;

    /// All activations.
    pub const ALL: [Self; 7] = [
        Self::Gelu,
        Self::GeluTanh,
        Self::GeluQuick,
        Self::Relu,
        Self::Silu,
        Self::Sigmoid,
        Self::Tanh,
    ];

    /// Returns the activation for a name in config.json, as in transformers' ACT2FN. The tanh
    /// variants of GELU differ only in rounding.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "gelu" | "gelu_python" => Some(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_python_tanh" | "gelu_accurate"
            | "gelu_fast" => Some(Self::GeluTanh),
            "quick_gelu" => Some(Self::GeluQuick),
            "relu" => Some(Self::Relu),
            "silu" | "swish" => Some(Self::Silu),
            "sigmoid" => Some(Self::Sigmoid),
            "tanh" => Some(Self::Tanh),
            _ => None,
        }
    }

    /// Whether the derivative is continuous.
    pub fn is_smooth(self) -> bool {
        self != Self::Relu
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_transformers() {
        for name in ["gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_accurate"] {
            assert_eq!(Activation::from_name(name), Some(Activation::GeluTanh), "{name}");
        }
        for name in ["geglu", "gelu_10", "relu2", "mish", "leaky_relu", "GELU", ""] {
            assert_eq!(Activation::from_name(name), None, "{name}");
        }
    }
}
