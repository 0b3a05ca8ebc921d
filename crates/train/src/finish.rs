//! What is done to a trained model so that its embeddings make a map: the same predictions, other axes.
//!
//! A trained model's embeddings all lie in one direction, whatever the data. Moving the origin (the final norm's beta, with the predictor's
//! bias taking it back) leaves every logit as it was and lets samples differ.

use candle_core::{Result, Tensor};

use crate::{data::Window, model::Model};

/// Mean cosine between the embeddings of two windows of the model's kind: near enough to be neighbours, far enough to reach
/// different targets.
const NEIGHBOURLY: f64 = 0.4;

/// Moves the origin to where `windows` are [`NEIGHBOURLY`] and scales to the length that the regulariser asks for.
pub fn finish(model: &Model, windows: &[Window]) -> Result<()> {
    let embed = model.dims.embed;
    let mut means = Vec::new();
    let mut positions: Vec<Vec<f32>> = Vec::new();
    for window in windows {
        let rows: Vec<Vec<f32>> = model.represent(std::slice::from_ref(window))?.detach().to_vec2()?;
        means.push(mean(&rows));
        positions.extend(rows.into_iter().step_by(8));
    }
    let centre = mean(&means);
    let length = dot(&centre, &centre).sqrt();
    let away: f64 = means.iter().map(|m| distance_squared(m, &centre)).sum::<f64>() / means.len() as f64;
    let kept = (NEIGHBOURLY / (1.0 - NEIGHBOURLY) * away).sqrt().min(length) / length;
    let shift: Vec<f32> = centre.iter().map(|c| (f64::from(*c) * (1.0 - kept)) as f32).collect();
    let spread: f64 = positions.iter().map(|p| distance_squared(p, &shift)).sum::<f64>() / positions.len() as f64;
    let scale = (embed as f64 / spread).sqrt();

    let shift = Tensor::from_vec(shift, embed, &candle_core::Device::Cpu)?;
    let var = |name: &str| &model.tensors[name];
    let weight = var("predictor.weight");
    let moved = shift.unsqueeze(0)?.matmul(weight.as_tensor())?.squeeze(0)?;
    var("predictor.bias").set(&(var("predictor.bias").as_tensor() + moved)?)?;
    weight.set(&(weight.as_tensor() / scale)?)?;
    var("final_norm.gamma").set(&(var("final_norm.gamma").as_tensor() * scale)?)?;
    var("final_norm.beta").set(&((var("final_norm.beta").as_tensor() - shift)? * scale)?)
}

fn mean(rows: &[Vec<f32>]) -> Vec<f32> {
    let mut sum = vec![0.0f64; rows[0].len()];
    for row in rows {
        sum.iter_mut().zip(row).for_each(|(sum, r)| *sum += f64::from(*r));
    }
    sum.iter().map(|sum| (sum / rows.len() as f64) as f32).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn distance_squared(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b) * f64::from(a - b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Dims;

    #[test]
    fn predictions_stay_and_neighbours_come_to_the_distance_that_is_asked_for() {
        let model = Model::new(Dims { embed: 32, feed_forward: 64, layers: 2 }, 3).unwrap();
        let text = include_bytes!("finish.rs");
        let windows: Vec<Window> = (0..12).map(|n| Window::new(text, n * 300, 256)).collect();
        let logits = || model.predict(&model.represent(&windows).unwrap()).unwrap().detach();
        let before = logits();
        finish(&model, &windows).unwrap();
        let difference = (logits() - before).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(difference < 1e-4, "{difference}");

        let rows: Vec<Vec<f32>> = model.represent(&windows).unwrap().to_vec2().unwrap();
        let embeddings: Vec<Vec<f32>> = rows.chunks(256).map(mean).collect();
        let cosine = |a: &[f32], b: &[f32]| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        let pairs = embeddings.iter().enumerate().flat_map(|(i, a)| embeddings[..i].iter().map(move |b| (a, b)));
        let cosines: Vec<f64> = pairs.map(|(a, b)| cosine(a, b)).collect();
        let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
        assert!((0.2..0.6).contains(&mean), "{mean}");
    }
}
