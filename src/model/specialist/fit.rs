//! Closed-form reading of a random encoder: centring, and a linear discriminant of the next byte.

use candle_core::{Device, Tensor};
use somascope_kernels as kernels;

use super::super::tokenizer;
use super::super::transformer::{Transformer, multiply};
use super::super::{ModelError, SEQUENCE_LENGTH, VOCABULARY};

/// Windows read; more examples than this are sampled evenly.
const WINDOWS: usize = 20;
/// Counts given to a token never seen: the predictor must not be certain of anything.
const SMOOTHING: f64 = 0.1;
/// Counts that pull a token's mean representation half-way to the mean of all.
const SHRINKAGE: f64 = 4.0;
/// Part of the mean variance added to every direction's, so that the covariance has an inverse.
const RIDGE: f64 = 1e-3;
/// Candidate strengths of the discriminant against the frequencies alone (0).
const STRENGTHS: [f64; 9] = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6];

/// The fitted tensors.
pub(super) struct Reading {
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
    /// `[embed, vocabulary]`
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

/// Reads `examples` through the encoder, whose final norm must still be the identity.
pub(super) fn fit(encoder: &Transformer, examples: &[&[u8]]) -> Result<Reading, ModelError> {
    let embed = encoder.dims.embed;
    let mut seen = Observations::new(encoder, examples)?;
    let frequencies = log_frequencies(&seen.targets);
    let mean = seen.centre();
    let gamma = seen.scale();
    let mut reading = Reading {
        gamma: vec![gamma; embed],
        beta: mean.iter().map(|m| -m * gamma).collect(),
        weight: vec![0.0; embed * VOCABULARY],
        bias: frequencies.iter().map(|f| *f as f32).collect(),
    };
    let Some(discriminant) = Discriminant::new(&seen)? else { return Ok(reading) };
    let mut least = f64::INFINITY;
    let judged = seen.thinned();
    for strength in STRENGTHS {
        let (weight, bias) = discriminant.predictor(strength, &frequencies);
        let matrix = Tensor::from_slice(&weight, (embed, VOCABULARY), &Device::Cpu)?;
        let logits = multiply(judged.representations.clone(), &matrix, |product| kernels::add_bias(product, &bias))?;
        let nll = kernels::nll_sum(&logits, VOCABULARY, &judged.targets);
        if nll < least {
            least = nll;
            (reading.weight, reading.bias) = (weight, bias);
        }
    }
    Ok(reading)
}

/// Smoothed log frequencies of all tokens.
fn log_frequencies(targets: &[u32]) -> Vec<f64> {
    let mut counts = vec![SMOOTHING; VOCABULARY];
    for target in targets {
        counts[*target as usize] += 1.0;
    }
    let total: f64 = counts.iter().sum();
    counts.iter().map(|count| (count / total).ln()).collect()
}

/// Positions that predict something.
struct Observations {
    embed: usize,
    /// `[count, embed]`
    representations: Vec<f32>,
    /// `[count]`
    targets: Vec<u32>,
}

impl Observations {
    fn new(encoder: &Transformer, examples: &[&[u8]]) -> Result<Self, ModelError> {
        let windows: Vec<&[u8]> = examples.iter().flat_map(|example| example.chunks(SEQUENCE_LENGTH)).collect();
        let taken = windows.len().min(WINDOWS);
        let mut seen = Self { embed: encoder.dims.embed, representations: Vec::new(), targets: Vec::new() };
        for i in 0..taken {
            let sequence = tokenizer::sequence(windows[i * windows.len() / taken], 0, SEQUENCE_LENGTH);
            let counted = sequence.counted();
            let representations = encoder.represent(&sequence)?;
            seen.representations.extend_from_slice(&representations[..counted * seen.embed]);
            seen.targets.extend_from_slice(&sequence.targets[..counted]);
        }
        Ok(seen)
    }

    /// Every fourth position.
    fn thinned(&self) -> Self {
        let rows = self.representations.chunks_exact(self.embed).step_by(4);
        let targets = self.targets.iter().step_by(4).copied().collect();
        Self { embed: self.embed, representations: rows.collect::<Vec<_>>().concat(), targets }
    }

    /// Subtracts the mean and returns it.
    fn centre(&mut self) -> Vec<f32> {
        if self.targets.is_empty() {
            return vec![0.0; self.embed];
        }
        let mean = kernels::mean_row(&self.representations, self.embed);
        let minus: Vec<f32> = mean.iter().map(|m| -m).collect();
        self.representations = kernels::add_bias(&self.representations, &minus);
        mean
    }

