//! Two dimensions of embedding space: the two directions in which our samples and the models differ most.
//!
//! Directions matter, lengths do not (hits are by cosine), so every vector is normalised first. Fitted by orthogonal
//! iteration from a seeded start, so the same points give the same picture.

use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};

const ITERATIONS: usize = 60;
const SEED: u64 = 0x6d61_7000;
/// Iteration ends when neither axis has turned by more than this (1 − |cos|).
const SETTLED: f32 = 1e-7;

/// A fitted basis.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct Projection {
    mean: Vec<f32>,
    axes: [Vec<f32>; 2],
    /// Share of the points' variance on each axis.
    pub explained: [f32; 2],
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Unit length; `None` for a vector without a direction.
fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let norm = dot(vector, vector).sqrt();
    (norm.is_finite() && norm > 1e-12).then(|| vector.iter().map(|x| x / norm).collect())
}

impl Projection {
    /// Needs at least three points of one dimension ≥ 2 that are not all the same.
    pub fn fit<'a>(points: impl IntoIterator<Item = &'a [f32]>) -> Option<Self> {
        let mut points: Vec<Vec<f32>> = points.into_iter().filter_map(unit).collect();
        let dimension = points.first()?.len();
        points.retain(|point| point.len() == dimension);
        if points.len() < 3 || dimension < 2 {
            return None;
        }
        let mut mean = vec![0.0; dimension];
        for point in &points {
            mean.iter_mut().zip(point).for_each(|(m, x)| *m += x / points.len() as f32);
        }
        for point in &mut points {
            point.iter_mut().zip(&mean).for_each(|(x, m)| *x -= m);
        }
        let total: f32 = points.iter().map(|point| dot(point, point)).sum();
        if total <= 1e-9 {
            return None;
        }
        let mut rng = StdRng::seed_from_u64(SEED);
        let mut random = || (0..dimension).map(|_| StandardNormal.sample(&mut rng)).collect::<Vec<f32>>();
        let mut axes = orthonormal([random(), random()])?;
        for _ in 0..ITERATIONS {
            // Covariance times the axes, without ever forming the covariance.
            let mut next = [vec![0.0; dimension], vec![0.0; dimension]];
            for point in &points {
                for (sum, axis) in next.iter_mut().zip(&axes) {
                    let along = dot(point, axis);
                    sum.iter_mut().zip(point).for_each(|(s, x)| *s += along * x);
                }
            }
            // Points on a line leave the second axis without a direction: any perpendicular one will do.
            let next = match orthonormal(next.clone()) {
                Some(next) => next,
                None => orthonormal([next[0].clone(), random()])?,
            };
            let settled = axes.iter().zip(&next).all(|(a, b)| 1.0 - dot(a, b).abs() < SETTLED);
            axes = next;
            if settled {
                break;
            }
        }
        for axis in &mut axes {
            // An axis has no sign of its own: the largest component is made positive.
            if axis.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).is_some_and(|largest| largest < 0.0) {
                axis.iter_mut().for_each(|x| *x = -*x);
            }
        }
        let explained = [0, 1].map(|i| points.iter().map(|point| dot(point, &axes[i]).powi(2)).sum::<f32>() / total);
        Some(Self { mean, axes, explained })
    }

    /// `None`: another dimension, or no direction.
    pub fn project(&self, vector: &[f32]) -> Option<[f32; 2]> {
        let mut point = unit(vector).filter(|point| point.len() == self.mean.len())?;
        point.iter_mut().zip(&self.mean).for_each(|(x, m)| *x -= m);
        Some([dot(&point, &self.axes[0]), dot(&point, &self.axes[1])])
    }
}

fn orthonormal([first, second]: [Vec<f32>; 2]) -> Option<[Vec<f32>; 2]> {
    let first = unit(&first)?;
    let mut second = unit(&second)?;
    // Twice: once loses digits when the two are nearly parallel.
    for _ in 0..2 {
        let along = dot(&first, &second);
        second.iter_mut().zip(&first).for_each(|(s, f)| *s -= along * f);
    }
    let rest = dot(&second, &second).sqrt();
    if rest < 1e-5 {
        return None;
    }
    Some([first, unit(&second)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Directions around (1, 0, 0, …) that differ much along dimension 3, less along 5, hardly elsewhere.
    fn cloud() -> Vec<Vec<f32>> {
        let mut rng = StdRng::seed_from_u64(1);
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

    fn fit(points: &[Vec<f32>]) -> Projection {
        Projection::fit(points.iter().map(Vec::as_slice)).unwrap()
    }

    #[test]
    fn the_axes_are_those_of_the_greatest_variance() {
        let projection = fit(&cloud());
        assert!(projection.axes[0][3] > 0.99, "{:?}", projection.axes[0]);
        assert!(projection.axes[1][5] > 0.99, "{:?}", projection.axes[1]);
        assert!(dot(&projection.axes[0], &projection.axes[1]).abs() < 1e-4);
        let [first, second] = projection.explained;
        assert!(first > 0.8 && second > 0.03 && first + second <= 1.0001, "{first} {second}");
    }

    #[test]
    fn the_same_points_give_the_same_picture_and_lengths_do_not_matter() {
        let points = cloud();
        let projection = fit(&points);
        assert_eq!(projection, fit(&points));
        let long: Vec<f32> = points[7].iter().map(|x| x * 50.0).collect();
        let (a, b) = (projection.project(&points[7]).unwrap(), projection.project(&long).unwrap());
        assert!((a[0] - b[0]).abs() < 1e-5 && (a[1] - b[1]).abs() < 1e-5);
    }

    #[test]
    fn points_without_two_dimensions_of_spread_are_no_picture_or_a_line() {
        let same = vec![vec![1.0, 2.0, 3.0]; 10];
        assert_eq!(Projection::fit(same.iter().map(Vec::as_slice)), None);
        assert_eq!(Projection::fit([[1.0, 0.0].as_slice(), &[0.0, 1.0]]), None);
        let zero = vec![vec![0.0; 3]; 10];
        assert_eq!(Projection::fit(zero.iter().map(Vec::as_slice)), None);
        assert_eq!(fit(&cloud()).project(&[1.0, 2.0]), None);
        let two_directions: Vec<Vec<f32>> =
            (0..10).map(|n| vec![f32::from(n % 2 == 0), f32::from(n % 2 == 1), 0.0]).collect();
        let line = fit(&two_directions);
        assert!(line.explained[0] > 0.999 && line.explained[1] < 1e-3);
    }
}
