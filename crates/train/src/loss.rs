//! What the network scores and so what is trained: the next byte's likelihood and the regulariser (`reference/model.md §3`).

use candle_core::{D, Device, Result, Tensor};

use crate::{data::Window, model::Model, ops::Likelihood, random};

const COEFFICIENT: f64 = 0.02;
const SLICES: usize = 256;
const POINTS: usize = 17;
const LAST_POINT: f64 = 3.0;
const SEQUENCE_LENGTH: usize = 1024;
const BATCH_SIZE: usize = 16;

/// The loss of one batch; the regulariser is taken at every `stride`-th position, which its mean hardly notices and which saves most of its
/// many sines.
pub fn batch(model: &Model, windows: &[Window], noise_seed: u64, stride: usize) -> Result<Tensor> {
    let representations = model.represent(windows)?;
    let targets = windows.iter().flat_map(|w| w.targets.iter().copied()).collect();
    let likelihood = model.predict(&representations)?.apply_op1(Likelihood { targets })?;
    let rows = representations.dim(0)?;
    let chosen: Vec<u32> = (0..rows as u32).step_by(stride).collect();
    let chosen = Tensor::from_vec(chosen, rows.div_ceil(stride), &Device::Cpu)?;
    likelihood + (regulariser(&representations.index_select(&chosen, 0)?, noise_seed)? * COEFFICIENT)?
}

/// Mean over rows of how far projections on random directions are from normally distributed.
fn regulariser(representations: &Tensor, noise_seed: u64) -> Result<Tensor> {
    let embed = representations.dim(1)?;
    let noise = Tensor::from_vec(random::normal(noise_seed, embed * SLICES, 1.0), (embed, SLICES), &Device::Cpu)?;
    let directions = noise.broadcast_div(&noise.sqr()?.sum_keepdim(0)?.sqrt()?)?;
    let projections = representations.matmul(&directions)?;
    let step = LAST_POINT / (POINTS - 1) as f64;
    let mut sum = Tensor::new(0.0f32, &Device::Cpu)?;
    // At the first point both functions are 1.
    for point in 1..POINTS {
        let t = step * point as f64;
        let normal = (-t * t / 2.0).exp();
        let weight = if point == POINTS - 1 { step } else { 2.0 * step } * normal;
        let angles = (&projections * t)?;
        let error = (angles.cos()?.mean(D::Minus1)? - normal)?.sqr()? + angles.sin()?.mean(D::Minus1)?.sqr()?;
        sum = (sum + (error?.mean_all()? * (weight * SLICES as f64))?)?;
    }
    Ok(sum)
}

/// The network's score of one piece of data: its loss, and the embedding summed over nothing but positions and rows.
pub fn score(model: &Model, data: &[u8]) -> Result<f32> {
    let windows: Vec<Window> =
        (0..data.len()).step_by(SEQUENCE_LENGTH).map(|start| Window::new(data, start, SEQUENCE_LENGTH)).collect();
    let batches = windows.chunks(BATCH_SIZE).zip(0..);
    let losses: Vec<f32> =
        batches.map(|(windows, seed)| batch(model, windows, seed, 1)?.to_scalar()).collect::<Result<_>>()?;
    Ok(losses.iter().sum::<f32>() / losses.len() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Dims;

    /// The one promise that makes training worth anything.
    #[test]
    fn a_loss_is_the_one_that_the_product_computes_from_the_same_file() {
        let directory = std::env::temp_dir().join(format!("somascope-train-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("model.safetensors");
        for (dims, seed) in [
            (Dims { embed: 64, feed_forward: 256, layers: 2 }, 1),
            (Dims { embed: 32, feed_forward: 48, layers: 3 }, 2),
        ] {
            let model = Model::new(dims, seed).unwrap();
            // Nothing may be at a value that hides a mistake, such as a bias of 0.
            for (n, var) in model.tensors.values().enumerate() {
                let noise = random::normal(100 + n as u64, var.elem_count(), 0.1);
                let noise = Tensor::from_vec(noise, var.shape(), &Device::Cpu).unwrap();
                var.set(&(var.as_tensor() + noise).unwrap()).unwrap();
            }
            model.save(&path).unwrap();
            let product = somascope::model::Model::from_safetensors(&std::fs::read(&path).unwrap(), None).unwrap();
            let text = include_bytes!("loss.rs");
            for length in [1, 700, 1024, 2500] {
                let data = &text.repeat(2)[..length];
                let (ours, theirs) = (score(&model, data).unwrap(), product.score(data, 0).unwrap().loss);
                assert!((ours - theirs).abs() < 1e-4, "{length} bytes: {ours}, not {theirs}");
            }
        }
        std::fs::remove_dir_all(directory).unwrap();
    }
}
