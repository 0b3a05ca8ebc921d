use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::api::ModelRow;

const NOW_MS: u64 = 10_000_000;

fn id(first: u8, rest: u8) -> ObjectId {
    let mut bytes = [rest; 32];
    bytes[0] = first;
    ObjectId(bytes)
}

fn letters() -> Letters {
    let model = |n: u8| ModelRow {
        id: id(0xa0 + n, 0x77),
        stake: Shannons(1),
        commission_bps: 0,
        resident: true,
        loaded_on: Vec::new(),
        fetching: None,
        trouble: None,
        wins: 0,
        targets: 0,
        pinned: false,
        crowd: 0,
        nearest: None,
    };
    let mut letters = Letters::default();
    letters.follow(&Arc::new((0..30).map(model).collect()));
    letters
}

fn target() -> TargetRow {
    TargetRow {
        id: id(0x5c, 0xd4),
        epoch: 12,
        stage: TargetStage::Hit,
        reward: Shannons(12_685_185),
        threshold: 1.05,
        models: vec![id(0xa1, 0x77), id(0xa0 + 27, 0x77)],
        best_distance: Some(1.04),
        seen_at_ms: NOW_MS - 90_000,
        pinned: true,
    }
}

fn shows(filter: &str, target: &TargetRow) -> bool {
    let letters = letters();
    let filter = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    filter.shows(target, Context { letters: &letters, dim: 2048, now_ms: NOW_MS })
}

#[test]
fn words_say_what_they_mean() {
    let table = [
        ("", true),
        ("   ", true),
        ("5CD4", true),
        ("0x5cd4", true),
        ("0xd4", false),
        ("0xa177", true),
        ("hit", true),
        ("open", false),
        ("b", true),
        ("28", true),
        ("!hit", false),
        ("!open hit", true),
        ("hit open", false),
        ("~^5cd.*4$", true),
        ("~^HI", true),
        ("~^b,28$", true),
        ("~^4", false),
        ("model:B", true),
        ("model:b", true),
        ("model:28", true),
        ("model:A", false),
        ("model:0xA177", true),
        ("model:0x77", false),
        ("status:hit", true),
        ("margin:<0.02", true),
        ("margin:>=0.02", false),
        ("z:>0.4", true),
        ("z:>0.5", false),
        ("distance:<=1.04", true),
        ("reward:>0.01", true),
        ("reward:=12685185sh", true),
        ("age:>1m", true),
        ("age:<90s", false),
        ("age:<=90s", true),
        ("epoch:12", true),
        ("epoch:>12", false),
        ("pinned", true),
        ("!PINNED", false),
    ];
    for (filter, expected) in table {
        assert_eq!(shows(filter, &target()), expected, "{filter}");
    }
}

#[test]
fn what_is_not_known_is_true_of_nothing_but_its_inverse() {
    let untried = TargetRow { best_distance: None, ..target() };
    for filter in ["margin:<1", "margin:>-1", "z:<99", "distance:<2"] {
        assert!(!shows(filter, &untried), "{filter}");
        assert!(shows(&format!("!{filter}"), &untried), "!{filter}");
    }
    let letters = letters();
    let unknown_dim = Context { letters: &letters, dim: 0, now_ms: NOW_MS };
    assert!(!Filter::parse("z:>-9").unwrap().shows(&target(), unknown_dim));
}

#[test]
fn an_error_says_where_and_what_would_be_right() {
    let table = [
        ("hit margin:0.01", 11, 4, "needs < <= > >= or ="),
        ("margin:<x", 8, 1, "needs a number"),
        ("margin:<nan", 8, 3, "needs a number"),
        ("!", 0, 1, "needs a word"),
        ("!!hit", 1, 4, "one !"),
        ("ä colour:red", 0, 1, "in no id"),
        ("hit marg", 4, 4, "fields are model"),
        ("hit colour:red", 4, 10, "no such field"),
        ("status:o", 7, 1, "open, hit, sending or ours"),
        ("model:?", 6, 1, "letter"),
        ("model:3", 6, 1, "letter"),
        ("reward:>much", 8, 4, "SOMA"),
        ("age:<5", 5, 1, "s, m, h or d"),
        ("age:<5µ", 5, 2, "s, m, h or d"),
        ("age:<99999999999999999999d", 5, 21, "s, m, h or d"),
        ("!epoch:twelve", 7, 6, "epoch's number"),
        ("~[", 1, 1, "regular expression"),
        ("~", 0, 1, "regular expression"),
        ("age:", 4, 1, "needs <"),
    ];
    for (text, at, len, why) in table {
        let error = Filter::parse(text).expect_err(text);
        assert_eq!((error.at, error.len), (at, len), "{text}: {error}");
        assert!(error.why.contains(why), "{text}: {error}");
    }
}

#[test]
fn every_example_of_the_help_can_be_read() {
    for (example, _) in LANGUAGE {
        assert!(Filter::parse(example).is_ok(), "{example}");
    }
}

fn any_filter() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[a-z0-9!~:<>=.-]{0,12}",
        "!?(margin|z|distance|best):(<|<=|>|>=|=)-?[0-9]{1,3}(\\.[0-9]{1,6})?(e-?[0-9]{1,2})?",
        "!?reward:(<|<=|>|>=|=)[0-9]{1,6}(\\.[0-9]{1,9})?",
        "!?age:(<|<=|>|>=|=)[0-9]{1,12}[smhdSMHD]",
        "!?epoch:(<|<=|>|>=|=)?[0-9]{1,20}",
        "!?model:([a-zA-Z]|[0-9]{1,4}|0[xX][0-9a-fA-F]{1,64})",
        "!?status:[a-z]{1,4}",
        "!?~\\PC{0,8}",
        "\\PC{0,8}",
    ];
    proptest::collection::vec(word, 0..5).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn no_text_panics_and_a_filter_that_is_printed_reads_as_the_same(text in prop_oneof![any::<String>(), any_filter()]) {
        match Filter::parse(&text) {
            Ok(filter) => {
                let printed = filter.to_string();
                let again = Filter::parse(&printed);
                prop_assert_eq!(again.as_ref(), Ok(&filter), "{} as {}", text, printed);
                let letters = letters();
                let _ = filter.shows(&target(), Context { letters: &letters, dim: 16, now_ms: NOW_MS });
            }
            Err(error) => prop_assert!(error.at < text.chars().count() + 1 && error.len > 0, "{}: {:?}", text, error),
        }
    }
}
