//! What holds on every screen: colours repeat what words say, ASCII is ASCII, and nothing hostile reaches the terminal.

use std::sync::Arc;

use ratatui::{buffer::Cell, style::Color};
use somascope::{api::SubmissionState, views::built_in};

use crate::{
    emulator::attributes,
    fixture,
    harness::{ASCII, COLOUR, Drawn, MONO, SIZES, after, busy, emulate, one, picture, state},
    states::STATES,
};

#[test]
fn small_and_narrow_terminals_show_the_focused_pane() {
    for (name, word, size) in [
        ("dashboard_busy", "", (50, 14)),
        ("dashboard_busy", "", (50, 60)),
        ("dashboard_busy", "", (20, 5)),
        ("dashboard_busy", "", (12, 3)),
        ("approvals", "a", (50, 14)),
        ("approvals", "a", (20, 5)),
        ("policy", "P", (30, 8)),
    ] {
        let mut drawn = Drawn::from(after(busy(), word));
        drawn.fit(size, COLOUR);
        one(&format!("{name}_{}x{}_colour", size.0, size.1), &drawn.picture(), false);
    }
}

#[test]
fn colours_that_everybody_tells_apart_take_the_place_of_the_others() {
    let palette = built_in("colour-blind").expect("it is built in");
    for (name, word) in [("dashboard_busy", ""), ("map", "3t"), ("approvals", "a")] {
        let drawn = Drawn::from(state(busy(), COLOUR, SIZES[0], word));
        one(&format!("{name}_80x24_colour_blind"), &drawn.picture_in(palette), true);
    }
    // Red and green are what not everybody tells apart.
    for named in STATES {
        let mut drawn = (named.make)();
        drawn.fit(SIZES[1], COLOUR);
        let odd = |cell: &Cell| {
            [cell.fg, cell.bg]
                .iter()
                .any(|colour| matches!(colour, Color::Red | Color::Green | Color::LightRed | Color::LightGreen))
        };
        assert!(!drawn.picture_in(palette).content.iter().any(odd), "{}", named.name);
    }
}

#[test]
fn without_colour_nothing_is_coloured() {
    for named in STATES {
        let mut drawn = (named.make)();
        drawn.fit(SIZES[1], MONO);
        let used = attributes(emulate(&drawn.picture()).look().parser.screen());
        assert!(!used.contains("fg") && !used.contains("bg"), "{}: {used}", named.name);
    }
}

/// Where colours become letters or shades.
fn is_map(text: &str) -> bool {
    text.contains("Niche map")
}

#[test]
fn without_colour_the_words_are_the_same() {
    for named in STATES {
        let mut drawn = (named.make)();
        for size in SIZES {
            drawn.fit(size, COLOUR);
            let coloured = emulate(&drawn.picture()).text();
            drawn.fit(size, MONO);
            let mono = emulate(&drawn.picture()).text();
            assert!(mono == coloured || is_map(&mono), "{} at {size:?}:\n{coloured}\n{mono}", named.name);
        }
    }
}

#[test]
fn ascii_draws_ascii_only_whatever_comes_from_outside() {
    for named in STATES {
        let mut drawn = (named.make)();
        for size in SIZES {
            drawn.fit(size, ASCII);
            let text = emulate(&drawn.picture()).text();
            let odd: Vec<&str> = text.lines().filter(|line| !line.is_ascii()).collect();
            assert!(odd.is_empty(), "{} at {size:?}:\n{}", named.name, odd.join("\n"));
        }
    }
    for (name, word) in
        [("dashboard_busy", ""), ("map_coverage", "3u"), ("map_box", "3bllllllllllkkkkk"), ("throughput_day", "4tt")]
    {
        one(&format!("{name}_80x24_ascii"), &picture(&state(busy(), ASCII, (80, 24), word)), false);
    }
}

#[test]
fn hostile_text_cannot_reach_the_terminal() {
    let evil = "x\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\n\u{202e}y";
    let mut snapshot = busy();
    snapshot.network.name = evil.to_owned();
    snapshot.network.trouble = Some(evil.to_owned());
    snapshot.throughput.device = evil.to_owned();
    let mut row = fixture::submission(0, SubmissionState::AwaitingApproval);
    row.source = evil.to_owned();
    row.url = Some(evil.to_owned());
    row.note = Some(evil.to_owned());
    row.preview = evil.as_bytes().to_vec();
    snapshot.approvals = Arc::new(vec![Arc::new(row.clone())]);
    snapshot.submissions = Arc::new(vec![Arc::new(row)]);
    for key in ["", "a", "1", "2", "4", "5", "5\n", "7", "7\n", "8"] {
        let buffer = picture(&after(snapshot.clone(), key));
        let bad = |symbol: &str| symbol.chars().any(|c| c.is_control() || c == '\u{202e}');
        assert!(!buffer.content.iter().any(|cell| bad(cell.symbol())), "screen {key}");
    }
}
