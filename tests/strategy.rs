//! The strategy bench at a size that takes seconds: who plays how, not who is faster.

#[expect(dead_code, reason = "what only the bench prints")]
#[path = "../benches/strategy/game/mod.rs"]
mod game;

use game::{Played, Rules, World, WorldSpec};

#[test]
fn each_strategy_fills_more_than_the_one_before_it_and_audits_agree() {
    let spec = WorldSpec { dim: 32, feed_forward: 32, layers: 1, windows: 60, seed: 1 };
    let world = World::of(spec, None).expect("a scored corpus");
    let rules = Rules { threshold: 0.7, epoch_evaluations: 100, targets_per_epoch: 120, seed: 1 };
    let played: Vec<Played> =
        game::players().into_iter().map(|player| game::play(&world, &rules, player).expect("a game")).collect();
    let [reference, library, same_source, any] = played.as_slice() else { panic!("four players") };
    for played in &played {
        assert_eq!((played.evaluations, played.epochs), (300, 4), "{played:?}");
        assert!(played.fills > 0 && played.fills <= played.targets, "{played:?}");
    }
    assert!(library.fills > reference.fills, "{played:?}");
    assert!(same_source.fills > library.fills && any.fills > same_source.fills, "{played:?}");
    assert_eq!((reference.compositions, library.compositions), (0, 0), "{played:?}");
    for composer in [same_source, any] {
        assert!(composer.compositions > 0 && composer.composed_windows >= 2 * composer.compositions, "{composer:?}");
        assert!(composer.checked > 0 && composer.largest_error < 1e-4, "{composer:?}");
    }
    assert!(reference.confirmations == 0 && library.confirmations > 0, "{played:?}");
}
