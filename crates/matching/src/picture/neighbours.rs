//! An arrangement in the plane that keeps neighbours together: each pair attracts by how near they are among their neighbours, all repel
//! each other (van der Maaten and Hinton's t-SNE, exactly, which a few thousand points allow). It starts from a given picture and is turned
//! back to it, so that it is oriented alike.

use rayon::prelude::*;

use super::dot;
use crate::products;

const ITERATIONS: usize = 350;
/// Attraction is so much stronger at first, for so many iterations: clusters find each other before they settle.
const EXAGGERATION: f32 = 12.0;
const EXAGGERATED: usize = 100;
/// Neighbours that a point counts, as the exponential of an entropy.
const PERPLEXITY: f32 = 30.0;
/// Nearest landmarks that place another point.
const NEAREST: usize = 3;
/// Points that are placed together.
const BLOCK: usize = 512;

/// Points with their places, which place others.
#[derive(Clone, Debug, PartialEq)]
pub struct Landmarks {
    dim: usize,
    /// `[landmarks, dim]`
    points: Vec<f32>,
    squares: Vec<f32>,
    places: Vec<[f32; 2]>,
}

/// Arranges `points` `[n, dim]` in the plane; the first two numbers of each are where they start from. `None`: fewer than four points, or
/// one that is not finite.
pub fn arrange(points: Vec<f32>, dim: usize) -> Option<Landmarks> {
    let n = points.len().checked_div(dim)?;
    if dim < 2 || n < 4 || points.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let start: Vec<[f32; 2]> = points.chunks_exact(dim).map(|point| [point[0], point[1]]).collect();
    let squares: Vec<f32> = points.chunks_exact(dim).map(|point| dot(point, point)).collect();
    let attraction = attraction(&points, &squares, dim);
    let mut places = descend(&attraction, &start, n);
    turn_back(&mut places, &start);
    Some(Landmarks { dim, points, squares, places })
}

/// `[n, n]`, symmetric, of sum 1: how much each pair attracts.
fn attraction(points: &[f32], squares: &[f32], dim: usize) -> Vec<f32> {
    let n = squares.len();
    let mut near = vec![0.0f32; n * n];
    products(points, points, dim, &mut near);
    let perplexity = PERPLEXITY.min((n - 1) as f32 / 3.0).max(1.0);
    near.par_chunks_mut(n).enumerate().for_each(|(i, row)| {
        for (j, x) in row.iter_mut().enumerate() {
            *x = (squares[i] + squares[j] - 2.0 * *x).max(0.0);
        }
        let least = row.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, d)| *d).fold(f32::INFINITY, f32::min);
        // The width at which the row's entropy is that of so many neighbours.
        let (mut low, mut high, mut beta) = (0.0f32, f32::INFINITY, 1.0 / least.max(1e-6));
        for _ in 0..60 {
            let (mut sum, mut weighted) = (0.0f32, 0.0f32);
            for (j, d) in row.iter().enumerate() {
                if j != i {
                    let p = (-(d - least) * beta).exp();
                    sum += p;
                    weighted += p * (d - least);
                }
            }
            let entropy = sum.ln() + beta * weighted / sum;
            let over = entropy - perplexity.ln();
            if over.abs() < 1e-4 {
                break;
            }
            if over > 0.0 {
                low = beta;
                beta = if high.is_finite() { f32::midpoint(low, high) } else { beta * 2.0 };
            } else {
                high = beta;
                beta = f32::midpoint(low, high);
            }
        }
        row.iter_mut().for_each(|d| *d = (-(*d - least) * beta).exp());
        row[i] = 0.0;
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|p| *p /= sum);
    });
    let scale = 1.0 / (2.0 * n as f32);
    for i in 0..n {
        for j in 0..i {
            let both = (near[i * n + j] + near[j * n + i]) * scale;
            (near[i * n + j], near[j * n + i]) = (both, both);
        }
    }
    near
}

fn spread(places: &[[f32; 2]]) -> f32 {
    let n = places.len() as f32;
    let mean = [0, 1].map(|axis| places.iter().map(|place| place[axis]).sum::<f32>() / n);
    (places.iter().map(|place| (place[0] - mean[0]).powi(2) + (place[1] - mean[1]).powi(2)).sum::<f32>() / n).sqrt()
}

