use std::{path::Path, sync::Arc};

use proptest::prelude::*;

use super::{
    board::Damaged,
    library::LibraryError,
    standing::{CANDIDATES_KEPT, is_hit},
    *,
};
use crate::{
    engine::corpus::Source,
    model::{self, Score},
};

const DIM: usize = 4;

fn weights(model: u8) -> Digest {
    Digest([model; 32])
}

fn checksum(index: usize) -> Digest {
    model::checksum(&index.to_le_bytes())
}

fn source(len: u32) -> Source {
    Source::file(Path::new("f").into(), 0, len, false)
}

fn sample(index: usize, len: u32, scores: &[(u8, f32, Vec<f32>)]) -> ScoredSample {
    let score = |(model, loss, embedding): &(u8, f32, Vec<f32>)| {
        (weights(*model), Arc::new(Score { loss: *loss, embedding: embedding.clone() }))
    };
    ScoredSample {
        checksum: checksum(index),
        source: source(len),
        scores: scores.iter().map(score).collect(),
        failures: Vec::new(),
    }
}

fn spec(id: u8, embedding: &[f32], threshold: f32, models: &[u8]) -> TargetSpec {
    TargetSpec {
        id: ObjectId([id; 32]),
        embedding: embedding.into(),
        threshold,
        models: models.iter().map(|m| (ObjectId([*m; 32]), Some(weights(*m)))).collect(),
    }
}

/// A direction of its own for each index.
fn embedding(index: usize, dim: usize) -> Vec<f32> {
    model::arrgen::normal(index as u64, dim, 0.0, 0.1)
}

fn open(board: &mut Board, specs: Vec<TargetSpec>, library: &Library) -> Damaged {
    let mut damaged = Damaged::new();
    board.open(specs, Some(library), &mut damaged);
    damaged
}

fn held(library: &Library, model: u8) -> Vec<Digest> {
    library.held(weights(model))
}

prop_compose! {
    fn vector()(values in prop::array::uniform4(-2.0f32..2.0)) -> Vec<f32> { values.to_vec() }
}
prop_compose! {
    // Few distinct losses and lengths, so that ties happen.
    fn raw_sample()(scores in prop::collection::vec(prop::option::weighted(0.9, (0u8..4, vector())), 4), len in 1u32..5)
        -> RawSample { (len, scores) }
}
prop_compose! {
    fn target()(embedding in vector(), threshold in 0.5f32..1.5, models in prop::sample::subsequence(vec![0u8, 1, 2, 3], 1..=3))
        -> (Vec<f32>, f32, Vec<u8>) { (embedding, threshold, models) }
}

/// Length, and (loss, embedding) under each model that has scored it.
type RawSample = (u32, Vec<Option<(u8, Vec<f32>)>>);

