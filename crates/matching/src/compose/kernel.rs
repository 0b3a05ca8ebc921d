//! Rows in single precision, and their products among themselves.

use half::{f16, slice::HalfFloatSliceExt};

/// Appends a row in single precision.
pub(super) fn append(row: &[f16], to: &mut Vec<f32>) {
    let from = to.len();
    to.resize(from + row.len(), 0.0);
    row.convert_to_f32_slice(&mut to[from..]);
}

/// All inner products of `rows` (`[count, dim]`) among themselves, `[count, count]`.
pub(super) fn gram(rows: &[f32], dim: usize) -> Vec<f32> {
    let count = rows.len().checked_div(dim).unwrap_or(0);
    let mut products = vec![0.0; count * count];
    crate::products(rows, rows, dim, &mut products);
    products
}