fn descend(attraction: &[f32], start: &[[f32; 2]], n: usize) -> Vec<[f32; 2]> {
    let scale = 1e-2 / spread(start).max(1e-12);
    // Points at the very same place would stay there: each begins a hair aside, by its number.
    let aside = |at: usize| {
        let angle = at as f32 * 2.399_963;
        [angle.cos() * 1e-5, angle.sin() * 1e-5]
    };
    let mut places: Vec<[f32; 2]> = start
        .iter()
        .enumerate()
        .map(|(at, place)| [place[0] * scale + aside(at)[0], place[1] * scale + aside(at)[1]])
        .collect();
    let (mut speed, mut gains) = (vec![[0.0f32; 2]; n], vec![[1.0f32; 2]; n]);
    let rate = (n as f32 / EXAGGERATION).max(10.0);
    let (mut pull, mut push) = (vec![[0.0f32; 2]; n], vec![([0.0f32; 2], 0.0f32); n]);
    for iteration in 0..ITERATIONS {
        let is_early = iteration < EXAGGERATED;
        let (stress, momentum) = if is_early { (EXAGGERATION, 0.5) } else { (1.0, 0.8) };
        let (xs, ys): (Vec<f32>, Vec<f32>) = places.iter().map(|place| (place[0], place[1])).unzip();
        pull.par_iter_mut().zip(push.par_iter_mut()).enumerate().for_each(|(i, (pull, push))| {
            let (x, y) = (xs[i], ys[i]);
            let (mut attract, mut repel, mut sum) = ([0.0f32; 2], [0.0f32; 2], 0.0f32);
            for ((p, xj), yj) in attraction[i * n..][..n].iter().zip(&xs).zip(&ys) {
                let (dx, dy) = (x - xj, y - yj);
                let q = 1.0 / (1.0 + dx * dx + dy * dy);
                let (a, r) = (p * q, q * q);
                attract[0] += a * dx;
                attract[1] += a * dy;
                repel[0] += r * dx;
                repel[1] += r * dy;
                sum += q;
            }
            // Less the point itself.
            (*pull, *push) = (attract, (repel, sum - 1.0));
        });
        let all: f32 = push.iter().map(|(_, sum)| sum).sum::<f32>().max(1e-12);
        for at in 0..n {
            for axis in 0..2 {
                let slope = 4.0 * (stress * pull[at][axis] - push[at].0[axis] / all);
                let agrees = (slope > 0.0) == (speed[at][axis] > 0.0);
                let gain = &mut gains[at][axis];
                *gain = if agrees { (*gain * 0.8).max(0.01) } else { *gain + 0.2 };
                speed[at][axis] = momentum * speed[at][axis] - rate * *gain * slope;
                places[at][axis] += speed[at][axis];
            }
        }
        let mean = [0, 1].map(|axis| places.iter().map(|place| place[axis]).sum::<f32>() / n as f32);
        places.iter_mut().for_each(|place| (0..2).for_each(|axis| place[axis] -= mean[axis]));
    }
    places
}

/// Turns, mirrors, scales and moves an arrangement so that it lies on `start` as well as it can (Procrustes).
fn turn_back(places: &mut [[f32; 2]], start: &[[f32; 2]]) {
    let n = start.len() as f32;
    let middle = [0, 1].map(|axis| start.iter().map(|place| place[axis]).sum::<f32>() / n);
    let scale = spread(start) / spread(places).max(1e-12);
    let (mut plain, mut mirrored) = ([0.0f64; 2], [0.0f64; 2]);
    for (place, start) in places.iter().zip(start) {
        let [x, y] = place.map(f64::from);
        let [u, v] = [f64::from(start[0] - middle[0]), f64::from(start[1] - middle[1])];
        plain[0] += x * u + y * v;
        plain[1] += x * v - y * u;
        mirrored[0] += x * u - y * v;
        mirrored[1] += x * v + y * u;
    }
    let strength = |turn: [f64; 2]| turn[0].hypot(turn[1]);
    let is_mirrored = strength(mirrored) > strength(plain);
    let turn = if is_mirrored { mirrored } else { plain };
    let length = strength(turn);
    let (cos, sin) = if length > 1e-12 { ((turn[0] / length) as f32, (turn[1] / length) as f32) } else { (1.0, 0.0) };
    for place in places {
        let [x, y] = [place[0], if is_mirrored { -place[1] } else { place[1] }];
        *place = [(x * cos - y * sin) * scale + middle[0], (x * sin + y * cos) * scale + middle[1]];
    }
}

impl Landmarks {
    pub fn places(&self) -> &[[f32; 2]] {
        &self.places
    }

