//! `update`: one event in, the next state, effects out.

use std::sync::Arc;

use super::{
    AppEvent, Dialog, Effect, Key, Leave, Life, Mouse, Notice, Pane, Place, Screen, State, Verdict,
    actions::{self, Action, ActionInfo, Asks},
};
use crate::api::{Command, Event, Level, LogLine, Mode, SubmissionRow, SubmissionState};

const NOTICE_MS: u64 = 6_000;
/// Lines that a page key and three that the wheel moves.
const PAGE: isize = 10;
/// Longest filter; ids have 64 digits.
const FILTER_CHARS: usize = 64;

/// Takes one event. No I/O, no drawing; what must be done outside is returned.
pub fn update(state: &mut State, event: AppEvent) -> Vec<Effect> {
    match event {
        AppEvent::Key(key) => on_key(state, key),
        AppEvent::Mouse(mouse) => on_mouse(state, mouse),
        AppEvent::Paste(text) => {
            if state.dialog == Some(Dialog::Filter) {
                text.chars().for_each(|c| type_char(state, c));
            }
            vec![Effect::Redraw]
        }
        AppEvent::Resize(size) if size == state.size => Vec::new(),
        AppEvent::Resize(size) => {
            state.size = size;
            vec![Effect::Redraw]
        }
        AppEvent::Snapshot(snapshot) if Arc::ptr_eq(&snapshot, &state.snapshot) => Vec::new(),
        AppEvent::Snapshot(snapshot) => {
            state.take(snapshot);
            vec![Effect::Redraw]
        }
        AppEvent::Engine(event) => on_engine(state, event),
        AppEvent::Clock { now_ms } => {
            if now_ms == state.now_ms {
                return Vec::new();
            }
            state.now_ms = now_ms;
            state.targets.tick(now_ms);
            if state.notice.as_ref().is_some_and(|notice| notice.until_ms <= now_ms) {
                state.notice = None;
            }
            vec![Effect::Redraw]
        }
        AppEvent::Interrupt => match state.life {
            Life::Running => act(state, Action::Quit),
            Life::Settling { .. } => act(state, Action::LeaveNow),
        },
    }
}

fn on_key(state: &mut State, key: Key) -> Vec<Effect> {
    if state.place() == Place::Typing {
        return typed(state, key);
    }
    let Some(info) = actions::lookup(key, state.place()) else { return Vec::new() };
    if let Some(refusal) = refusal(state, info) {
        return note(state, Level::Warning, refusal);
    }
    let asks = match info.asks {
        Asks::Never => false,
        Asks::Always => true,
        Asks::BeforeAuto => state.snapshot.mode == Mode::Manual,
    };
    if asks {
        state.dialog = Some(Dialog::Confirm(info.action));
        return vec![Effect::Redraw];
    }
    act(state, info.action)
}

/// Why an action cannot be taken now.
fn refusal(state: &State, info: &ActionInfo) -> Option<&'static str> {
    if info.mutates && state.snapshot.mode == Mode::ReadOnly {
        return Some("read-only: nothing is signed or changed here");
    }
    match info.action {
        Action::AcceptProtocol if !state.offers(info.action) => Some("the network speaks a protocol that is known"),
        Action::Approve | Action::Reject | Action::ApproveAll if state.undecided() == 0 => {
            Some("nothing waits for a decision")
        }
        Action::Approve | Action::Reject if state.approvals.just_moved(state.now_ms) => {
            Some("the list has just changed: look again, then answer")
        }
        _ => None,
    }
}

