//! How a tensor of a weight file is described, whatever the format of the file.

use crate::blocks::Stored;

/// A tensor's shape and location.
#[derive(Debug)]
pub struct TensorEntry {
    pub shape: Vec<usize>,
    /// The location of its values, or why they cannot be read as floats: buffers such as
    /// position_ids are integers.
    pub stored: Result<Stored, String>,
    /// The location of its values if they are 64-bit integers.
    pub integers: Option<Stored>,
}
