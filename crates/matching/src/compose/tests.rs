use proptest::prelude::*;

use super::*;

/// Windows of a small library, owned.
#[derive(Clone, Debug)]
struct Library {
    dim: usize,
    /// `[model][window]`
    embeddings: Vec<Vec<Vec<f32>>>,
    losses: Vec<Vec<f32>>,
    groups: Vec<u32>,
    contents: Vec<u64>,
    target: Vec<f32>,
}

/// The library's rows as they lie in a matrix: in another order, in half precision.
struct Stored {
    rows: Vec<Vec<f16>>,
    row_of: Vec<u32>,
    norms: Vec<Vec<f32>>,
}

impl Library {
    fn stored(&self) -> Stored {
        let count = self.contents.len();
        let norm = |e: &Vec<f32>| e.iter().map(|x| x * x).sum::<f32>().sqrt();
        let norms: Vec<Vec<f32>> = self.embeddings.iter().map(|of| of.iter().map(norm).collect()).collect();
        // Last window first, so that rows and windows differ.
        let rows = self.embeddings.iter().map(|embeddings| {
            (0..count).rev().flat_map(|window| embeddings[window].iter().map(|x| f16::from_f32(*x))).collect()
        });
        Stored { rows: rows.collect(), row_of: (0..count as u32).rev().collect(), norms }
    }

    fn pool<'a>(&'a self, stored: &'a Stored) -> Pool<'a> {
        let models = stored.rows.iter().zip(&stored.norms).zip(&self.losses).map(|((rows, norms), losses)| Scores {
            rows,
            row_of: &stored.row_of,
            norms,
            losses,
        });
        Pool { dim: self.dim, models: models.collect(), contents: &self.contents }
    }

    fn wanted(&self, threshold: f32, reach: Reach) -> Wanted<'_> {
        Wanted { target: &self.target, threshold, margin: 0.01, loss_margin: 0.0, reach, longest: LONGEST }
    }

    /// The network's rule, written down again in f64 from the embeddings themselves: winner and distance.
    fn judge(&self, windows: &[u32]) -> (usize, f64) {
        let sum_of = |model: usize| windows.iter().map(|w| f64::from(self.losses[model][*w as usize])).sum::<f64>();
        let mut winner = 0;
        for model in 1..self.losses.len() {
            if sum_of(model) < sum_of(winner) {
                winner = model;
            }
        }
        let mut mean = vec![0.0; self.dim];
        for window in windows {
            for (m, x) in mean.iter_mut().zip(&self.embeddings[winner][*window as usize]) {
                *m += f64::from(*x) / windows.len() as f64;
            }
        }
        let dot: f64 = mean.iter().zip(&self.target).map(|(m, t)| m * f64::from(*t)).sum();
        let norm = mean.iter().map(|m| m * m).sum::<f64>().sqrt();
        let target = self.target.iter().map(|t| f64::from(*t).powi(2)).sum::<f64>().sqrt();
        (winner, 1.0 - dot / norm / target)
    }

    /// Length of the shortest composition of all, by trying every one.
    fn shortest(&self, needed: f64, reach: Reach) -> Option<usize> {
        let count = self.contents.len();
        let allowed = |windows: &[u32]| {
            let distinct = |of: &dyn Fn(u32) -> u64| {
                windows.iter().map(|w| of(*w)).collect::<std::collections::BTreeSet<_>>().len()
            };
            distinct(&|w| self.contents[w as usize]) == windows.len()
                && (reach == Reach::Any || distinct(&|w| self.groups[w as usize].into()) == 1)
        };
        (1..1u32 << count)
            .map(|set| (0..count as u32).filter(|w| set >> w & 1 == 1).collect::<Vec<_>>())
            .filter(|windows| allowed(windows) && self.judge(windows).1 <= needed)
            .map(|windows| windows.len())
            .min()
    }
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x /= norm);
    vector
}

