//! Matrices of f32 whose memory is used again.

use std::cell::RefCell;

use bytemuck::{Pod, Zeroable};

/// Numbers in a line: rows begin at a multiple of it, so that no register is
/// loaded across two cache lines.
pub const LINE: usize = 16;

/// `width` filled up to whole lines.
pub fn padded(width: usize) -> usize {
    width.next_multiple_of(LINE)
}

#[derive(Debug, Clone, Copy, Zeroable, Pod)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

thread_local! {
    /// Memory that this thread has used before. A pass asks for the same sizes
    /// again and again, and fresh pages cost more than small products.
    static SPARE: RefCell<Spare> =
        const { RefCell::new(Spare { blocks: Vec::new(), lines: 0, most: SPARE_LINES }) };
}

struct Spare {
    blocks: Vec<Vec<Line>>,
    lines: usize,
    /// Lines that are kept; what is over goes back to the system.
    most: usize,
}

/// The most that any thread keeps: 128 MiB.
const SPARE_LINES: usize = (128 << 20) / size_of::<Line>();

/// From now on this thread keeps no more than so many bytes for its next passes.
pub fn keep_at_most(bytes: usize) {
    let most = (bytes / size_of::<Line>()).min(SPARE_LINES);
    SPARE.with_borrow_mut(|spare| spare.most = most);
}

/// Gives back what this thread has kept.
pub fn keep_nothing() {
    SPARE.with_borrow_mut(|spare| {
        spare.blocks.clear();
        spare.lines = 0;
    });
}

impl Spare {
    /// The smallest block that is large enough, and not much too large.
    fn find(&mut self, lines: usize) -> Option<Vec<Line>> {
        let fits = |block: &Vec<Line>| (lines..=lines * 2 + 64).contains(&block.capacity());
        let place = (0..self.blocks.len())
            .filter(|&i| fits(&self.blocks[i]))
            .min_by_key(|&i| self.blocks[i].capacity())?;
        let block = self.blocks.swap_remove(place);
        self.lines -= block.capacity();
        Some(block)
    }

    fn keep(&mut self, block: Vec<Line>) {
        if self.lines + block.capacity() <= self.most {
            self.lines += block.capacity();
            self.blocks.push(block);
        }
    }
}

/// Aligned f32.
#[derive(Debug)]
pub struct Buffer {
    block: Vec<Line>,
    end: End,
}

/// What becomes of memory that is not needed any more.
#[derive(Debug)]
enum End {
    /// The thread that drops it keeps it.
    Spare,
    /// The system gets it back. A thread that drops a model's weights never takes
    /// memory itself, or not of these sizes.
    Freed,
}

impl Buffer {
    /// `len` numbers, `len` a multiple of [`LINE`], of no particular value, for a while.
    pub fn take(len: usize) -> Self {
        let lines = len.div_ceil(LINE);
        let spare = SPARE.with_borrow_mut(|spare| spare.find(lines));
        let mut block = spare.unwrap_or_default();
        block.resize(lines, Line::zeroed());
        Self { block, end: End::Spare }
    }

    /// Numbers that stay, such as weights: exactly `len`, zeros.
    pub fn zeros(len: usize) -> Self {
        Self { block: vec![Line::zeroed(); len.div_ceil(LINE)], end: End::Freed }
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
        if let End::Spare = self.end {
            let block = std::mem::take(&mut self.block);
            // A thread that ends has no spare memory any more.
            let _ = SPARE.try_with(|spare| spare.borrow_mut().keep(block));
        }
    }
}

/// A matrix `[rows, width]`. Rows are padded to whole lines with zeros, so
/// kernels need no case for the last columns.
#[derive(Debug)]
pub struct Array {
    data: Buffer,
    pub rows: usize,
    pub width: usize,
}

impl Array {
    /// Of no particular values: whoever asks writes every line of every row.
    pub fn take(rows: usize, width: usize) -> Self {
        Self { data: Buffer::take(rows * padded(width)), rows, width }
    }

    pub fn zeros(rows: usize, width: usize) -> Self {
        let mut array = Self::take(rows, width);
        array.as_mut_slice().fill(0.);
        array
    }

    /// Zeros where no column is; the columns are still to be written.
    pub fn zeros_in_padding(rows: usize, width: usize) -> Self {
        match width == padded(width) {
            true => Self::take(rows, width),
            false => Self::zeros(rows, width),
        }
    }

    /// From one row to the next.
    pub fn stride(&self) -> usize {
        padded(self.width)
    }

    pub fn as_slice(&self) -> &[f32] {
        self.data.as_slice()
    }

    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        self.data.as_mut_slice()
    }

    /// A row with its padding.
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

    fn kept() -> usize {
        SPARE.with_borrow(|spare| spare.lines)
    }

    #[test]
    fn a_thread_keeps_what_it_takes_and_no_weights() {
        let before = kept();
        drop(Buffer::zeros(1 << 16));
        assert_eq!(kept(), before, "weights go back to the system");
        drop(Buffer::take(1 << 16));
        assert!(kept() >= before + (1 << 16) / LINE, "what a pass took is there for the next");
        let kept_before = kept();
        let taken = Buffer::take(1 << 16);
        assert!(kept() < kept_before, "and is taken again");
        drop(taken);
        std::thread::spawn(|| {
            keep_at_most(1 << 16);
            drop((Buffer::take(1 << 13), Buffer::take(1 << 14)));
            assert_eq!(kept() * size_of::<Line>(), 1 << 15, "both together are too much");
            keep_nothing();
            assert_eq!(kept(), 0);
        })
        .join()
        .unwrap();
    }
}
