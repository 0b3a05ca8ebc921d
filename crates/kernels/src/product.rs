//! Products of packed weights with tiles of activations: `out = W · x`, a panel of outputs times a tile of positions at a time.
//!
//! Weights are packed once, when a model is loaded, in the order in which the innermost loop reads them; nothing is repacked for a product.
//! The loops are nested so that a slice of the tile (32 KiB) stays in the first cache while a block of weights (128 KiB) streams from the second.

use std::{iter::zip, ops::Range};

use pulp::{Simd, WithSimd};

use crate::lanes::ARCH;
use crate::tile::{Column, TILE};

/// Outputs that are computed together: with two registers of positions, sixteen sums to hide the latency of a multiplication.
const PANEL: usize = 8;
/// Inputs that are summed before the result meets memory.
const DEPTH: usize = 256;
/// Outputs whose weights stay in the second cache while all tiles pass.
const BLOCK: usize = 128;

/// `[in, out]`, packed.
pub struct Matrix {
    inputs: usize,
    outputs: usize,
    /// `[in / DEPTH, out / PANEL, DEPTH, PANEL]`, the last of each kind filled up with zeros; the last depth is as short as it is.
    panels: Vec<[f32; PANEL]>,
}

/// What a product starts from.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    /// `out = W · x`
    Zero,
    /// `out = bias + W · x`
    Bias(&'a [f32]),
    /// `out = out + W · x`
    Sum,
    /// `out = out + bias + W · x`, the residual stream.
    SumAndBias(&'a [f32]),
}

impl Matrix {
    /// All zero, to be filled by [`Matrix::write`].
    pub fn new(inputs: usize, outputs: usize) -> Self {
        Self { inputs, outputs, panels: vec![[0.0; PANEL]; inputs * outputs.div_ceil(PANEL)] }
    }

    /// A matrix from `[inputs, outputs]` row by row.
    pub fn pack(inputs: usize, outputs: usize, values: &[f32]) -> Self {
        let mut matrix = Self::new(inputs, outputs);
        matrix.write(0, outputs, 0, values);
        matrix
    }

    pub fn inputs(&self) -> usize {
        self.inputs
    }

    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Bytes that the packed weights take.
    pub fn bytes(&self) -> u64 {
        size_of_val(self.panels.as_slice()) as u64
    }

    /// Elements `start..` of a matrix `[inputs, width]`, row by row, into the outputs `first..first + width`.
    ///
    /// # Panics
    /// If they lie outside.
    pub fn write(&mut self, first: usize, width: usize, start: usize, values: &[f32]) {
        assert!(first + width <= self.outputs, "columns {first}..{} of {}", first + width, self.outputs);
        let mut rest = values;
        let (mut input, mut column) = (start / width, start % width);
        while !rest.is_empty() {
            let (row, after) = rest.split_at(rest.len().min(width - column));
            for (output, value) in (first + column..).zip(row) {
                let at = self.panel(input / DEPTH, output / PANEL) + input % DEPTH;
                self.panels[at][output % PANEL] = *value;
            }
            (rest, input, column) = (after, input + 1, 0);
        }
    }

    /// Product of `x [tiles, inputs]` into `out [tiles, outputs]`.
    ///
    /// # Panics
    /// If the sizes do not fit each other.
    pub fn multiply(&self, x: &[Column], out: &mut [Column], start: Start<'_>) {
        assert_eq!(x.len() / self.inputs * self.outputs, out.len(), "as many tiles out as in");
        let part = Part { depths: 0..self.depths(), outputs: 0..self.outputs, inputs: 0..self.inputs };
        ARCH.dispatch(Product { matrix: self, x, out, part, start });
    }

    /// Like [`Matrix::multiply`] with some of the outputs only: `out` is `[tiles, outputs.len()]`. The range starts at a multiple of eight.
    pub fn multiply_to(&self, outputs: Range<usize>, x: &[Column], out: &mut [Column], start: Start<'_>) {
        assert!(outputs.start.is_multiple_of(PANEL) && outputs.end <= self.outputs);
        assert_eq!(x.len() / self.inputs * outputs.len(), out.len(), "as many tiles out as in");
        let part = Part { depths: 0..self.depths(), outputs, inputs: 0..self.inputs };
        ARCH.dispatch(Product { matrix: self, x, out, part, start });
    }

    /// Like [`Matrix::multiply`] with the `chunk`-th of [`Matrix::input_chunks`] only: `x` is `[tiles, chunk.len()]`.
    pub fn multiply_from(&self, chunk: usize, x: &[Column], out: &mut [Column], start: Start<'_>) {
        let inputs = self.chunk(chunk);
        assert_eq!(x.len() / inputs.len() * self.outputs, out.len(), "as many tiles out as in");
        let part = Part { depths: chunk..chunk + 1, outputs: 0..self.outputs, inputs };
        ARCH.dispatch(Product { matrix: self, x, out, part, start });
    }

    /// The inputs in the portions that [`Matrix::multiply_from`] takes.
    pub fn input_chunks(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        (0..self.depths()).map(|depth| self.chunk(depth))
    }

    fn depths(&self) -> usize {
        self.inputs.div_ceil(DEPTH)
    }

    fn chunk(&self, depth: usize) -> Range<usize> {
        depth * DEPTH..self.inputs.min((depth + 1) * DEPTH)
    }

    /// Where the rows of a panel start.
    #[inline(always)]
    fn panel(&self, depth: usize, panel: usize) -> usize {
        depth * DEPTH * self.outputs.div_ceil(PANEL) + panel * self.chunk(depth).len()
    }
}

/// Which part of a matrix is multiplied.
struct Part {
    depths: Range<usize>,
    outputs: Range<usize>,
    /// Those of the depths together, as wide as the tiles of `x`.
    inputs: Range<usize>,
}

struct Product<'a> {
    matrix: &'a Matrix,
    x: &'a [Column],
    out: &'a mut [Column],
    part: Part,
    start: Start<'a>,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::REGISTER_COUNT >= 32 { self.run::<S, 8>(simd) } else { self.run::<S, 4>(simd) }
    }
}

