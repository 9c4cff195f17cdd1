//! What one page or picture may hold: browsers show megabytes slowly.

/// Units of the text with their scores.
pub const WORDS: usize = 50_000;

/// Cells of matrices.
pub const CELLS: usize = 20_000;

/// Room that is left.
pub struct Room {
    words: usize,
    cells: usize,
}

impl Room {
    pub fn new() -> Self {
        Self { words: WORDS, cells: CELLS }
    }

    /// Whether there is room for so many units, which it then holds.
    pub fn words(&mut self, count: usize) -> bool {
        take(&mut self.words, count)
    }

    pub fn cells(&mut self, count: usize) -> bool {
        take(&mut self.cells, count)
    }
}

fn take(left: &mut usize, count: usize) -> bool {
    let after = left.checked_sub(count);
    *left = after.unwrap_or(*left);
    after.is_some()
}
