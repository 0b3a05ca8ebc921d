//! What the map's layouts cost, for embeddings of 2,048: a basis on 2,000 samples, an arrangement of 1,500, and places for 16,384.

use criterion::{Criterion, criterion_group, criterion_main};
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};
use somascope_matching::picture::{Projection, arrange};

const DIM: usize = 2_048;

/// Ten clusters with noise.
fn points(n: usize) -> Vec<Vec<f32>> {
    let mut rng = StdRng::seed_from_u64(1);
    let mut normal = |by: f32| {
        let x: f32 = StandardNormal.sample(&mut rng);
        by * x
    };
    let centres: Vec<Vec<f32>> = (0..10).map(|_| (0..DIM).map(|_| normal(1.0)).collect()).collect();
    (0..n).map(|at| centres[at % 10].iter().map(|x| x + normal(0.7)).collect()).collect()
}

fn bench(criterion: &mut Criterion) {
    let points = points(2_000);
    let fit = || Projection::fit(points.iter().map(Vec::as_slice), 16).expect("they differ");
    let projection = fit();
    let coordinates: Vec<f32> = points.iter().flat_map(|point| projection.project(point).expect("finite")).collect();
    let landmarks = coordinates[..1_500 * 16].to_vec();
    let arranged = arrange(landmarks.clone(), 16).expect("finite");
    let others: Vec<f32> = coordinates.iter().copied().cycle().take(16_384 * 16).collect();
    let mut group = criterion.benchmark_group("picture");
    group.sample_size(10);
    group.bench_function("fit_2000", |b| b.iter(fit));
    group.bench_function("arrange_1500", |b| b.iter(|| arrange(landmarks.clone(), 16)));
    group.bench_function("place_16384", |b| b.iter(|| arranged.place(&others)));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