/// The rule, written down again without any of the machinery.
fn brute_force(
    samples: &[RawSample],
    target: &(Vec<f32>, f32, Vec<u8>),
    min_margin: f32,
) -> (Option<f32>, Vec<(u32, f32, usize)>) {
    let (mut best, mut hits) = (None, Vec::new());
    for (index, (len, scores)) in samples.iter().enumerate() {
        let mut lowest: Option<(u8, &Vec<f32>)> = None;
        let mut complete = true;
        for model in &target.2 {
            match &scores[usize::from(*model)] {
                None => complete = false,
                Some((loss, embedding)) if lowest.is_none_or(|(least, _)| *loss < least) => {
                    lowest = Some((*loss, embedding));
                }
                Some(_) => {}
            }
        }
        let Some((_, embedding)) = lowest.filter(|_| complete) else { continue };
        let distance = model::cosine_distance(embedding, &target.0);
        if !distance.is_finite() {
            continue;
        }
        best = Some(best.map_or(distance, |b: f32| b.min(distance)));
        if distance <= target.1 && target.1 - distance >= min_margin {
            hits.push((*len, distance, index));
        }
    }
    hits.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(checksum(a.2).cmp(&checksum(b.2))));
    hits.truncate(CANDIDATES_KEPT);
    (best, hits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn the_library_answers_as_brute_force_does_whichever_comes_first(
        samples in prop::collection::vec(raw_sample(), 0..40),
        targets in prop::collection::vec(target(), 1..8),
        samples_first: bool,
        apart: bool,
        restarts in 0usize..3,
        min_margin in 0.0f32..0.2,
    ) {
        let specs: Vec<TargetSpec> = targets
            .iter()
            .zip(0..)
            .map(|((embedding, threshold, models), id)| spec(id, embedding, *threshold, models))
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let mut library = Library::open(dir.path(), u64::MAX).unwrap();
        let mut board = Board::new(min_margin);
        if !samples_first {
            open(&mut board, specs.clone(), &library);
        }
        let scored: Vec<ScoredSample> = samples.iter().enumerate().map(|(index, (len, scores))| {
            let scores: Vec<_> = scores.iter().zip(0u8..).filter_map(|(score, m)| {
                let (loss, embedding) = score.clone()?;
                Some((m, f32::from(loss), embedding))
            }).collect();
            sample(index, *len, &scores)
        }).collect();
        // All scores of a sample at once, or one model's after the other's.
        let batches: Vec<Vec<ScoredSample>> = match apart {
            false => scored.chunks(7).map(<[_]>::to_vec).collect(),
            true => (0..4).map(|m| {
                let one = |sample: &ScoredSample| {
                    let scores = sample.scores.iter().filter(|(held, _)| *held == weights(m)).cloned().collect();
                    ScoredSample { scores, ..sample.clone() }
                };
                scored.iter().map(one).collect()
            }).collect(),
        };
        for batch in batches {
            library.add(&batch).unwrap();
            let mut damaged = Damaged::new();
            board.offer(&batch, Some(&library), &mut damaged);
            prop_assert!(damaged.is_empty());
        }
        for _ in 0..restarts {
            drop(library);
            library = Library::open(dir.path(), u64::MAX).unwrap();
        }
        if samples_first {
            open(&mut board, specs.clone(), &library);
        }
        prop_assert!(library.troubles().is_empty());
        for (spec, target) in specs.iter().zip(&targets) {
            let (best, hits) = brute_force(&samples, target, min_margin);
            let standing = board.standing(&spec.id).unwrap();
            prop_assert_eq!(standing.best_distance, best);
            let found: Vec<_> = standing.candidates.iter().map(|c| (c.source.len(), c.distance, c.checksum)).collect();
            let wanted: Vec<_> = hits.iter().map(|(len, d, i)| (*len, *d, checksum(*i))).collect();
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn targets_that_come_and_go_leave_the_others_as_they_were(
        steps in prop::collection::vec((any::<bool>(), 0u8..12), 1..60),
    ) {
        let mut board = Board::new(0.0);
        let mut expected: Vec<u8> = Vec::new();
        let target = |id: u8| spec(id, &embedding(usize::from(id), 8), 2.0, &[id % 2]);
        for (opens, id) in steps {
            if opens {
                board.open(vec![target(id)], None, &mut Damaged::new());
                expected.retain(|held| *held != id);
                expected.push(id);
            } else {
                board.close(&target(id).id);
                expected.retain(|held| *held != id);
            }
        }
        let at = embedding(99, 8);
        let offered = sample(0, 5, &[(0, 1.0, at.clone()), (1, 1.0, at.clone())]);
        board.offer(&[offered], None, &mut Damaged::new());
        for id in 0..12 {
            let best = board.standing(&target(id).id).map(|standing| standing.best_distance);
            let wanted = model::cosine_distance(&at, &target(id).embedding);
            prop_assert_eq!(best, expected.contains(&id).then_some(Some(wanted)));
        }
    }
}

#[test]
fn a_distance_within_the_band_of_its_threshold_is_decided_by_all_its_bits() {
    const DIM: usize = 2048;
    let dir = tempfile::tempdir().unwrap();
    let mut library = Library::open(dir.path(), u64::MAX).unwrap();
    let target = embedding(1000, DIM);
    let samples: Vec<_> = (0..CANDIDATES_KEPT).map(|n| sample(n, 9, &[(0, 1.0, embedding(n, DIM))])).collect();
    library.add(&samples).unwrap();
    for n in 0..CANDIDATES_KEPT {
        let distance = model::cosine_distance(&embedding(n, DIM), &target);
        // The chain's `≤`: equality passes, one bit above fails.
        for (threshold, hits) in [(distance, true), (distance.next_down(), false), (distance.next_up(), true)] {
            let mut board = Board::new(0.0);
            open(&mut board, vec![spec(0, &target, threshold, &[0])], &library);
            let candidates = &board.standing(&ObjectId([0; 32])).unwrap().candidates;
            assert_eq!(candidates.iter().any(|c| c.checksum == checksum(n)), hits, "sample {n} at {threshold}");
            for candidate in candidates {
                let z = (threshold - candidate.distance) * (DIM as f32).sqrt();
                assert!(is_hit(candidate.distance, threshold, 0.0) && candidate.z == z);
            }
        }
    }
}

#[test]
fn a_target_with_a_model_that_has_no_score_is_not_answered() {
    let dir = tempfile::tempdir().unwrap();
    let mut library = Library::open(dir.path(), u64::MAX).unwrap();
    library.add(&[sample(0, 1, &[(0, 1.0, vec![1.0; DIM])])]).unwrap();
    let mut board = Board::new(0.0);
    open(&mut board, vec![spec(0, &[1.0; DIM], 2.0, &[0, 1])], &library);
    assert_eq!(board.standing(&ObjectId::default()), Some(&Standing::default()));
}

#[test]
fn a_second_score_of_a_sample_completes_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut library = Library::open(dir.path(), u64::MAX).unwrap();
    let mut board = Board::new(0.0);
    open(&mut board, vec![spec(0, &[1.0; DIM], 2.0, &[0, 1])], &library);
    for model in [0, 1] {
        let scored = [sample(0, 1, &[(model, 1.0, vec![1.0; DIM])])];
        library.add(&scored).unwrap();
        board.offer(&scored, Some(&library), &mut Damaged::new());
    }
    // On equal losses the target's first model wins.
    let standing = board.standing(&ObjectId::default()).unwrap();
    assert_eq!(standing.candidates.len(), 1);
    assert_eq!(standing.candidates[0].model, ObjectId([0; 32]));
}

#[test]
fn the_oldest_samples_leave_when_the_library_is_full_and_the_files_stay_within_the_limit() {
    const DIM: usize = 256;
    let limit = 3 * 100 * (4 * DIM as u64 + 256);
    let dir = tempfile::tempdir().unwrap();
    let mut library = Library::open(dir.path(), limit).unwrap();
    let files = |dir: &Path| -> u64 {
        let lengths = std::fs::read_dir(dir).unwrap().flatten().map(|e| (e.path(), e.metadata().unwrap().len()));
        lengths.filter(|(path, _)| path.extension().is_some_and(|e| e == "half" || e == "rest")).map(|(_, n)| n).sum()
    };
    let add = |library: &mut Library, range: std::ops::Range<usize>, models: &[u8]| {
        for n in range {
            let scores: Vec<_> = models.iter().map(|m| (*m, 1.0, embedding(n, DIM))).collect();
            library.add(&[sample(n, 9, &scores)]).unwrap();
            assert!(library.bytes() <= limit, "{} > {limit}", library.bytes());
        }
    };
    add(&mut library, 0..500, &[0, 1]);
    let newest = library.len();
    assert!((140..=150).contains(&newest), "{newest}");
    for model in [0, 1] {
        let mut left = held(&library, model);
        left.sort_unstable();
        let mut wanted: Vec<Digest> = (500 - newest..500).map(checksum).collect();
        wanted.sort_unstable();
        assert_eq!(left, wanted);
    }
    // A third model's scores take room from the first two's files; what they score again is not the oldest any more.
    add(&mut library, 350..500, &[2]);
    assert!(files(dir.path()) <= limit + 6 * 4096);
    assert!(library.len() > 90 && library.len() <= 150, "{}", library.len());
    assert!(held(&library, 2).contains(&checksum(499)));
    for number in (0..500).filter_map(|n| library.find(&checksum(n)).map(|number| (n, number))) {
        for model in 0..3 {
            let shelf = library.shelf(&weights(model)).unwrap();
            if let Some(slot) = shelf.slot(number.1) {
                let (kept, whole) = (shelf.exact(slot).unwrap(), embedding(number.0, DIM));
                // The least numbers are kept to 2⁻⁴¹.
                assert!(kept.iter().zip(whole).all(|(a, b)| (a - b).abs() < 5e-13));
            }
        }
    }
    drop(library);
    let mut library = Library::open(dir.path(), limit / 3).unwrap();
    assert!(library.troubles().is_empty());
    assert!(library.bytes() <= limit / 3 && library.len() > 10, "{} of {}", library.len(), library.bytes());
    assert!(files(dir.path()) <= limit / 3 + 6 * 4096);
}

#[test]
fn nothing_is_kept_within_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut library = Library::open(dir.path(), 0).unwrap();
    library.add(&[sample(0, 1, &[(0, 1.0, vec![1.0; DIM])])]).unwrap();
    assert_eq!((library.len(), library.bytes()), (0, 0));
}