    /// Scales to the mean variance of 1 that the regulariser asks for, and returns the factor.
    fn scale(&mut self) -> f32 {
        let squares: f64 = self.representations.iter().map(|r| f64::from(*r) * f64::from(*r)).sum();
        if squares == 0.0 {
            return 1.0;
        }
        let factor = (self.representations.len() as f64 / squares).sqrt() as f32;
        self.representations.iter_mut().for_each(|r| *r *= factor);
        factor
    }
}

/// Linear discriminant of the next token: tokens as normal clouds of one covariance around their own means.
struct Discriminant {
    embed: usize,
    /// `[vocabulary, embed]`
    directions: Vec<f64>,
    /// Variance of each token's logit over the observations.
    variances: Vec<f64>,
}

impl Discriminant {
    /// `None` without observations or where their covariance has no inverse.
    fn new(seen: &Observations) -> Result<Option<Self>, ModelError> {
        let (embed, count) = (seen.embed, seen.targets.len());
        if count == 0 {
            return Ok(None);
        }
        let observed = Tensor::from_slice(&seen.representations, (count, embed), &Device::Cpu)?;
        let products: Vec<f32> = observed.t()?.matmul(&observed)?.flatten_all()?.to_vec1()?;
        let mut covariance: Vec<f64> = products.iter().map(|p| f64::from(*p) / count as f64).collect();
        for i in 0..embed {
            covariance[i * embed + i] += RIDGE;
        }
        let Some(factor) = cholesky(covariance, embed) else { return Ok(None) };

        let mut counts = vec![0.0; VOCABULARY];
        let mut directions = vec![0.0; VOCABULARY * embed];
        for (representation, target) in seen.representations.chunks_exact(embed).zip(&seen.targets) {
            let token = *target as usize;
            counts[token] += 1.0;
            let sums = &mut directions[token * embed..][..embed];
            sums.iter_mut().zip(representation).for_each(|(sum, r)| *sum += f64::from(*r));
        }
        let mut variances = vec![0.0; VOCABULARY];
        for ((direction, count), variance) in directions.chunks_exact_mut(embed).zip(counts).zip(&mut variances) {
            let mean: Vec<f64> = direction.iter().map(|sum| sum / (count + SHRINKAGE)).collect();
            direction.copy_from_slice(&mean);
            solve(&factor, direction);
            *variance = mean.iter().zip(direction).map(|(m, d)| m * *d).sum();
        }
        Ok(Some(Self { embed, directions, variances }))
    }

    /// Weight `[embed, vocabulary]` and bias. A normal logit of variance `v` lifts the mean of its exponential by `e^(v/2)`; the bias takes
    /// that back, so the predicted frequencies stay the observed ones.
    fn predictor(&self, strength: f64, frequencies: &[f64]) -> (Vec<f32>, Vec<f32>) {
        let at = |d: usize, token: usize| (strength * self.directions[token * self.embed + d]) as f32;
        let weight = (0..self.embed).flat_map(|d| (0..VOCABULARY).map(move |token| at(d, token))).collect();
        let bias = frequencies.iter().zip(&self.variances).map(|(f, v)| (f - strength * strength * v / 2.0) as f32);
        (weight, bias.collect())
    }
}

/// Lower factor `L` of the symmetric matrix `L·Lᵀ`, row by row; `None` if it is not positive definite.
fn cholesky(mut matrix: Vec<f64>, size: usize) -> Option<Vec<f64>> {
    for i in 0..size {
        for j in 0..=i {
            let (row_i, row_j) = (&matrix[i * size..], &matrix[j * size..]);
            let dot: f64 = row_i[..j].iter().zip(&row_j[..j]).map(|(a, b)| a * b).sum();
            let rest = matrix[i * size + j] - dot;
            matrix[i * size + j] = if i > j {
                rest / matrix[j * size + j]
            } else if rest > 0.0 {
                rest.sqrt()
            } else {
                return None;
            };
        }
    }
    Some(matrix)
}

/// Replaces `x` by the solution of `L·Lᵀ·y = x`.
fn solve(factor: &[f64], x: &mut [f64]) {
    let size = x.len();
    for i in 0..size {
        let dot: f64 = factor[i * size..][..i].iter().zip(&*x).map(|(l, x)| l * x).sum();
        x[i] = (x[i] - dot) / factor[i * size + i];
    }
    for i in (0..size).rev() {
        let dot: f64 = (i + 1..size).map(|j| factor[j * size + i] * x[j]).sum();
        x[i] = (x[i] - dot) / factor[i * size + i];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factored_system_is_solved() {
        let matrix = vec![4.0, 2.0, 0.6, 2.0, 5.0, 1.0, 0.6, 1.0, 3.0];
        let factor = cholesky(matrix.clone(), 3).unwrap();
        let mut x = vec![1.0, -2.0, 0.5];
        solve(&factor, &mut x);
        for (row, expected) in matrix.chunks(3).zip([1.0, -2.0, 0.5]) {
            let found: f64 = row.iter().zip(&x).map(|(a, b)| a * b).sum();
            assert!((found - expected).abs() < 1e-12, "{found}");
        }
        assert!(cholesky(vec![1.0, 2.0, 2.0, 1.0], 2).is_none());
    }
}