prop_compose! {
    /// Clustered: what is common to all windows, to a group, and a window's own. Losses of few values, so that ties happen.
    fn library()(
        windows in 1usize..=12, dim in 6usize..20, models in 1usize..=3, common in 0.0f32..1.5, seed: u64,
    ) -> Library {
        let mut state = seed;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        let mut vector = |scale: f32| (0..dim).map(|_| random() * scale).collect::<Vec<f32>>();
        let groups: Vec<u32> = (0..windows as u32).map(|window| window % 3).collect();
        let embeddings = (0..models).map(|_| {
            let shared = vector(common);
            let of_group: Vec<Vec<f32>> = (0..3).map(|_| vector(0.5)).collect();
            groups.iter().map(|group| {
                let (own, group) = (vector(1.0), &of_group[*group as usize]);
                (0..dim).map(|d| shared[d] + group[d] + own[d]).collect()
            }).collect()
        }).collect();
        let losses: Vec<Vec<f32>> = (0..models).map(|_| vector(2.0)).map(|values| {
            (0..windows).map(|w| 4.0 + (values[w % dim] * 2.0).round() / 2.0).collect()
        }).collect();
        let contents = (0..windows as u64).map(|window| if window == 5 { 2 } else { window }).collect();
        let target = unit(vector(1.0));
        let (mut embeddings, mut losses): (Vec<Vec<Vec<f32>>>, Vec<Vec<f32>>) = (embeddings, losses);
        if windows > 5 {
            // The same bytes have the same scores, wherever they are.
            embeddings.iter_mut().for_each(|of| of[5] = of[2].clone());
            losses.iter_mut().for_each(|of| of[5] = of[2]);
        }
        Library { dim, embeddings, losses, groups, contents, target }
    }
}

proptest! {
    #[test]
    fn what_is_found_obeys_the_networks_rule(
        library in library(), threshold in 0.3f32..1.0,
        reach in prop::sample::select(vec![Reach::Single, Reach::SameGroup, Reach::Any]),
    ) {
        let stored = library.stored();
        let pool = library.pool(&stored);
        let groups = Groups::new(&pool, &library.groups);
        let wanted = library.wanted(threshold, reach);
        let Some(found) = compose(&pool, &groups, &wanted) else { return Ok(()) };
        let (winner, distance) = library.judge(&found.windows);
        prop_assert_eq!(found.winner, winner);
        prop_assert!((f64::from(found.distance) - distance).abs() < 1e-3, "{} is not {distance}", found.distance);
        prop_assert!(found.distance <= threshold - wanted.margin);
        prop_assert!(found.windows.is_sorted_by(|a, b| a < b), "ascending, none twice");
        let mut contents: Vec<u64> = found.windows.iter().map(|w| library.contents[*w as usize]).collect();
        contents.sort_unstable();
        prop_assert!(contents.is_sorted_by(|a, b| a < b), "no content twice");
        let group = library.groups[found.windows[0] as usize];
        match reach {
            Reach::Single => prop_assert_eq!(found.windows.len(), 1),
            Reach::SameGroup => prop_assert!(found.windows.iter().all(|w| library.groups[*w as usize] == group)),
            Reach::Any => {}
        }
        for (model, loss) in found.losses.iter().enumerate() {
            let mean = found.windows.iter().map(|w| library.losses[model][*w as usize]).sum::<f32>();
            prop_assert!((loss - mean / found.windows.len() as f32).abs() < 1e-5);
        }
    }

    #[test]
    fn no_other_composition_is_much_shorter(
        library in library(), threshold in 0.3f32..1.0, reach in prop::sample::select(vec![Reach::SameGroup, Reach::Any]),
    ) {
        let stored = library.stored();
        let pool = library.pool(&stored);
        let groups = Groups::new(&pool, &library.groups);
        let wanted = library.wanted(threshold, reach);
        let found = compose(&pool, &groups, &wanted).map(|found| found.windows.len());
        // What half precision could hide is not held against the search.
        let needed = f64::from(threshold - wanted.margin - half_band(library.dim)) - 1e-3;
        let Some(shortest) = library.shortest(needed, reach) else { return Ok(()) };
        if shortest == 1 {
            prop_assert_eq!(found, Some(1));
        } else if let Some(found) = found {
            prop_assert!(found <= shortest + 1, "{found} windows where {shortest} do");
        }
    }
}