#[test]
fn weights_that_flap_keep_their_scores_and_weights_that_stay_away_lose_them_with_their_files() {
    const HOUR: u64 = 3_600_000;
    let dir = tempfile::tempdir().unwrap();
    let mut library = Library::open(dir.path(), u64::MAX).unwrap();
    let both = sample(1, 1, &[(0, 1.0, vec![1.0; DIM]), (1, 1.0, vec![1.0; DIM])]);
    library.add(&[both, sample(2, 1, &[(0, 1.0, vec![1.0; DIM])])]).unwrap();
    library.keep_weights(&[weights(1)], 1000).unwrap();
    library.keep_weights(&[weights(0), weights(1)], 2000).unwrap();
    library.remove_gone(1000 + HOUR).unwrap();
    assert_eq!((held(&library, 0).len(), held(&library, 1).len()), (2, 1));
    library.keep_weights(&[weights(1)], 3000).unwrap();
    drop(library);
    let mut library = Library::open(dir.path(), u64::MAX).unwrap();
    assert_eq!(held(&library, 0).len(), 2);
    library.remove_gone(3000 + HOUR).unwrap();
    assert_eq!((held(&library, 0), held(&library, 1)), (vec![], vec![checksum(1)]));
    assert_eq!(library.len(), 1);
    assert!(somascope_matching::Matrix::files(dir.path(), &weights(0).0).iter().all(|file| !file.exists()));
}