impl Product<'_> {
    /// `ROWS` outputs at a time, so that the sums fit the registers.
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        let Self { matrix, x, out, part, start } = self;
        let width = part.outputs.len();
        for block in part.outputs.clone().step_by(BLOCK) {
            let block = block..part.outputs.end.min(block + BLOCK);
            for depth in part.depths.clone() {
                let chunk = matrix.chunk(depth);
                let offset = chunk.start - part.inputs.start;
                for (x, out) in zip(x.chunks_exact(part.inputs.len()), out.chunks_exact_mut(width)) {
                    let x = &x[offset..offset + chunk.len()];
                    for panel in block.clone().step_by(PANEL) {
                        let weights = &matrix.panels[matrix.panel(depth, panel / PANEL)..][..chunk.len()];
                        let outputs = panel..block.end.min(panel + PANEL);
                        let out = &mut out[outputs.start - part.outputs.start..outputs.end - part.outputs.start];
                        let start = match start {
                            _ if depth > part.depths.start => Begin::Sum(None),
                            Start::Zero => Begin::Set(None),
                            Start::Bias(bias) => Begin::Set(Some(&bias[outputs])),
                            Start::Sum => Begin::Sum(None),
                            Start::SumAndBias(bias) => Begin::Sum(Some(&bias[outputs])),
                        };
                        panel_times_tile::<S, ROWS>(simd, weights, x, out, start);
                    }
                }
            }
        }
    }
}

