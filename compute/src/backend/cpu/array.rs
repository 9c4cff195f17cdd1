//! f32 matrices with per-thread memory reuse.

use std::cell::RefCell;

use bytemuck::{Pod, Zeroable};

/// Number of f32 in a cache line. Rows start at a multiple of it, so that no register load crosses
/// two cache lines.
pub const LINE: usize = 16;

/// Rounds `width` up to whole lines.
pub fn padded(width: usize) -> usize {
    width.next_multiple_of(LINE)
}

#[derive(Debug, Clone, Copy, Zeroable, Pod)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

thread_local! {
    /// Freed memory of this thread, for reuse. Passes allocate the same sizes again and again, and
    /// fresh pages cost more than small products.
    static FREE: RefCell<FreeList> =
        const { RefCell::new(FreeList { blocks: Vec::new(), lines: 0, max_lines: MAX_LINES }) };
}

struct FreeList {
    blocks: Vec<Vec<Line>>,
    lines: usize,
    /// The maximum of `lines`; memory beyond it goes back to the system.
    max_lines: usize,
}

/// The maximum that any thread keeps: 128 MiB.
const MAX_LINES: usize = (128 << 20) / size_of::<Line>();

/// Limits how many bytes this thread keeps for reuse.
pub fn keep_at_most(bytes: usize) {
    let max_lines = (bytes / size_of::<Line>()).min(MAX_LINES);
    FREE.with_borrow_mut(|free| free.max_lines = max_lines);
}

/// Frees all memory that this thread keeps for reuse.
pub fn keep_nothing() {
    FREE.with_borrow_mut(|free| {
        free.blocks.clear();
        free.lines = 0;
    });
}

impl FreeList {
    /// Removes and returns the smallest block that fits and is not much too large.
    fn find(&mut self, lines: usize) -> Option<Vec<Line>> {
        let fits = |block: &Vec<Line>| (lines..=lines * 2 + 64).contains(&block.capacity());
        let index = (0..self.blocks.len())
            .filter(|&i| fits(&self.blocks[i]))
            .min_by_key(|&i| self.blocks[i].capacity())?;
        let block = self.blocks.swap_remove(index);
        self.lines -= block.capacity();
        Some(block)
    }

    fn keep(&mut self, block: Vec<Line>) {
        if self.lines + block.capacity() <= self.max_lines {
            self.lines += block.capacity();
            self.blocks.push(block);
        }
    }
}

/// A buffer of f32, aligned to cache lines.
#[derive(Debug)]
pub struct Buffer {
    block: Vec<Line>,
    on_drop: OnDrop,
}

/// What happens to a buffer's memory when it is dropped.
#[derive(Debug)]
enum OnDrop {
    /// The dropping thread keeps it for reuse.
    Recycle,
    /// It goes back to the system: a thread that drops a model's weights does not allocate such
    /// sizes.
    Free,
}

impl Buffer {
    /// Allocates `len` numbers of unspecified value from reused memory; a multiple of [`LINE`].
    pub fn take(len: usize) -> Self {
        let lines = len.div_ceil(LINE);
        let recycled = FREE.with_borrow_mut(|free| free.find(lines));
        let mut block = recycled.unwrap_or_default();
        block.resize(lines, Line::zeroed());
        Self { block, on_drop: OnDrop::Recycle }
    }

    /// Allocates `len` zeros for long-lived data such as weights.
    pub fn zeros(len: usize) -> Self {
        Self { block: vec![Line::zeroed(); len.div_ceil(LINE)], on_drop: OnDrop::Free }
    }

    pub fn as_slice(&self) -> &[f32] {
        bytemuck::cast_slice(&self.block)
    }

    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.block)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let OnDrop::Recycle = self.on_drop {
            let block = std::mem::take(&mut self.block);
            // Fails if the thread is exiting; then the block is freed.
            let _ = FREE.try_with(|free| free.borrow_mut().keep(block));
        }
    }
}

/// A matrix `[rows, width]`. Rows are padded with zeros to whole lines, so that kernels need no
/// special case for the last columns.
#[derive(Debug)]
pub struct Array {
    data: Buffer,
    pub rows: usize,
    pub width: usize,
}

impl Array {
    /// Allocates unspecified values: the caller must write every line of every row.
    pub fn take(rows: usize, width: usize) -> Self {
        Self { data: Buffer::take(rows * padded(width)), rows, width }
    }

    pub fn zeros(rows: usize, width: usize) -> Self {
        let mut array = Self::take(rows, width);
        array.as_mut_slice().fill(0.);
        array
    }

    /// Allocates a matrix with zeros in the padding; the caller must write the columns.
    pub fn zeros_in_padding(rows: usize, width: usize) -> Self {
        match width == padded(width) {
            true => Self::take(rows, width),
            false => Self::zeros(rows, width),
        }
    }

    /// Returns the distance between rows, in numbers.
    pub fn stride(&self) -> usize {
        padded(self.width)
    }

    pub fn as_slice(&self) -> &[f32] {
        self.data.as_slice()
    }

    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        self.data.as_mut_slice()
    }

    /// Returns a row including its padding.
    pub fn row(&self, i: usize) -> &[f32] {
        let stride = self.stride();
        &self.as_slice()[i * stride..][..stride]
    }

    pub fn row_mut(&mut self, i: usize) -> &mut [f32] {
        let stride = self.stride();
        &mut self.as_mut_slice()[i * stride..][..stride]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept_lines() -> usize {
        FREE.with_borrow(|free| free.lines)
    }

    #[test]
    fn a_thread_reuses_temporary_buffers_but_not_weights() {
        let before = kept_lines();
        drop(Buffer::zeros(1 << 16));
        assert_eq!(kept_lines(), before, "weights go back to the system");
        drop(Buffer::take(1 << 16));
        assert!(kept_lines() >= before + (1 << 16) / LINE, "a temporary buffer is kept for reuse");
        let kept_before = kept_lines();
        let reused = Buffer::take(1 << 16);
        assert!(kept_lines() < kept_before, "a kept buffer is reused");
        drop(reused);
        std::thread::spawn(|| {
            keep_at_most(1 << 16);
            drop((Buffer::take(1 << 13), Buffer::take(1 << 14)));
            assert_eq!(kept_lines() * size_of::<Line>(), 1 << 15, "both exceed the limit");
            keep_nothing();
            assert_eq!(kept_lines(), 0);
        })
        .join()
        .unwrap();
    }
}