fn act(state: &mut State, action: Action) -> Vec<Effect> {
    let mut effects = vec![Effect::Redraw];
    match action {
        Action::Quit => {
            state.dialog = None;
            state.life = Life::Settling { since_ms: state.now_ms };
            effects.push(Effect::Send(Command::Shutdown));
        }
        Action::LeaveNow => effects.push(Effect::Leave(Leave::Unsettled)),
        Action::Suspend => effects.push(Effect::Suspend),
        Action::Help => {
            state.scroll = 0;
            state.dialog = Some(Dialog::Help);
        }
        Action::Back => {
            state.scroll = 0;
            if state.dialog.take().is_none() {
                state.screen = Screen::Dashboard;
            }
        }
        Action::Zoom => open(state, Screen::Pane(state.focus)),
        Action::Jump(pane) => {
            state.focus = pane;
            open(state, Screen::Pane(pane));
        }
        Action::Models => open(state, Screen::Models),
        Action::Log => open(state, Screen::Log),
        Action::Approvals => open(state, Screen::Approvals),
        Action::NextPane => state.focus = state.focus.step(true),
        Action::PreviousPane => state.focus = state.focus.step(false),
        Action::Up => step(state, 0, -1),
        Action::Down => step(state, 0, 1),
        Action::Left => step(state, -1, 0),
        Action::Right => step(state, 1, 0),
        Action::PageUp => scroll(state, -PAGE),
        Action::PageDown => scroll(state, PAGE),
        Action::Top => scroll(state, isize::MIN),
        Action::Bottom => scroll(state, isize::MAX),
        Action::Approve => effects.extend(answer(state, Verdict::Approved)),
        Action::Reject => effects.extend(answer(state, Verdict::Rejected)),
        Action::ApproveAll => {
            state.approvals.answer_all(&Arc::clone(&state.snapshot).approvals);
            effects.push(Effect::Send(Command::ApproveAll));
        }
        Action::AcceptProtocol => {
            let version = state.snapshot.network.unaccepted_protocol;
            effects.extend(version.map(|version| Effect::Send(Command::AcceptProtocol(version))));
        }
        Action::Hex => state.approvals.hex = !state.approvals.hex,
        Action::Mode => {
            let to = if state.snapshot.mode == Mode::Auto { Mode::Manual } else { Mode::Auto };
            effects.push(Effect::Send(Command::SetMode(to)));
        }
        Action::Pause => effects.push(Effect::Send(Command::PauseScoring(!state.snapshot.scoring_paused))),
        Action::Sort => state.targets.sort_next(),
        Action::Filter => state.dialog = Some(Dialog::Filter),
        Action::ZoomIn => state.map.zoom_in(),
        Action::ZoomOut => state.map.zoom_out(),
        Action::NextTarget => state.map.next_target(&Arc::clone(&state.snapshot).map),
        Action::Copy => effects.extend(copy(state)),
        Action::Mouse => {
            state.mouse = !state.mouse;
            effects.push(Effect::CaptureMouse(state.mouse));
        }
        Action::Confirm => {
            if let Some(Dialog::Confirm(confirmed)) = state.dialog.take() {
                effects = act(state, confirmed);
            }
        }
    }
    effects
}

/// Opens a screen; its own key closes it again.
fn open(state: &mut State, screen: Screen) {
    state.scroll = 0;
    state.log_back = 0;
    state.screen = if state.screen == screen { Screen::Dashboard } else { screen };
}

fn step(state: &mut State, dx: i32, dy: i32) {
    match (state.dialog, state.screen) {
        (None, Screen::Dashboard) => state.focus = state.panes().neighbour(state.focus, (dx, dy)),
        // The plane's y grows upwards, the screen's downwards.
        (None, Screen::Pane(Pane::Map)) => state.map.step(dx as f32, -dy as f32),
        _ => scroll(state, dy as isize),
    }
}

fn scroll(state: &mut State, by: isize) {
    let snapshot = Arc::clone(&state.snapshot);
    let moved = |from: usize, last: usize| from.saturating_add_signed(by).min(last);
    match (state.dialog, state.screen) {
        (None, Screen::Dashboard | Screen::Pane(Pane::Targets)) => state.targets.step(by),
        (None, Screen::Pane(Pane::Map)) => state.map.step(0.0, by.clamp(-PAGE, PAGE) as f32 * -0.5),
        (None, Screen::Approvals) => state.approvals.step(&snapshot.approvals, by),
        (None, Screen::Models) => {
            state.model_selected = moved(state.model_selected, snapshot.models.len().saturating_sub(1));
        }
        (None, Screen::Log) => {
            let last = snapshot.log.len().saturating_sub(1);
            // The log counts from its end; the first line is the farthest back.
            let from_top = last - state.log_back.min(last);
            state.log_back = last - moved(from_top, last);
        }
        _ => {
            let rows = actions::ACTIONS.len() + snapshot.submissions.len() + snapshot.rewards.epochs.len();
            state.scroll = u16::try_from(moved(state.scroll.into(), rows)).unwrap_or(u16::MAX);
        }
    }
}