/// How a panel's sums meet what is there, with the panel's own biases.
#[derive(Clone, Copy)]
enum Begin<'a> {
    Set(Option<&'a [f32]>),
    Sum(Option<&'a [f32]>),
}

#[inline(always)]
fn panel_times_tile<S: Simd, const ROWS: usize>(
    simd: S,
    weights: &[[f32; PANEL]],
    x: &[Column],
    out: &mut [Column],
    begin: Begin<'_>,
) {
    let (is_sum, bias) = match begin {
        Begin::Set(bias) => (false, bias),
        Begin::Sum(bias) => (true, bias),
    };
    for part in 0..PANEL / ROWS {
        for pair in 0..TILE / (2 * S::F32_LANES) {
            let sums = outer::<S, ROWS>(simd, weights, part, x, pair);
            for (row, (out, sums)) in zip(out.iter_mut().skip(part * ROWS), sums).enumerate() {
                let bias = simd.splat_f32s(bias.map_or(0.0, |bias| bias[part * ROWS + row]));
                let (out, _) = S::as_mut_simd_f32s(out.as_mut_slice());
                for (out, sum) in zip(&mut out[2 * pair..2 * pair + 2], sums) {
                    let sum = simd.add_f32s(sum, bias);
                    *out = if is_sum { simd.add_f32s(*out, sum) } else { sum };
                }
            }
        }
    }
}

/// `sums[row] = Σ_k a[k][part · ROWS + row] · x[k]`, for the `pair`-th two registers of positions: the loop that everything is for.
#[inline(always)]
pub(crate) fn outer<S: Simd, const ROWS: usize>(
    simd: S,
    a: &[impl AsRef<[f32]>],
    part: usize,
    x: &[Column],
    pair: usize,
) -> [[S::f32s; 2]; ROWS] {
    let mut sums = [[simd.splat_f32s(0.0); 2]; ROWS];
    for (a, x) in zip(a, x) {
        let (a, _) = a.as_ref().as_chunks::<ROWS>();
        let (x, _) = S::as_simd_f32s(x.as_slice());
        let (low, high) = (x[2 * pair], x[2 * pair + 1]);
        for (a, sums) in zip(&a[part], &mut sums) {
            let a = simd.splat_f32s(*a);
            sums[0] = simd.mul_add_e_f32s(a, low, sums[0]);
            sums[1] = simd.mul_add_e_f32s(a, high, sums[1]);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::InstructionSet;
    use crate::tile::{from_tiles, to_tiles};

    fn arbitrary(count: usize, salt: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * i * 31 + i * 17 + salt * 101) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    fn exact(x: &[f32], w: &[f32], inputs: usize, outputs: usize) -> Vec<f64> {
        let dot = |row: &[f32], o: usize| {
            row.iter().enumerate().map(|(k, x)| f64::from(*x) * f64::from(w[k * outputs + o])).sum::<f64>()
        };
        x.chunks_exact(inputs).flat_map(|row| (0..outputs).map(move |o| dot(row, o))).collect()
    }

    fn assert_close(found: &[f32], exact: impl Iterator<Item = f64>, what: &str) {
        for (i, (found, exact)) in found.iter().zip(exact).enumerate() {
            assert!((f64::from(*found) - exact).abs() < 1e-4, "{what}[{i}]: {found}, exactly {exact}");
        }
    }

    #[test]
    fn products_of_all_shapes_are_right() {
        for (positions, inputs, outputs) in
            [(1, 1, 1), (5, 4, 12), (32, 16, 264), (70, 300, 130), (64, 256, 128), (33, 513, 9)]
        {
            let (x, w) = (arbitrary(positions * inputs, 1), arbitrary(inputs * outputs, 2));
            let bias = arbitrary(outputs, 3);
            let matrix = Matrix::pack(inputs, outputs, &w);
            let tiles = to_tiles(&x, inputs);
            let what = format!("{positions} × {inputs} × {outputs}");
            let product = exact(&x, &w, inputs, outputs);
            let mut out = vec![Column([7.0; TILE]); tiles.len() / inputs * outputs];
            let rows = |out: &[Column]| from_tiles(out, outputs, positions);

            matrix.multiply(&tiles, &mut out, Start::Zero);
            assert_close(&rows(&out), product.iter().copied(), &what);
            matrix.multiply(&tiles, &mut out, Start::Bias(&bias));
            let with_bias = zip(&product, bias.iter().cycle()).map(|(p, b)| p + f64::from(*b));
            assert_close(&rows(&out), with_bias, &what);
            matrix.multiply(&tiles, &mut out, Start::SumAndBias(&bias));
            let twice = zip(&product, bias.iter().cycle()).map(|(p, b)| 2.0 * (p + f64::from(*b)));
            assert_close(&rows(&out), twice, &what);
        }
    }

    /// Other processors than the one that tests: they sum in the same order, fused or not.
    #[test]
    fn every_instruction_set_gives_the_same_product() {
        let (inputs, outputs) = (300, 20);
        let (x, w) = (arbitrary(40 * inputs, 1), arbitrary(inputs * outputs, 2));
        let matrix = Matrix::pack(inputs, outputs, &w);
        let tiles = to_tiles(&x, inputs);
        for set in InstructionSet::all() {
            let mut out = vec![Column::ZERO; 2 * outputs];
            let part = Part { depths: 0..2, outputs: 0..outputs, inputs: 0..inputs };
            set.run(Product { matrix: &matrix, x: &tiles, out: &mut out, part, start: Start::Zero });
            let product = exact(&x, &w, inputs, outputs).into_iter();
            assert_close(&from_tiles(&out, outputs, 40), product, &format!("{set:?}"));
        }
    }

    #[test]
    fn parts_of_a_product_make_the_whole() {
        let (positions, inputs, outputs) = (40, 600, 72);
        let (x, w) = (arbitrary(positions * inputs, 1), arbitrary(inputs * outputs, 2));
        let matrix = Matrix::pack(inputs, outputs, &w);
        let tiles = to_tiles(&x, inputs);
        let mut whole = vec![Column::ZERO; 2 * outputs];
        matrix.multiply(&tiles, &mut whole, Start::Zero);

        let mut some = vec![Column::ZERO; 2 * 30];
        matrix.multiply_to(16..46, &tiles, &mut some, Start::Zero);
        assert!(zip(some.chunks(30), whole.chunks(outputs)).all(|(some, whole)| some == &whole[16..46]));

        let mut summed = vec![Column::ZERO; 2 * outputs];
        for (index, chunk) in matrix.input_chunks().enumerate() {
            let part: Vec<Column> = tiles.chunks(inputs).flat_map(|tile| &tile[chunk.clone()]).copied().collect();
            matrix.multiply_from(index, &part, &mut summed, Start::Sum);
        }
        assert_eq!(summed, whole);
    }

    #[test]
    fn a_matrix_is_written_in_pieces_that_end_anywhere() {
        let (inputs, widths) = (270, [5, 20, 11]);
        let parts: Vec<Vec<f32>> = widths.iter().map(|w| arbitrary(inputs * w, *w)).collect();
        let mut pieces = Matrix::new(inputs, 36);
        let mut first = 0;
        for (width, part) in zip(widths, &parts) {
            for (at, piece) in part.chunks(77).enumerate() {
                pieces.write(first, width, at * 77, piece);
            }
            first += width;
        }
        let rows: Vec<f32> = (0..inputs)
            .flat_map(|k| zip(widths, &parts).flat_map(move |(w, part)| &part[k * w..(k + 1) * w]))
            .copied()
            .collect();
        assert!(Matrix::pack(inputs, 36, &rows).panels == pieces.panels);
    }
}
