//! The optimiser: Adam, with the gradient's length limited.

use candle_core::{Result, Tensor, Var, backprop::GradStore};

const MEMORY: f64 = 0.9;
const SQUARES_MEMORY: f64 = 0.98;
const EPSILON: f64 = 1e-8;
const LONGEST: f64 = 1.0;

pub struct Adam {
    parameters: Vec<Parameter>,
    steps: i32,
}

struct Parameter {
    var: Var,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Adam {
    pub fn new(vars: impl Iterator<Item = Var>) -> Self {
        let parameter = |var: Var| {
            let count = var.elem_count();
            Parameter { var, mean: vec![0.0; count], squares: vec![0.0; count] }
        };
        Self { parameters: vars.map(parameter).collect(), steps: 0 }
    }

    pub fn step(&mut self, gradients: &GradStore, rate: f64) -> Result<()> {
        self.steps += 1;
        let gradients: Vec<Option<Vec<f32>>> = self
            .parameters
            .iter()
            .map(|p| gradients.get(&p.var).map(|g| g.flatten_all()?.to_vec1()).transpose())
            .collect::<Result<_>>()?;
        let square: f64 = gradients.iter().flatten().flatten().map(|g| f64::from(*g) * f64::from(*g)).sum();
        let scale = (LONGEST / square.sqrt()).min(1.0);
        let young = |memory: f64| 1.0 - memory.powi(self.steps);
        let (mean_young, squares_young) = (young(MEMORY), young(SQUARES_MEMORY));
        for (Parameter { var, mean, squares }, gradient) in self.parameters.iter_mut().zip(gradients) {
            let Some(gradient) = gradient else { continue };
            let mut values: Vec<f32> = var.flatten_all()?.to_vec1()?;
            for (((value, g), mean), squares) in values.iter_mut().zip(gradient).zip(mean).zip(squares) {
                let g = f64::from(g) * scale;
                *mean = MEMORY * *mean + (1.0 - MEMORY) * g;
                *squares = SQUARES_MEMORY * *squares + (1.0 - SQUARES_MEMORY) * g * g;
                *value -= (rate * (*mean / mean_young) / ((*squares / squares_young).sqrt() + EPSILON)) as f32;
            }
            var.set(&Tensor::from_vec(values, var.shape(), var.device())?)?;
        }
        Ok(())
    }
}