fn answer(state: &mut State, verdict: Verdict) -> Option<Effect> {
    let id = state.approvals.answer(&Arc::clone(&state.snapshot).approvals, verdict)?;
    Some(Effect::Send(match verdict {
        Verdict::Approved => Command::Approve(id),
        Verdict::Rejected => Command::Reject(id),
    }))
}

fn copy(state: &mut State) -> Option<Effect> {
    let snapshot = &state.snapshot;
    let text = match state.screen {
        Screen::Pane(Pane::Targets) => state.targets.selected.map(|id| id.to_hex_prefixed()),
        Screen::Models => snapshot.models.get(state.model_selected).map(|model| model.id.to_hex_prefixed()),
        Screen::Approvals => state
            .approvals
            .position(&snapshot.approvals)
            .map(|index| snapshot.approvals[index].target.to_hex_prefixed()),
        _ => snapshot.wallet.address.map(|address| address.to_hex_prefixed()),
    }?;
    // Whether the terminal takes it cannot be known: say what was done, not what was hoped.
    note(state, Level::Info, format!("sent to the terminal's clipboard: {text}"));
    Some(Effect::Copy(text))
}

fn typed(state: &mut State, key: Key) -> Vec<Effect> {
    match key {
        Key::Enter => {
            state.dialog = None;
            state.targets.keep_filter();
        }
        Key::Esc | Key::Ctrl('c') => {
            state.dialog = None;
            state.targets.set_filter(String::new());
        }
        Key::Backspace => {
            let mut filter = state.targets.typed.clone();
            filter.pop();
            state.targets.set_filter(filter);
        }
        Key::Char(c) => type_char(state, c),
        Key::Up => state.targets.step(-1),
        Key::Down => state.targets.step(1),
        _ => return Vec::new(),
    }
    vec![Effect::Redraw]
}

fn type_char(state: &mut State, c: char) {
    let mut filter = state.targets.typed.clone();
    if !c.is_control() && filter.chars().count() < FILTER_CHARS {
        filter.push(c);
        state.targets.set_filter(filter);
    }
}

fn on_mouse(state: &mut State, mouse: Mouse) -> Vec<Effect> {
    if matches!(state.place(), Place::Settling | Place::Confirm | Place::Typing) {
        return Vec::new();
    }
    match mouse {
        Mouse::WheelUp => scroll(state, -3),
        Mouse::WheelDown => scroll(state, 3),
        Mouse::Click { column, row } => {
            if (state.dialog, state.screen) != (None, Screen::Dashboard) {
                return Vec::new();
            }
            match state.panes().at(column, row) {
                Some(pane) if pane == state.focus => open(state, Screen::Pane(pane)),
                Some(pane) => state.focus = pane,
                None => return Vec::new(),
            }
        }
    }
    vec![Effect::Redraw]
}

fn on_engine(state: &mut State, event: Event) -> Vec<Effect> {
    match event {
        // The header tells the epoch, the snapshot brings it.
        Event::EpochStarted { .. } => Vec::new(),
        Event::Submission(row) => match news(&row) {
            Some((level, text)) => note(state, level, text),
            None => Vec::new(),
        },
        Event::Log(LogLine { level: Level::Info, .. }) => Vec::new(),
        Event::Log(line) => note(state, line.level, line.text),
        Event::Stopped => vec![Effect::Leave(Leave::Settled)],
    }
}

/// What the user wants to hear of at once.
fn news(row: &SubmissionRow) -> Option<(Level, String)> {
    let target = row.target.short();
    Some(match row.state {
        SubmissionState::AwaitingApproval => (Level::Info, format!("a hit on {target} waits for your approval")),
        SubmissionState::Filled => (Level::Info, format!("target {target} filled with {}", row.source)),
        SubmissionState::Claimed => {
            (Level::Info, format!("reward of {target} claimed: {} SOMA", row.paid.unwrap_or_default()))
        }
        SubmissionState::Lost => (Level::Warning, format!("target {target} went to somebody else")),
        SubmissionState::Failed | SubmissionState::Unknown | SubmissionState::Forfeited => {
            let why = row.note.as_deref().unwrap_or("see Rewards");
            (Level::Error, format!("submission for {target} is {}: {why}", row.state.word()))
        }
        _ => return None,
    })
}

fn note(state: &mut State, level: Level, text: impl Into<String>) -> Vec<Effect> {
    state.notice = Some(Notice { level, text: text.into(), until_ms: state.now_ms + NOTICE_MS });
    vec![Effect::Redraw]
}