    /// Where other points `[_, dim]` lie: among their nearest landmarks, nearer ones weighing more.
    pub fn place(&self, others: &[f32]) -> Vec<[f32; 2]> {
        let block = |others: &[f32]| -> Vec<[f32; 2]> {
            let rows = others.len() / self.dim;
            let mut along = vec![0.0; rows * self.places.len()];
            products(others, &self.points, self.dim, &mut along);
            others
                .chunks_exact(self.dim)
                .zip(along.chunks_exact(self.places.len()))
                .map(|(point, along)| self.place_one(dot(point, point), along))
                .collect()
        };
        others.chunks(BLOCK * self.dim).flat_map(block).collect()
    }

    fn place_one(&self, square: f32, along: &[f32]) -> [f32; 2] {
        let mut nearest = [(f32::INFINITY, 0usize); NEAREST];
        for (at, (product, landmark)) in along.iter().zip(&self.squares).enumerate() {
            let away = (square + landmark - 2.0 * product).max(0.0);
            if away < nearest[NEAREST - 1].0 {
                let place = nearest.partition_point(|(held, _)| *held <= away);
                nearest.copy_within(place..NEAREST - 1, place + 1);
                nearest[place] = (away, at);
            }
        }
        let (mut place, mut sum) = ([0.0f32; 2], 0.0f32);
        for (away, at) in nearest.into_iter().filter(|(away, _)| away.is_finite()) {
            let weight = 1.0 / (away + 1e-9);
            sum += weight;
            (0..2).for_each(|axis| place[axis] += weight * self.places[at][axis]);
        }
        if sum > 0.0 { place.map(|x| x / sum) } else { [0.0; 2] }
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    /// Three tight groups in eight dimensions, two of which lie on each other in the first two.
    fn groups() -> (Vec<f32>, Vec<usize>) {
        let centres = [[0.0; 8], [2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [2.0, 1.0, 0.0, 0.0, 1.5, 0.0, 0.0, 0.0]];
        let mut rng = StdRng::seed_from_u64(3);
        let (mut points, mut group) = (Vec::new(), Vec::new());
        for at in 0..150 {
            group.push(at % 3);
            points.extend(centres[at % 3].map(|x: f32| {
                let noise: f32 = StandardNormal.sample(&mut rng);
                x + 0.1 * noise
            }));
        }
        (points, group)
    }

    fn away(a: [f32; 2], b: [f32; 2]) -> f32 {
        (a[0] - b[0]).hypot(a[1] - b[1])
    }

    #[test]
    fn neighbours_stay_together_and_what_a_projection_hides_comes_apart() {
        let (points, group) = groups();
        let places = arrange(points, 8).unwrap().places().to_vec();
        let middle = |wanted: usize| {
            let mine: Vec<[f32; 2]> =
                places.iter().zip(&group).filter(|(_, group)| **group == wanted).map(|(place, _)| *place).collect();
            let n = mine.len() as f32;
            let middle = [0, 1].map(|axis| mine.iter().map(|place| place[axis]).sum::<f32>() / n);
            (middle, mine.iter().map(|place| away(*place, middle)).fold(0.0, f32::max))
        };
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            let ((ma, ra), (mb, rb)) = (middle(a), middle(b));
            assert!(away(ma, mb) > ra.max(rb), "{a} {b}: {ma:?} ± {ra}, {mb:?} ± {rb}");
        }
        // Oriented as it started: the first group lies to the left of the others.
        assert!(middle(0).0[0] < middle(1).0[0].min(middle(2).0[0]));
    }

    #[test]
    fn the_same_points_are_arranged_the_same_and_landmarks_place_themselves() {
        let (points, _) = groups();
        let (first, again) = (arrange(points.clone(), 8).unwrap(), arrange(points.clone(), 8).unwrap());
        assert_eq!(first, again);
        let placed = first.place(&points);
        assert!(placed.iter().zip(first.places()).all(|(a, b)| away(*a, *b) < 1e-2 * spread(first.places())));
        assert!(placed.iter().flatten().all(|x| x.is_finite()));
    }

    #[test]
    fn what_cannot_be_arranged_is_not() {
        assert_eq!(arrange(vec![0.0; 6], 2), None);
        assert_eq!(arrange(vec![f32::NAN; 20], 2), None);
        assert_eq!(arrange(vec![1.0; 20], 1), None);
        // All at one place: nothing to see, and nothing breaks.
        assert!(arrange(vec![1.0; 40], 2).unwrap().places().iter().flatten().all(|x| x.is_finite()));
    }
}