#[test]
fn what_failed_and_what_half_precision_cannot_hold_is_remembered_and_not_scored_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut library = Library::open(dir.path(), u64::MAX).unwrap();
    let huge = sample(1, 1, &[(0, 1.0, vec![1e9; DIM]), (1, 1.0, vec![f32::NAN; DIM]), (2, 1.0, vec![1.0; DIM])]);
    let mut failed = sample(2, 1, &[]);
    failed.failures = vec![(weights(0), "the loss is not finite".into())];
    library.add(&[huge, failed]).unwrap();
    drop(library);
    let library = Library::open(dir.path(), u64::MAX).unwrap();
    let mut failed = library.failed(weights(0)).unwrap();
    failed.sort_unstable();
    let mut wanted = [checksum(1), checksum(2)];
    wanted.sort_unstable();
    assert_eq!((failed, held(&library, 0)), (wanted.to_vec(), vec![]));
    assert_eq!((library.failed(weights(1)).unwrap(), held(&library, 2)), (vec![checksum(1)], vec![checksum(1)]));
    let won: usize = library.winners(&[weights(0), weights(2)]).iter().map(Vec::len).sum();
    assert_eq!(won, 0);
}

#[test]
fn failures_are_remembered_up_to_a_number_and_go_with_their_weights() {
    let dir = tempfile::tempdir().unwrap();
    let mut library = Library::open(dir.path(), 100 * (32 << 10)).unwrap();
    let failed = |n: usize, model: u8| {
        let failures = vec![(weights(model), "too strange".repeat(100))];
        ScoredSample { failures, ..sample(n, 1, &[]) }
    };
    let count = |library: &Library, model: u8| library.failed(weights(model)).unwrap().len();
    library.add(&(0..90).map(|n| failed(n, 0)).collect::<Vec<_>>()).unwrap();
    assert_eq!(count(&library, 0), 90);
    library.add(&(0..90).map(|n| failed(n, 1)).collect::<Vec<_>>()).unwrap();
    assert_eq!(count(&library, 0) + count(&library, 1), 100);
    drop(library);
    // A limit that was lowered counts for what is there already.
    let mut library = Library::open(dir.path(), 0).unwrap();
    assert_eq!(count(&library, 0) + count(&library, 1), 64);
    library.keep_weights(&[weights(1)], 1).unwrap();
    assert_eq!(count(&library, 0), 0, "though it never had a score, and so no file");
    assert!(count(&library, 1) > 0);
}

