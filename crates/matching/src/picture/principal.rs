//! Principal axes of points on the sphere, by subspace iteration: the covariance is never formed.

use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::dot;
use crate::products;

const ITERATIONS: usize = 40;
const SEED: u64 = 0x6d61_7000;
/// Iteration ends when neither of the first two axes has turned by more than this (1 − |cos|).
const SETTLED: f32 = 1e-7;
const SWEEPS: usize = 30;

/// A fitted basis.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    dim: usize,
    /// `[axes, dim]`, orthonormal, the greatest variance first.
    axes: Vec<f32>,
    /// Where the middle of the fitted points lies on each axis.
    middle: Vec<f32>,
    /// Share of the points' variance on each axis.
    explained: Vec<f32>,
}

/// Unit length; `None` for a vector without a direction.
fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let norm = dot(vector, vector).sqrt();
    (norm.is_finite() && norm > 1e-12).then(|| vector.iter().map(|x| x / norm).collect())
}

impl Projection {
    /// At most `most` axes (at least two). Needs at least three points of one dimension ≥ 2 that are not all the same.
    pub fn fit<'a>(points: impl IntoIterator<Item = &'a [f32]>, most: usize) -> Option<Self> {
        let mut units: Vec<Vec<f32>> = points.into_iter().filter_map(unit).collect();
        let dim = units.first()?.len();
        units.retain(|point| point.len() == dim);
        let n = units.len();
        if n < 3 || dim < 2 {
            return None;
        }
        let mut mean = vec![0.0f32; dim];
        for point in &units {
            mean.iter_mut().zip(point).for_each(|(m, x)| *m += x / n as f32);
        }
        let mut points = units.concat();
        drop(units);
        for point in points.chunks_exact_mut(dim) {
            point.iter_mut().zip(&mean).for_each(|(x, m)| *x -= m);
        }
        let total: f64 = points.iter().map(|x| f64::from(*x).powi(2)).sum();
        if total <= 1e-9 {
            return None;
        }
        let count = most.clamp(2, dim.min(n - 1).max(2));
        let mut rng = StdRng::seed_from_u64(SEED);
        let mut axes: Vec<f32> = (0..count * dim).map(|_| StandardNormal.sample(&mut rng)).collect();
        orthonormalise(&mut axes, dim, &mut rng)?;
        for _ in 0..ITERATIONS {
            // `[points, axes]`
            let mut along = vec![0.0; n * count];
            products(&points, &axes, dim, &mut along);
            let mut next = vec![0.0f32; count * dim];
            next.par_chunks_mut(dim).enumerate().for_each(|(axis, sum)| {
                for (point, along) in points.chunks_exact(dim).zip(along.chunks_exact(count)) {
                    let by = along[axis];
                    sum.iter_mut().zip(point).for_each(|(s, x)| *s += by * x);
                }
            });
            orthonormalise(&mut next, dim, &mut rng)?;
            let turned = |at: usize| 1.0 - dot(&axes[at * dim..][..dim], &next[at * dim..][..dim]).abs();
            let is_settled = turned(0) < SETTLED && turned(1) < SETTLED;
            axes = next;
            if is_settled {
                break;
            }
        }
        let variances = align(&points, &mut axes, dim);
        for axis in axes.chunks_exact_mut(dim) {
            // An axis has no sign of its own: the largest component is made positive.
            if axis.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).is_some_and(|largest| largest < 0.0) {
                axis.iter_mut().for_each(|x| *x = -*x);
            }
        }
        let middle = axes.chunks_exact(dim).map(|axis| dot(axis, &mean)).collect();
        let explained = variances.iter().map(|variance| (variance / total) as f32).collect();
        Some(Self { dim, axes, middle, explained })
    }

    /// Turns axes that point against those of an earlier fit, so that a picture that is fitted again is not a mirror image.
    pub fn oriented_as(mut self, before: &Self) -> Self {
        if self.dim != before.dim {
            return self;
        }
        let (dim, fitted) = (self.dim, before.axes.chunks_exact(before.dim));
        for (at, (axis, before)) in self.axes.chunks_exact_mut(dim).zip(fitted).enumerate() {
            if dot(axis, before) < 0.0 {
                axis.iter_mut().for_each(|x| *x = -*x);
                self.middle[at] = -self.middle[at];
            }
        }
        self
    }

    pub fn dim(&self) -> usize {
        self.dim
    }

    /// `[count, dim]`: what products are taken with for [`coordinates`](Self::coordinates).
    pub fn axes(&self) -> &[f32] {
        &self.axes
    }

    pub fn count(&self) -> usize {
        self.middle.len()
    }

    /// Share of the fitted points' variance on each axis.
    pub fn explained(&self) -> &[f32] {
        &self.explained
    }

    /// Turns the products of a vector with all axes into its coordinates, in place. False: it has no direction.
    pub fn coordinates(&self, products: &mut [f32], norm: f32) -> bool {
        products.iter_mut().zip(&self.middle).for_each(|(x, middle)| *x = *x / norm - middle);
        products.iter().all(|x| x.is_finite())
    }

    /// A coordinate an axis; `None`: another dimension, or no direction.
    pub fn project(&self, vector: &[f32]) -> Option<Vec<f32>> {
        if vector.len() != self.dim {
            return None;
        }
        let mut products: Vec<f32> = self.axes.chunks_exact(self.dim).map(|axis| dot(axis, vector)).collect();
        self.coordinates(&mut products, crate::norm(vector)).then_some(products)
    }
}

