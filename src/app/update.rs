//! `update`: one event in, the next state, effects out.

use std::sync::Arc;

use super::{
    AppEvent, Dialog, Effect, Key, Leave, Life, List, Notice, Pane, Place, Purpose, Screen, State, TextField, Verdict,
    actions::{self, Action, ActionInfo, Asks, Palette},
    approvals, board, copying, form, inspect, log, map, models, notify, pointer, policy, rewards, saved, targets,
    throughput,
};
use crate::api::{Command, Event, Level, LogLine, Mode, PREVIEW_BYTES, SubmissionRow, SubmissionState};

const NOTICE_MS: u64 = 6_000;
/// Lines that a page key moves.
const PAGE: isize = 10;

/// Takes one event. No I/O, no drawing; what must be done outside is returned.
pub fn update(state: &mut State, event: AppEvent) -> Vec<Effect> {
    let (dialog, place, questions) = (state.dialog, state.place(), state.questions);
    let mut effects = take(state, event);
    if state.dialog != dialog && matches!(state.dialog, Some(Dialog::Confirm(_))) {
        state.questions += 1;
    }
    if (state.place(), state.questions) != (place, questions) {
        state.here_since_ms = state.now_ms;
    }
    let is_shown = state.screen == Screen::Pane(Pane::Targets) && state.life == Life::Running;
    effects.extend(state.targets.look(is_shown).map(|wanted| Effect::Send(Command::Look(wanted))));
    effects.extend(saved::settle_map(state));
    map::settle(state);
    effects.extend(map::ask(state));
    effects.extend(rewards::ask(state));
    effects
}

