//! Cosine distances and the choice of models for a target, bit for bit as the network computes them (`model.md §8`).
//!
//! The order of the additions is part of the rules here: do not "improve" it.

/// Sum in the reference's order: eight interleaved partial sums, folded, then the odd end.
fn fold(terms: impl ExactSizeIterator<Item = f32>) -> f32 {
    let whole = terms.len() / 8 * 8;
    let mut partial = [0.0f32; 8];
    let mut rest = [0.0f32; 7];
    for (i, term) in terms.enumerate() {
        match i.checked_sub(whole) {
            None => partial[i % 8] += term,
            Some(past) => rest[past] = term,
        }
    }
    let mut sum = 0.0;
    for i in 0..4 {
        sum += partial[i] + partial[i + 4];
    }
    rest.iter().fold(sum, |sum, term| sum + term)
}

fn norm(vector: &[f32]) -> f32 {
    fold(vector.iter().map(|v| v * v)).sqrt()
}

/// `1 − cos` of an embedding and a target. NaN if a norm is zero.
///
/// Lengths must be equal; a shorter one is an error of the caller and gives NaN.
pub fn cosine_distance(embedding: &[f32], target: &[f32]) -> f32 {
    if embedding.len() != target.len() {
        return f32::NAN;
    }
    let (embedding_norm, target_norm) = (norm(embedding), norm(target));
    1.0 - fold(embedding.iter().zip(target).map(|(e, t)| (e / embedding_norm) * (t / target_norm)))
}

/// Which models serve a target: indexes into `models`, best weighted score first, at most `k`.
///
/// `models`: (embedding, stake in shannons) in ascending order of model id. A model whose embedding has another length than the target
/// comes last.
pub fn select_models(target: &[f32], models: &[(&[f32], u64)], k: usize) -> Vec<usize> {
    let roots: Vec<f64> = models.iter().map(|(_, stake)| (*stake as f64).sqrt()).collect();
    let total: f64 = roots.iter().sum();
    let target_norm = norm(target).max(1e-8);
    let mut scored: Vec<(f32, usize)> = models
        .iter()
        .zip(&roots)
        .enumerate()
        .map(|(index, ((embedding, _), root))| {
            let voting_power = if total == 0.0 { 1.0 / models.len() as f32 } else { (root / total) as f32 };
            let distance = if embedding.len() == target.len() {
                let dot = fold(target.iter().zip(*embedding).map(|(t, e)| t * e));
                1.0 - dot / (target_norm * norm(embedding).max(1e-8))
            } else {
                f32::INFINITY
            };
            (distance / (voting_power + 1e-10), index)
        })
        .collect();
    // Ties fall as the reference's sort lets them fall; a stable sort would differ from it beyond twenty models.
    scored.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    scored.into_iter().take(k).map(|(_, index)| index).collect()
}

/// Index of the least finite loss, the first on ties; `None` if there is none (`model.md §3.4`).
pub fn winner(losses: &[f32]) -> Option<usize> {
    let finite = losses.iter().enumerate().filter(|(_, loss)| loss.is_finite());
    finite.reduce(|best, next| if next.1 < best.1 { next } else { best }).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_losses_wins_and_nothing_wins_without_a_finite_loss() {
        assert_eq!(winner(&[2.0, 1.0, 1.0]), Some(1));
        assert_eq!(winner(&[f32::NAN, 3.0, f32::NEG_INFINITY]), Some(1));
        assert_eq!(winner(&[f32::NAN, f32::INFINITY]), None);
        assert_eq!(winner(&[]), None);
    }

    #[test]
    fn a_distance_needs_equal_lengths_and_directions() {
        assert!(cosine_distance(&[1.0, 0.0], &[1.0]).is_nan());