/// Gram and Schmidt, twice over: once loses digits where axes are nearly parallel. An axis without a direction of its own (points on a
/// line) becomes any other one.
fn orthonormalise(axes: &mut [f32], dim: usize, rng: &mut StdRng) -> Option<()> {
    for at in 0..axes.len() / dim {
        let (before, rest) = axes.split_at_mut(at * dim);
        let axis = &mut rest[..dim];
        let mut is_unit = false;
        for _ in 0..8 {
            if let Some(scaled) = unit(axis) {
                axis.copy_from_slice(&scaled);
                for _ in 0..2 {
                    for other in before.chunks_exact(dim) {
                        let along = dot(axis, other);
                        axis.iter_mut().zip(other).for_each(|(x, o)| *x -= along * o);
                    }
                }
                if dot(axis, axis).sqrt() > 1e-5
                    && let Some(scaled) = unit(axis)
                {
                    axis.copy_from_slice(&scaled);
                    is_unit = true;
                    break;
                }
            }
            axis.iter_mut().for_each(|x| *x = StandardNormal.sample(rng));
        }
        is_unit.then_some(())?;
    }
    Some(())
}

/// Turns the axes within the subspace that they span to the points' principal axes there; gives the sums of squares along each.
fn align(points: &[f32], axes: &mut [f32], dim: usize) -> Vec<f64> {
    let count = axes.len() / dim;
    let mut along = vec![0.0; points.len() / dim * count];
    products(points, axes, dim, &mut along);
    let mut matrix = vec![0.0f64; count * count];
    for row in along.chunks_exact(count) {
        for (i, a) in row.iter().enumerate() {
            for (j, b) in row.iter().enumerate() {
                matrix[i * count + j] += f64::from(*a) * f64::from(*b);
            }
        }
    }
    let vectors = diagonalise(&mut matrix, count);
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| matrix[b * count + b].total_cmp(&matrix[a * count + a]));
    let old = axes.to_vec();
    for (axis, column) in axes.chunks_exact_mut(dim).zip(&order) {
        axis.fill(0.0);
        for (row, old) in old.chunks_exact(dim).enumerate() {
            let part = vectors[row * count + column] as f32;
            axis.iter_mut().zip(old).for_each(|(x, o)| *x += part * o);
        }
    }
    order.iter().map(|at| matrix[at * count + at].max(0.0)).collect()
}