/// What a matcher with so much room says of so many samples under two models, twenty at a time.
async fn told(limit_bytes: u64, samples: usize, dim: usize) -> (Pairs, Pairs) {
    let dir = tempfile::tempdir().unwrap();
    let shelf = crate::engine::corpus::Shelf::default();
    let mut matcher = Matcher::spawn(0.0, Compose::Off, shelf, dir.path(), limit_bytes).unwrap();
    let (mut gone, mut unkept, mut given) = (Vec::new(), Vec::new(), 0);
    loop {
        for n in (given..samples).take(20) {
            let scores = [(0, 1.0, embedding(n, dim)), (1, 2.0, embedding(n + 1, dim))];
            matcher.ask(Ask::Scored(vec![sample(n, 1, &scores)]));
            given = n + 1;
        }
        matcher.ask(Ask::Known(weights(0)));
        let held = known(&mut matcher, &mut gone, &mut unkept).await;
        let left = gone.iter().chain(&unkept).filter(|(model, _)| *model == weights(0));
        let mut all: Vec<Digest> = left.map(|(_, sample)| *sample).chain(held).collect();
        all.sort_unstable();
        let mut wanted: Vec<Digest> = (0..given).map(checksum).collect();
        wanted.sort_unstable();
        assert_eq!(all, wanted, "each is held, has left, or was never kept: one of them");
        if given == samples {
            return (gone, unkept);
        }
    }
}

type Pairs = Vec<(Digest, Digest)>;

/// What the library holds, once the matcher says so; what leaves it until then.
async fn known(matcher: &mut Matcher, gone: &mut Pairs, unkept: &mut Pairs) -> Vec<Digest> {
    loop {
        match matcher.replies.recv().await.expect("it answers") {
            Reply::Left { gone: more, unkept: also } => {
                gone.extend(more);
                unkept.extend(also);
            }
            Reply::Known { held, .. } => return held,
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_makes_room_in_the_library_is_told_under_each_of_its_weights() {
    let (gone, unkept) = told(2 * 100 * (4 * 256 + 256), 300, 256).await;
    assert_eq!(unkept, []);
    // The oldest first, and each under both.
    assert!((400..=2 * 264).contains(&gone.len()), "{}", gone.len());
    assert!(gone.contains(&(weights(0), checksum(0))) && gone.contains(&(weights(1), checksum(0))));
    assert!(!gone.iter().any(|(_, sample)| *sample == checksum(299)));
}

#[tokio::test]
async fn what_a_library_without_room_was_given_is_told_as_not_kept() {
    let (gone, unkept) = told(0, 3, 256).await;
    assert_eq!((gone.len(), unkept.len()), (0, 6));
}

#[test]
fn two_libraries_do_not_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = Library::open(dir.path(), 1 << 20).unwrap();
    assert!(matches!(Library::open(dir.path(), 1 << 20), Err(LibraryError::InUse(_))));
    drop(first);
    assert!(Library::open(dir.path(), 1 << 20).is_ok());
}

/// A library of a few samples under two models, as a kill or a loss of power could leave it.
fn damaged(harm: impl FnOnce(&Path)) -> (tempfile::TempDir, Library) {
    let dir = tempfile::tempdir().unwrap();
    let mut library = Library::open(dir.path(), u64::MAX).unwrap();
    for n in 0..20 {
        let scores = [(0, 1.0, embedding(n, 32)), (1, 2.0, embedding(n + 100, 32))];
        library.add(&[sample(n, 9, &scores)]).unwrap();
        if n == 9 {
            library.sync().unwrap();
        }
    }
    drop(library);
    harm(dir.path());
    let library = Library::open(dir.path(), u64::MAX).unwrap();
    (dir, library)
}

fn flip(path: &Path, at: u64) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at as usize] ^= 0x55;
    std::fs::write(path, bytes).unwrap();
}

fn row(slot: u64) -> u64 {
    4096 + slot * 64
}

#[test]
fn rows_that_the_disk_had_not_taken_in_are_told_and_left_out() {
    let [half, rest] = somascope_matching::Matrix::files(Path::new(""), &weights(0).0);
    let (_dir, mut library) = damaged(|dir| {
        flip(&dir.join(&half), row(15) + 3);
        flip(&dir.join(&rest), row(17) + 60);
    });
    assert!(library.troubles().iter().any(|text| text.contains("2 rows")));
    assert_eq!((held(&library, 0).len(), held(&library, 1).len(), library.len()), (18, 20, 20));
    // They are scored again, and that is that.
    let again: Vec<_> = [15, 17].map(|n| sample(n, 9, &[(0, 1.0, embedding(n, 32))])).into();
    library.add(&again).unwrap();
    assert_eq!(held(&library, 0).len(), 20);
}