fn take(state: &mut State, event: AppEvent) -> Vec<Effect> {
    match event {
        AppEvent::Key(key) => on_key(state, key),
        AppEvent::Mouse(mouse) => pointer::on_mouse(state, mouse, None),
        AppEvent::Touch(mouse, touch) => pointer::on_mouse(state, mouse, Some(touch)),
        AppEvent::Paste(text) => {
            if state.dialog == Some(Dialog::Form) {
                return form::paste(state, &text);
            }
            let Some(Dialog::Typing(purpose)) = state.dialog else { return Vec::new() };
            if state.field.paste(&text) {
                typed_into(state, purpose);
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
            let gone = state.take(snapshot);
            let mut effects = vec![Effect::Redraw];
            if let [row, rest @ ..] = gone.as_slice() {
                let why = row.note.as_deref().unwrap_or(row.state.word());
                let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
                note(state, Level::Info, format!("no longer waits: target {}: {why}{more}", row.target.short()));
            }
            let trouble = state.snapshot.network.trouble.clone();
            effects.extend(state.notifier.trouble(trouble.as_deref(), state.now_ms));
            effects
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
            let mut effects = vec![Effect::Redraw];
            effects.extend(state.notifier.due(now_ms));
            effects
        }
        AppEvent::Interrupt => match state.life {
            Life::Running => act(state, Action::Quit),
            Life::Settling { .. } => act(state, Action::LeaveNow),
        },
    }
}

fn on_key(state: &mut State, key: Key) -> Vec<Effect> {
    if let (Place::Typing, Some(Dialog::Typing(purpose))) = (state.place(), state.dialog) {
        return typed(state, purpose, key);
    }
    if state.place() == Place::Typing {
        return form::key(state, key);
    }
    match state.keymap.lookup(key, state.place()) {
        Some(info) => choose(state, info),
        None => Vec::new(),
    }
}

/// Does what a key, a click or the palette asks for: refused in read-only mode, asked about where that is the rule.
pub(super) fn choose(state: &mut State, info: &ActionInfo) -> Vec<Effect> {
    let answer = match info.action {
        Action::Approve => Some(Verdict::Approved),
        Action::Reject => Some(Verdict::Rejected),
        Action::Confirm if state.dialog == Some(Dialog::Confirm(Action::AnswerBatch)) => Some(Verdict::Approved),
        _ => None,
    };
    if answer.is_some_and(|verdict| state.approvals.is_repeated(verdict, state.now_ms)) {
        return note(state, Level::Warning, "the answer came twice at once: look again, then give it once more");
    }
    if let Some(refusal) = refusal(state, info) {
        return note(state, Level::Warning, refusal);
    }
    let asks = match info.asks {
        Asks::Never => false,
        Asks::Always => true,
        Asks::BeforeAuto => state.snapshot.mode == Mode::Manual,
        Asks::BeforeAutoWidens => state.snapshot.mode == Mode::Auto && state.snapshot.only_pinned,
    };
    if asks {
        state.asked_protocol = state.snapshot.network.unaccepted_protocol;
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
        Action::Confirm
            if state.dialog == Some(Dialog::Confirm(Action::AnswerBatch))
                && state.approvals.batch.as_ref().is_some_and(|batch| batch.ids.is_empty()) =>
        {
            Some("what was asked about is gone: nothing is answered")
        }
        Action::AcceptProtocol if !state.offers(info.action) => Some("the network speaks a protocol that is known"),
        Action::EditPolicy if state.snapshot.version == 0 => Some("the engine has not told its limits yet"),
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
            state.help_search.clear();
            state.dialog = Some(Dialog::Help);
        }
        Action::Palette => {
            state.palette = palette(state, "");
            type_for(state, Purpose::Palette, "");
        }
        Action::SearchHelp => {
            let search = state.help_search.clone();
            type_for(state, Purpose::HelpSearch, search);
        }
        Action::Back if map::leave(state) => {}
        Action::Back => {
            state.scroll = 0;
            state.form = None;
            state.approvals.batch = None;
            let is_open = state.screen == Screen::Pane(Pane::Targets) && state.targets.detail.is_some();
            match state.dialog.take() {
                Some(_) => {}
                None if is_open => state.targets.detail = None,
                None if rewards::back(state) => {}
                None => state.screen = Screen::Dashboard,
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
        // The answer is for the version that was asked about; another one is another question.
        Action::AcceptProtocol => match (state.asked_protocol, state.snapshot.network.unaccepted_protocol) {
            (Some(asked), Some(spoken)) if asked == spoken => {
                effects.push(Effect::Send(Command::AcceptProtocol(asked)));
            }
            (_, Some(spoken)) => {
                state.asked_protocol = Some(spoken);
                state.dialog = Some(Dialog::Confirm(action));
                let text = format!("nothing is accepted: the network speaks protocol {spoken} now");
                effects = note(state, Level::Warning, text);
            }
            (_, None) => {}
        },
        Action::Mode => {
            let to = if state.snapshot.mode == Mode::Auto { Mode::Manual } else { Mode::Auto };
            effects.push(Effect::Send(Command::SetMode(to)));
        }
        Action::Pause => effects.push(Effect::Send(Command::PauseScoring(!state.snapshot.scoring_paused))),
        Action::OnlyPinned => effects.push(Effect::Send(Command::OnlyPinned(!state.snapshot.only_pinned))),
        Action::Mouse => {
            state.mouse = !state.mouse;
            let text = if state.mouse { "the mouse acts here" } else { "the mouse is the terminal's: it selects text" };
            effects.extend(note(state, Level::Info, text));
            effects.push(Effect::CaptureMouse(state.mouse));
        }
        Action::Confirm => {
            // Spent: whatever is asked next is another question.
            state.questions += 1;
            if let Some(Dialog::Confirm(confirmed)) = state.dialog.take() {
                effects = act(state, confirmed);
            }
        }
        Action::Layout | Action::WholeMap => {
            // Chosen anew.
            state.kept_map = None;
            effects.extend(map::act(state, action).unwrap_or_default());
        }
        // What belongs to one screen, its module does.
        action => {
            let done = approvals::act(state, action)
                .or_else(|| copying::act(state, action))
                .or_else(|| targets::act(state, action))
                .or_else(|| models::act(state, action))
                .or_else(|| map::act(state, action))
                .or_else(|| rewards::act(state, action))
                .or_else(|| throughput::act(state, action))
                .or_else(|| board::act(state, action))
                .or_else(|| inspect::act(state, action))
                .or_else(|| policy::act(state, action))
                .or_else(|| log::act(state, action));
            effects.extend(done.unwrap_or_default());
        }
    }
    effects
}

/// Opens a line to type.
pub(super) fn type_for(state: &mut State, purpose: Purpose, text: impl Into<String>) {
    state.field = TextField::new(text);
    state.dialog = Some(Dialog::Typing(purpose));
}

pub(super) fn palette(state: &State, words: &str) -> Palette {
    let read_only = state.snapshot.mode == Mode::ReadOnly;
    let mut palette = Palette::of(state.below(), words, |action| state.offers(action));
    palette.found.retain(|info| !(read_only && info.mutates));
    palette
}

/// Opens a screen; its own key closes it again.
pub(super) fn open(state: &mut State, screen: Screen) {
    state.scroll = 0;
    state.log.selected = None;
    state.rewards.detail = false;
    state.targets.detail = None;
    state.screen = if state.screen == screen { Screen::Dashboard } else { screen };
}

fn step(state: &mut State, dx: i32, dy: i32) {
    match (state.dialog, state.screen) {
        (None, Screen::Dashboard) => state.focus = state.panes().neighbour(state.focus, (dx, dy)),
        // The plane's y grows upwards, the screen's downwards.
        (None, Screen::Pane(Pane::Map)) => map::move_by(state, dx as f32, -dy as f32),
        (None, Screen::Pane(Pane::Targets)) if dx != 0 && state.targets.detail.is_some() => {
            state.targets.step_open(dx as isize);
        }
        _ => scroll(state, dy as isize),
    }
}

fn scroll(state: &mut State, by: isize) {
    move_in(state, List::here(state), by);
}

/// Moves the selection of a list, or its lines.
pub(super) fn move_in(state: &mut State, list: List, by: isize) {
    let snapshot = Arc::clone(&state.snapshot);
    let moved = |from: u16, last: usize| {
        u16::try_from(usize::from(from).saturating_add_signed(by).min(last)).unwrap_or(u16::MAX)
    };
    match list {
        List::Targets => state.targets.step(by),
        // The drawing clamps it; nothing has more lines than this.
        List::Target => {
            state.targets.detail_scroll = moved(state.targets.detail_scroll, targets::DETAIL_LINES);
        }
        List::Map => map::page(state, by),
        List::Submissions => state.rewards.step(by),
        List::Approvals => state.approvals.step(by),
        List::Preview => state.approvals.preview_top = moved(state.approvals.preview_top, PREVIEW_BYTES),
        List::Board(section) => state.board.step(section, &snapshot.board, by),
        List::Inspector => state.inspector.step(&snapshot, by),
        List::Models => state.models.step(by),
        List::Log => state.log.step(&snapshot, by),
        List::Palette => state.palette.step(by),
        List::Text => {
            let rows = actions::ACTIONS.len() + snapshot.submissions.len() + snapshot.rewards.epochs.len();
            state.scroll = moved(state.scroll, rows);
        }
    }
}

fn typed(state: &mut State, purpose: Purpose, key: Key) -> Vec<Effect> {
    let leave = match purpose {
        Purpose::HelpSearch => Some(Dialog::Help),
        Purpose::Palette | Purpose::TargetFilter | Purpose::SubmissionFilter | Purpose::LogFilter => None,
    };
    match (purpose, key) {
        (_, Key::Esc | Key::Ctrl('c')) => {
            state.field = TextField::default();
            state.dialog = leave;
            typed_into(state, purpose);
        }
        (Purpose::Palette, Key::Backspace) if state.field.text().is_empty() => state.dialog = leave,
        (Purpose::Palette, Key::Enter) => {
            state.dialog = leave;
            return match state.palette.chosen() {
                Some(info) => choose(state, info),
                None => note(state, Level::Warning, "nothing of that name can be done here"),
            };
        }
        // What cannot be read is not kept: the line says what is wrong with it.
        (Purpose::TargetFilter, Key::Enter) if state.targets.error.is_some() => {}
        (_, Key::Enter) => state.dialog = leave,
        (Purpose::Palette, Key::Up | Key::BackTab | Key::Ctrl('p')) => state.palette.step(-1),
        (Purpose::Palette, Key::Down | Key::Tab | Key::Ctrl('n')) => state.palette.step(1),
        // What is filtered is still moved through.
        (_, Key::Up | Key::Ctrl('p')) => scroll(state, -1),
        (_, Key::Down | Key::Ctrl('n')) => scroll(state, 1),
        (_, key) => {
            if state.field.key(key) {
                typed_into(state, purpose);
            }
        }
    }
    vec![Effect::Redraw]
}

/// The text has changed: what depends on it follows.
fn typed_into(state: &mut State, purpose: Purpose) {
    let text = state.field.text().to_owned();
    match purpose {
        Purpose::Palette => state.palette = palette(state, &text),
        Purpose::TargetFilter => state.targets.set_filter(text),
        Purpose::SubmissionFilter => state.rewards.set_filter(&text),
        Purpose::LogFilter => state.log.set_filter(&text, &Arc::clone(&state.snapshot)),
        Purpose::HelpSearch => {
            state.scroll = 0;
            state.help_search = text.to_lowercase();
        }
    }
}

fn on_engine(state: &mut State, event: Event) -> Vec<Effect> {
    match event {
        // The header tells the epoch, the snapshot brings it.
        Event::EpochStarted { .. } => Vec::new(),
        Event::Submission(row) => {
            state.rewards.told(&row);
            let mode = state.snapshot.mode;
            let mut effects = match news(&row, mode) {
                Some((level, text)) => note(state, level, text),
                None => Vec::new(),
            };
            let told = notify::of(&row, mode).and_then(|text| state.notifier.tell(text, state.now_ms));
            effects.extend(told);
            effects
        }
        Event::Log(LogLine { level: Level::Info, .. }) => Vec::new(),
        Event::Log(line) => {
            let told = notify::of_line(line.level, &line.text);
            let told = told.and_then(|text| state.notifier.tell(text, state.now_ms));
            let mut effects = note(state, line.level, line.text);
            effects.extend(told);
            effects
        }
        Event::History(page) => rewards::take_page(state, &page),
        Event::Sample(detail) => map::told(state, detail),
        Event::Exported(Ok(path)) => {
            // The name first: a long line loses its end.
            let text = match path.rsplit_once('/') {
                Some((dir, name)) => format!("wrote {name} in {dir}"),
                None => format!("wrote {path}"),
            };
            let effects = note(state, Level::Info, text);
            rewards::wrote(state, path);
            effects
        }
        Event::Exported(Err(why)) => note(state, Level::Error, format!("nothing was written: {why}")),
        Event::Stopped => vec![Effect::Leave(Leave::Settled)],
    }
}

/// What the user wants to hear of at once.
fn news(row: &SubmissionRow, mode: Mode) -> Option<(Level, String)> {
    let target = row.target.short();
    Some(match row.state {
        SubmissionState::AwaitingApproval if mode == Mode::Auto => return None,
        SubmissionState::AwaitingApproval => (Level::Info, format!("a hit on {target} waits for your approval")),
        SubmissionState::Filled => (Level::Info, format!("target {target} filled with {}", row.source)),
        SubmissionState::Claimed => {
            (Level::Info, format!("reward of {target} claimed: {} SOMA", row.paid.unwrap_or_default()))
        }
        SubmissionState::Lost => (Level::Warning, format!("target {target} went to somebody else")),
        SubmissionState::Failed | SubmissionState::Unknown | SubmissionState::Forfeited => {
            let why = row.note.as_deref().unwrap_or("see Rewards");
            (Level::Error, format!("submission for {target} {}: {why}", row.state.word()))
        }
        _ => return None,
    })
}

pub(super) fn note(state: &mut State, level: Level, text: impl Into<String>) -> Vec<Effect> {
    state.notice = Some(Notice { level, text: text.into(), until_ms: state.now_ms.saturating_add(NOTICE_MS) });
    vec![Effect::Redraw]
}