/// Jacobi's rotations: the symmetric matrix becomes diagonal; gives the eigenvectors as columns.
fn diagonalise(matrix: &mut [f64], n: usize) -> Vec<f64> {
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|at| vectors[at * n + at] = 1.0);
    for _ in 0..SWEEPS {
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| matrix[i * n + j].powi(2)).sum();
        let on: f64 = (0..n).map(|at| matrix[at * n + at].powi(2)).sum();
        if off <= 1e-24 * on {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let apart = matrix[p * n + q];
                if apart == 0.0 {
                    continue;
                }
                let theta = (matrix[q * n + q] - matrix[p * n + p]) / (2.0 * apart);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for k in 0..n {
                    let (a, b) = (matrix[k * n + p], matrix[k * n + q]);
                    (matrix[k * n + p], matrix[k * n + q]) = (c * a - s * b, s * a + c * b);
                }
                for k in 0..n {
                    let (a, b) = (matrix[p * n + k], matrix[q * n + k]);
                    (matrix[p * n + k], matrix[q * n + k]) = (c * a - s * b, s * a + c * b);
                    let (a, b) = (vectors[k * n + p], vectors[k * n + q]);
                    (vectors[k * n + p], vectors[k * n + q]) = (c * a - s * b, s * a + c * b);
                }
            }
        }
    }
    vectors
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Directions around (1, 0, 0, …) that differ much along dimension 3, less along 5, hardly elsewhere.
    fn cloud(seed: u64) -> Vec<Vec<f32>> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut normal = || -> f32 { StandardNormal.sample(&mut rng) };
        let mut point = || {
            let mut point: Vec<f32> = (0..16).map(|_| 0.001 * normal()).collect();
            point[0] += 1.0;
            point[3] += 0.1 * normal();
            point[5] += 0.03 * normal();
            point
        };
        (0..500).map(|_| point()).collect()
    }

    fn fit(points: &[Vec<f32>], most: usize) -> Projection {
        Projection::fit(points.iter().map(Vec::as_slice), most).unwrap()
    }

    #[test]
    fn the_axes_are_those_of_the_greatest_variance_however_many_are_asked_for() {
        for most in [2, 6] {
            let projection = fit(&cloud(1), most);
            let axis = |at: usize| &projection.axes[at * 16..][..16];
            assert_eq!(projection.count(), most);
            assert!(axis(0)[3] > 0.99 && axis(1)[5] > 0.99, "{:?}", projection.axes);
            assert!(dot(axis(0), axis(1)).abs() < 1e-4);
            let [first, second] = [projection.explained[0], projection.explained[1]];
            assert!(first > 0.8 && second > 0.03 && first + second <= 1.0001, "{first} {second}");
        }
    }

    #[test]
    fn the_same_points_give_the_same_picture_and_lengths_do_not_matter() {
        let points = cloud(1);
        let projection = fit(&points, 4);
        assert_eq!(projection, fit(&points, 4));
        let long: Vec<f32> = points[7].iter().map(|x| x * 50.0).collect();
        let (a, b) = (projection.project(&points[7]).unwrap(), projection.project(&long).unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn a_picture_that_is_fitted_again_is_no_mirror_image() {
        let (before, points) = (fit(&cloud(1), 2), cloud(2));
        let mut mirrored = before.clone();
        mirrored.axes.iter_mut().for_each(|x| *x = -*x);
        let again = fit(&points, 2).oriented_as(&mirrored);
        assert!(dot(&again.axes[..16], &mirrored.axes[..16]) > 0.9);
        let (plain, turned) = (fit(&points, 2).project(&points[3]).unwrap(), again.project(&points[3]).unwrap());
        assert!(plain.iter().zip(&turned).all(|(a, b)| (a + b).abs() < 1e-5), "{plain:?} {turned:?}");
    }

    #[test]
    fn points_without_two_dimensions_of_spread_are_no_picture_or_a_line() {
        let none = |points: &[Vec<f32>]| Projection::fit(points.iter().map(Vec::as_slice), 2).is_none();
        assert!(none(&vec![vec![1.0, 2.0, 3.0]; 10]));
        assert!(none(&[vec![1.0, 0.0], vec![0.0, 1.0]]));
        assert!(none(&vec![vec![0.0; 3]; 10]));
        assert!(none(&vec![vec![f32::NAN; 3]; 10]));
        assert_eq!(fit(&cloud(1), 2).project(&[1.0, 2.0]), None);
        let two_directions: Vec<Vec<f32>> =
            (0..10).map(|n| vec![f32::from(n % 2 == 0), f32::from(n % 2 == 1), 0.0]).collect();
        let line = fit(&two_directions, 3);
        assert!(line.explained[0] > 0.999 && line.explained[1] < 1e-3);
    }
}