#[test]
fn a_file_that_ends_early_has_only_the_rows_that_are_whole() {
    let [half, _] = somascope_matching::Matrix::files(Path::new(""), &weights(1).0);
    let (_dir, mut library) = damaged(|dir| {
        let file = std::fs::OpenOptions::new().write(true).open(dir.join(&half)).unwrap();
        file.set_len(row(12) + 1).unwrap();
    });
    assert!(library.troubles()[0].contains("8 rows"));
    assert_eq!((held(&library, 0).len(), held(&library, 1).len()), (20, 12));
}

#[test]
fn a_row_that_rots_later_is_neither_claimed_nor_kept() {
    let [half, _] = somascope_matching::Matrix::files(Path::new(""), &weights(0).0);
    let (_dir, mut library) = damaged(|dir| flip(&dir.join(&half), row(4) + 10));
    assert!(library.troubles().is_empty());
    let mut board = Board::new(0.0);
    let found = open(&mut board, vec![spec(0, &embedding(4, 32), 0.5, &[0, 1])], &library);
    assert_eq!(board.standing(&ObjectId([0; 32])).unwrap().candidates, []);
    let number = library.find(&checksum(4)).unwrap();
    assert!(found.contains(&(weights(0), number)));
    library.forget_row(weights(0), number).unwrap();
    assert!(!held(&library, 0).contains(&checksum(4)) && held(&library, 1).contains(&checksum(4)));
    assert_eq!(library.left(), [(weights(0), checksum(4))]);
}

#[test]
fn files_of_others_are_set_aside_and_told_and_the_rest_goes_on() {
    let [half, _] = somascope_matching::Matrix::files(Path::new(""), &weights(0).0);
    let (dir, mut library) = damaged(|dir| std::fs::write(dir.join(&half), b"somebody's notes").unwrap());
    let troubles = library.troubles();
    assert!(troubles[0].contains("set aside") && troubles[1].contains("20 rows"), "{troubles:?}");
    assert_eq!((held(&library, 0).len(), held(&library, 1).len()), (0, 20));
    let aside = dir.path().join(format!("{}.damaged", half.display()));
    assert_eq!(std::fs::read(aside).unwrap(), b"somebody's notes");

    for (name, bytes) in
        [("text", b"not a database, whatever it is called".to_vec()), ("sqlite", b"SQLite format 3\0".repeat(300))]
    {
        let (dir, mut library) = damaged(|dir| {
            for log in ["-wal", "-shm"] {
                let _ = std::fs::remove_file(dir.join(format!("library.sqlite{log}")));
            }
            std::fs::write(dir.join("library.sqlite"), &bytes).unwrap();
        });
        let troubles = library.troubles();
        assert!(troubles[0].contains("set aside"), "{name}: {troubles:?}");
        assert_eq!(library.len(), 0);
        assert_eq!(std::fs::read(dir.path().join("library.sqlite.damaged")).unwrap(), bytes);
        // Rows that nobody knows the meaning of are of no use.
        assert!(!dir.path().join(&half).exists());
        library.add(&[sample(1, 9, &[(0, 1.0, embedding(1, 32))])]).unwrap();
        assert_eq!(held(&library, 0), [checksum(1)]);
    }
}

#[test]
fn pieces_of_one_origin_are_known_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let mut library = Library::open(dir.path(), u64::MAX).unwrap();
    let piece = |index: usize, path: &str, offset: u64| ScoredSample {
        source: Source::file(Path::new(path).into(), offset, 1024, true),
        ..sample(index, 1, &[(0, 1.0, vec![1.0; DIM])])
    };
    library.add(&[piece(0, "/a", 0), piece(1, "/a", 1024), piece(2, "/b", 0)]).unwrap();
    drop(library);
    let library = Library::open(dir.path(), u64::MAX).unwrap();
    let [a, b, c] = [0, 1, 2].map(|n| library.find(&checksum(n)).unwrap());
    let origin = |number: u32| library.sample(number).unwrap().origin;
    assert!(origin(a) == origin(b) && origin(a) != origin(c));
    assert_eq!(library.source(b), Some(Source::file(Path::new("/a").into(), 1024, 1024, true)));
    let shelf = library.shelf(&weights(0)).unwrap();
    assert_eq!(shelf.slot(c).map(|slot| shelf.samples()[slot as usize]), Some(c));
}
