//! Size limits of one page or picture: browsers are slow with megabytes of HTML.

/// The maximum number of scored units of the text.
pub const WORDS: usize = 50_000;

/// The maximum number of matrix and table cells.
pub const CELLS: usize = 20_000;

/// The remaining units and cells.
pub struct Room {
    words: usize,
    cells: usize,
}

impl Room {
    pub fn new() -> Self {
        Self { words: WORDS, cells: CELLS }
    }

    /// Reserves `count` units. Returns false if fewer remain.
    pub fn words(&mut self, count: usize) -> bool {
        take(&mut self.words, count)
    }

    pub fn cells(&mut self, count: usize) -> bool {
        take(&mut self.cells, count)
    }
}

fn take(remaining: &mut usize, count: usize) -> bool {
    let after = remaining.checked_sub(count);
    *remaining = after.unwrap_or(*remaining);
    after.is_some()
}