/// How often the search misses what trying everything finds: seldom, and the number is measured and not hoped for.
#[test]
fn nearly_always_the_shortest_is_found() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let (mut asked, mut shortest_found, mut longer, mut missed) = (0, 0, 0, 0);
    while asked < 400 {
        let library = library().new_tree(&mut runner).expect("a library").current();
        let stored = library.stored();
        let pool = library.pool(&stored);
        let groups = Groups::new(&pool, &library.groups);
        for (threshold, reach) in [(0.7, Reach::Any), (0.55, Reach::Any), (0.7, Reach::SameGroup)] {
            let wanted = library.wanted(threshold, reach);
            let needed = f64::from(threshold - wanted.margin - half_band(library.dim)) - 1e-3;
            let Some(shortest) = library.shortest(needed, reach).filter(|shortest| *shortest > 1) else { continue };
            asked += 1;
            match compose(&pool, &groups, &wanted) {
                Some(found) if found.windows.len() <= shortest => shortest_found += 1,
                Some(_) => longer += 1,
                None => missed += 1,
            }
        }
    }
    println!("of {asked}: shortest {shortest_found}, longer {longer}, missed {missed}");
    assert!(
        shortest_found * 100 >= asked * 95,
        "of {asked}: shortest {shortest_found}, longer {longer}, missed {missed}"
    );
}

#[test]
fn nothing_comes_of_nothing() {
    let library = Library {
        dim: 2,
        embeddings: vec![Vec::new()],
        losses: vec![Vec::new()],
        groups: Vec::new(),
        contents: Vec::new(),
        target: vec![1.0, 0.0],
    };
    let stored = library.stored();
    let pool = library.pool(&stored);
    assert_eq!(compose(&pool, &Groups::new(&pool, &[]), &library.wanted(2.0, Reach::Any)), None);
}

#[test]
fn a_window_whose_loss_is_no_number_takes_part_in_nothing() {
    let library = Library {
        dim: 2,
        embeddings: vec![vec![vec![1.0, 0.0], vec![1.0, 0.1]]],
        losses: vec![vec![f32::NAN, 1.0]],
        groups: vec![0, 0],
        contents: vec![0, 1],
        target: vec![1.0, 0.0],
    };
    let stored = library.stored();
    let pool = library.pool(&stored);
    let found = compose(&pool, &Groups::new(&pool, &library.groups), &library.wanted(0.5, Reach::Any));
    assert_eq!(found.map(|found| found.windows), Some(vec![1]));
}

/// Two windows of one file, each with an error of its own, and one of another file.
fn two_of_a_file(second_error: f32) -> Library {
    Library {
        dim: 3,
        embeddings: vec![vec![vec![1.0, 2.0, 0.0], vec![1.0, second_error, 0.0], vec![1.0, 0.0, 3.0]]],
        losses: vec![vec![1.0, 1.0, 1.0]],
        groups: vec![0, 0, 1],
        contents: vec![0, 1, 2],
        target: vec![1.0, 0.0, 0.0],
    }
}

#[test]
fn a_composition_reaches_what_none_of_its_windows_does() {
    // What one errs by, the other takes away.
    let library = two_of_a_file(-2.0);
    let stored = library.stored();
    let pool = library.pool(&stored);
    let groups = Groups::new(&pool, &library.groups);
    assert_eq!(compose(&pool, &groups, &library.wanted(0.1, Reach::Single)), None);
    for reach in [Reach::SameGroup, Reach::Any] {
        let found = compose(&pool, &groups, &library.wanted(0.1, reach)).expect("the errors cancel");
        assert_eq!((found.windows, found.winner), (vec![0, 1], 0));
        assert!(found.distance.abs() < 1e-6);
    }
}

#[test]
fn without_one_within_the_target_the_nearest_of_several_windows_is_told() {
    let library = two_of_a_file(-1.0);
    let stored = library.stored();
    let pool = library.pool(&stored);
    let groups = Groups::new(&pool, &library.groups);
    // Once by what estimates hope for, once by what comes nearest although they hope for nothing.
    for (threshold, reach) in
        [(0.06, Reach::SameGroup), (0.06, Reach::Any), (0.01, Reach::SameGroup), (0.01, Reach::Any)]
    {
        let wanted = library.wanted(threshold, reach);
        assert_eq!(compose(&pool, &groups, &wanted), None);
        let nearest = approach(&pool, &groups, &wanted).expect("two were put together");
        assert!(nearest.windows.len() > 1 && !wanted.is_met_by(&nearest), "{nearest:?}");
        // (2, 1, 0) is at 1 − 2/√5.
        assert!(nearest.distance <= 0.1056 + 1e-3 && nearest.distance > threshold, "{nearest:?}");
    }
    // One window is no composition.
    assert_eq!(approach(&pool, &groups, &library.wanted(0.06, Reach::Single)), None);
}
