//! Every action of the registry can be reached, is told of, and does something.

use somascope::{
    api::{Level, Snapshot},
    app::{
        AppEvent, Effect, Notice, Place, State,
        actions::{ACTIONS, ActionInfo, Palette},
        hints, update,
    },
};

use crate::{
    harness::{COLOUR, Drawn, after, busy, state, text},
    states::STATES,
};

/// The screens among the named states.
fn screens() -> impl Iterator<Item = (&'static str, State)> {
    STATES.iter().filter_map(|named| match (named.make)() {
        Drawn::Screen(state) => Some((named.name, *state)),
        Drawn::FirstRun(_) | Drawn::Replay(..) => None,
    })
}

#[test]
fn every_action_has_a_key_that_leads_to_it_where_it_belongs_and_the_palette_knows_what_is_no_motion() {
    let keymap = after(busy(), "").keymap;
    for info in ACTIONS {
        let keys = keymap.keys(info);
        assert!(!keys.is_empty(), "{} has no key", info.id);
        for (place, key) in info.places.iter().flat_map(|place| keys.iter().map(move |key| (*place, *key))) {
            assert_eq!(keymap.lookup(key, place).map(|found| found.id), Some(info.id), "{key:?} at {place:?}");
        }
    }
    let whole = |place| Palette::of(place, "", |_| true).found;
    // A screen's key, and the question behind it, are found by name wherever they can be asked for.
    for id in
        ["approve", "approve-all", "mode", "policy", "export", "inspect", "box", "pause", "quit", "log-filter", "pin"]
    {
        let info = ACTIONS.iter().find(|info| info.id == id).unwrap_or_else(|| panic!("{id}"));
        for place in info.places {
            let found = whole(*place).iter().any(|found| found.action == info.action);
            assert!(found, "{id} is not found by name at {place:?}");
        }
    }
}

#[test]
fn every_action_is_in_the_help_or_at_the_foot_of_its_dialog() {
    // Room for all of them at once.
    let mut help = Drawn::from(after(busy(), "?"));
    help.fit((150, 400), COLOUR);
    let Drawn::Screen(help) = help else { return };
    let help = text(&help);
    for info in ACTIONS {
        let in_dialog = || {
            let shows = |(_, state): &(_, State)| {
                info.places.contains(&state.place()) && hints(state, 300).iter().any(|hint| hint.name == info.name)
            };
            screens().any(|screen| shows(&screen))
        };
        assert!(help.contains(info.help) || in_dialog(), "nobody is told of {}: {}", info.id, info.help);
    }
}

/// What it changes, without a refusal.
fn acts(info: &ActionInfo, mut state: State) -> bool {
    let keymap = state.keymap.clone();
    let Some(key) = keymap.keys(info).first() else { return false };
    let (before, notice) = (text(&state), state.notice.take());
    let now_ms = state.now_ms + 300;
    update(&mut state, AppEvent::Clock { now_ms });
    let effects = update(&mut state, AppEvent::Key(*key));
    let is_refusal = |notice: &Notice| notice.level == Level::Warning;
    if state.notice.as_ref().is_some_and(is_refusal) && state.notice != notice {
        return false;
    }
    effects.iter().any(|effect| *effect != Effect::Redraw) || text(&state) != before
}

#[test]
fn every_action_does_something_on_some_screen() {
    for info in ACTIONS {
        let does = screens().any(|(_, state)| info.places.contains(&state.place()) && acts(info, state));
        assert!(does, "{} does nothing anywhere", info.id);
    }
}

#[test]
fn every_place_is_among_the_named_states() {
    let mut places: Vec<Place> = ACTIONS.iter().flat_map(|info| info.places).copied().collect();
    places.dedup();
    for place in places {
        assert!(screens().any(|(_, state)| state.place() == place), "no state is at {place:?}");
    }
}

#[test]
fn the_foot_says_the_way_back_and_offers_only_what_acts() {
    let shown = |snapshot: Snapshot, typed: &str| {
        let hints = hints(&state(snapshot, COLOUR, (80, 24), typed), 80);
        hints.iter().map(|hint| format!("{} {}", hint.key, hint.name)).collect::<Vec<_>>()
    };
    for typed in ["a", "2", "3", "4", "5", "5\n", "6", "7", "8"] {
        let hints = shown(busy(), typed);
        assert!(hints.contains(&"Esc back".to_owned()) && hints.contains(&"q quit".to_owned()), "{typed}: {hints:?}");
    }
    let details = shown(busy(), "5\n").join("  ");
    assert!(details.contains("C copy part") && !details.contains("sort") && !details.contains("filter"), "{details}");
    let none = shown(Snapshot { approvals: Default::default(), ..busy() }, "a").join("  ");
    assert!(!none.contains("approve") && !none.contains("mark") && none.contains("1-8 screens"), "{none}");
}
