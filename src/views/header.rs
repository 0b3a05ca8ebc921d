//! Where we are and whether it is alive: network, epoch, connection, mode, what waits.

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    panes::Ink,
    text::{ago, clean, countdown, fit, soma},
};
use crate::{
    api::{Mode, Upstream},
    app::{
        Hit, Life, Screen, State,
        actions::{self, Action},
    },
};

/// Two light looks missed: not broken yet, but worth a look.
const QUIET_MS: u64 = 35_000;

/// Columns of a notice that is still understood.
const NOTICE: usize = 12;

/// Fewer columns have room for a number.
const NARROW: u16 = 24;

/// From here on every server is named.
const ALL_SERVERS: u16 = 120;

/// A piece of a line and how long it holds out: the highest rank goes first when there is no room. What a click on it does.
struct Piece {
    rank: u8,
    spans: Vec<Span<'static>>,
    action: Option<Action>,
}

impl Piece {
    fn new(rank: u8, spans: Vec<Span<'static>>) -> Self {
        Self { rank, spans, action: None }
    }

    fn doing(self, action: Action) -> Self {
        Self { action: Some(action), ..self }
    }

    fn width(&self) -> usize {
        self.spans.iter().map(Span::width).sum()
    }
}

/// Columns of pieces beside each other, with the gap behind each.
fn total(pieces: &[Piece]) -> usize {
    pieces.iter().map(|piece| piece.width() + 2).sum()
}

pub fn draw(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let name = Piece::new(6, vec![Span::styled("somascope", ink.theme.strong())]);
    let mut where_we_are = vec![name, network(state), epoch(state, ink)];
    let mut what_waits = vec![mode(state, ink)];
    what_waits.extend(only_pinned(state, ink));
    what_waits.extend(protocol(state, ink));
    what_waits.extend(approvals(state, area.width, ink));
    what_waits.extend(auto(state, ink));
    what_waits.push(scoring(state, ink));
    if area.height == 1 {
        // One line for everything: the decision and the clock hold out longest.
        what_waits.extend(where_we_are);
        what_waits.push(worst(state, ink));
        pieces(what_waits, None, area, 0, ink);
    } else {
        let wallet = wallet(state);
        let servers = each(state, ink);
        let room = usize::from(area.width).saturating_sub(wallet.as_ref().map_or(0, Piece::width));
        // What every screen says gives way to what changes.
        if area.width >= ALL_SERVERS && total(&where_we_are) + total(&servers) > room {
            where_we_are.remove(0);
        }
        if area.width >= ALL_SERVERS && !servers.is_empty() && total(&where_we_are) + total(&servers) <= room {
            where_we_are.extend(servers);
        } else {
            where_we_are.push(worst(state, ink));
        }
        pieces(where_we_are, wallet, area, 0, ink);
        pieces(what_waits, notice(state, ink).map(|spans| Piece::new(1, spans)), area, 1, ink);
    }
}

fn network(state: &State) -> Piece {
    let network = &state.snapshot.network;
    let chain: String = clean(&network.chain_id).chars().take(8).collect();
    Piece::new(4, vec![Span::raw(format!("{} {chain}", clean(&network.name)))])
}

fn epoch(state: &State, ink: &Ink<'_>) -> Piece {
    let network = &state.snapshot.network;
    if !network.is_heard() {
        return Piece::new(3, vec![Span::styled(format!("epoch {}", ink.theme.glyphs.ellipsis), ink.theme.dim())]);
    }
    let left = network.epoch_ends_at_ms.saturating_sub(state.now_ms);
    let left = if left == 0 { "ending".to_owned() } else { format!("{} left", countdown(left)) };
    let epoch = Span::styled(format!("epoch {}", network.epoch), ink.theme.strong());
    Piece::new(1, vec![epoch, Span::raw(format!(" {left}"))])
}

/// How a server is: the worse, the greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    /// Heard when it is needed, and it was not needed yet.
    Idle,
    Live,
    /// It should have been heard again.
    Quiet,
    /// It should have been heard at all.
    Silent,
    Trouble,
}

fn health(upstream: &Upstream, now_ms: u64) -> Health {
    let heard = upstream.last_heard_ms.map(|at| now_ms.saturating_sub(at));
    match (&upstream.trouble, heard, upstream.name.is_steady()) {
        (Some(_), _, _) => Health::Trouble,
        (None, None, true) => Health::Silent,
        (None, None, false) => Health::Idle,
        (None, Some(QUIET_MS..), true) => Health::Quiet,
        (None, Some(_), _) => Health::Live,
    }
}

/// Its sign, its name and when it was last heard.
fn server(upstream: &Upstream, state: &State, ink: &Ink<'_>) -> Vec<Span<'static>> {
    let (theme, glyphs) = (ink.theme, ink.theme.glyphs);
    let health = health(upstream, state.now_ms);
    let (glyph, style) = match health {
        Health::Trouble => (glyphs.bad, theme.bad()),
        Health::Silent => (glyphs.quiet, theme.attention()),
        Health::Quiet => (glyphs.warning, theme.attention()),
        Health::Live => (glyphs.live, theme.good()),
        Health::Idle => (glyphs.quiet, theme.dim()),
    };
    let heard = match upstream.last_heard_ms {
        // What is recent is all the same, so an idle screen stays as it is.
        Some(at) => ago(state.now_ms.saturating_sub(at)),
        None if health == Health::Idle => "not needed".to_owned(),
        None => "not heard".to_owned(),
    };
    vec![Span::styled(glyph, style), Span::raw(format!(" {} {heard}", upstream.name.word()))]
}

/// Every server; none before the first one was heard.
fn each(state: &State, ink: &Ink<'_>) -> Vec<Piece> {
    let network = &state.snapshot.network;
    let shown = network.upstreams.iter().filter(|_| network.is_heard());
    shown.map(|upstream| Piece::new(3, server(upstream, state, ink))).collect()
}

/// The server that is worst off or was heard longest ago, and how many others there are.
fn worst(state: &State, ink: &Ink<'_>) -> Piece {
    let network = &state.snapshot.network;
    let (glyphs, attention) = (ink.theme.glyphs, ink.theme.attention());
    let now_ms = state.now_ms;
    // In the steps in which it is shown, and of equal ones the first: the name does not change from one answer to the next.
    let age = |upstream: &Upstream| now_ms.saturating_sub(upstream.last_heard_ms.unwrap_or(now_ms)) / 10_000;
    let rank = |upstream: &&Upstream| (health(upstream, now_ms), upstream.name.is_steady(), age(upstream));
    let worst = network.upstreams.iter().rev().max_by_key(rank);
    let is_known = network.is_heard() || worst.is_some_and(|upstream| upstream.trouble.is_some());
    let Some(worst) = worst.filter(|_| is_known) else {
        let (glyph, style) =
            if network.trouble.is_some() { (glyphs.bad, ink.theme.bad()) } else { (glyphs.quiet, attention) };
        return Piece::new(3, vec![Span::styled(glyph, style), Span::raw(format!(" connecting{}", glyphs.ellipsis))]);
    };
    let mut spans = server(worst, state, ink);
    let others = network.upstreams.len() - 1;
    if others > 0 {
        let is_well = |upstream: &&Upstream| health(upstream, now_ms) <= Health::Live;
        let well = network.upstreams.iter().filter(is_well).count() - usize::from(is_well(&worst));
        let word = if well == others { "ok" } else { "more" };
        spans.push(Span::styled(format!(" +{others} {word}"), ink.theme.dim()));
    }
    Piece::new(3, spans)
}

/// Nothing is signed until somebody answers this.
fn protocol(state: &State, ink: &Ink<'_>) -> Option<Piece> {
    let version = state.snapshot.network.unaccepted_protocol?;
    let how = if state.snapshot.mode == Mode::ReadOnly { String::new() } else { press(state, Action::AcceptProtocol) };
    let badge = ink.theme.badge(ink.theme.attention());
    let spans = vec![Span::styled(format!(" NEW PROTOCOL {version}{how} "), badge)];
    Some(Piece::new(0, spans).doing(Action::AcceptProtocol))
}

fn wallet(state: &State) -> Option<Piece> {
    let address = state.snapshot.wallet.address?.to_hex_prefixed();
    Some(Piece::new(5, vec![Span::raw(format!("{}..{}", &address[..8], &address[address.len() - 4..]))]))
}

fn mode(state: &State, ink: &Ink<'_>) -> Piece {
    // What the engine has not told yet is nobody's mode.
    if !state.snapshot.is_told() {
        let word = format!(" {} ", ink.theme.glyphs.ellipsis);
        return Piece::new(1, vec![Span::styled(word, ink.theme.badge(ink.theme.dim()))]);
    }
    let (word, style) = match state.snapshot.mode {
        Mode::Manual => (" MANUAL ", ink.theme.accent()),
        Mode::Auto => (" AUTO ", ink.theme.attention()),
        Mode::ReadOnly => (" READ-ONLY ", Style::new()),
    };
    // Somebody who signs unasked is seen at any size.
    let rank = u8::from(state.snapshot.mode != Mode::Auto);
    Piece::new(rank, vec![Span::styled(word, ink.theme.badge(style))]).doing(Action::Mode)
}

/// What is not offered should not be wondered at.
fn only_pinned(state: &State, ink: &Ink<'_>) -> Option<Piece> {
    let badge = ink.theme.badge(ink.theme.accent());
    let piece = || Piece::new(1, vec![Span::styled(" ONLY PINNED ", badge)]).doing(Action::OnlyPinned);
    state.snapshot.only_pinned.then(piece)
}

/// What automatic approval did in this epoch, and what of its limit is used.
fn auto(state: &State, ink: &Ink<'_>) -> Option<Piece> {
    let policy = &state.snapshot.policy;
    let words = format!(
        "{} approved, {} of {} SOMA",
        policy.auto.approved,
        soma(policy.used, 6),
        soma(policy.limits.max_bond_per_epoch, 6)
    );
    (state.snapshot.mode == Mode::Auto).then(|| Piece::new(6, vec![Span::styled(words, ink.theme.dim())]))
}

fn approvals(state: &State, columns: u16, ink: &Ink<'_>) -> Option<Piece> {
    let waiting = state.undecided();
    let how = if state.screen == Screen::Approvals { String::new() } else { press(state, Action::Approvals) };
    let badge = ink.theme.badge(ink.theme.attention());
    let running = state.life == Life::Running;
    let text = if columns < NARROW { format!(" {waiting} wait ") } else { format!(" {waiting} to approve{how} ") };
    let piece = || Piece::new(0, vec![Span::styled(text.clone(), badge)]);
    (waiting > 0 && running).then(|| piece().doing(Action::Approvals))
}

fn scoring(state: &State, ink: &Ink<'_>) -> Piece {
    let throughput = &state.snapshot.throughput;
    if state.snapshot.scoring_paused {
        let spans = vec![Span::styled("scoring paused", ink.theme.attention())];
        return Piece::new(2, spans).doing(Action::Pause);
    }
    let words = match throughput.remaining {
        None => format!("listing the corpus{}", ink.theme.glyphs.ellipsis),
        Some(0) if throughput.queue == 0 => "corpus scored".to_owned(),
        Some(_) => "scoring".to_owned(),
    };
    Piece::new(5, vec![Span::styled(words, ink.theme.dim())])
}

/// The key that does something on the screen below, as it is bound now.
fn press(state: &State, action: Action) -> String {
    let info = actions::at(state.below()).find(|info| info.action == action);
    let key = info.and_then(|info| state.keymap.keys(info).first());
    key.map_or_else(String::new, |key| format!(": press {}", key.name(state.look.ascii)))
}

/// Trouble with the connection stays; notices come and go before it.
fn notice(state: &State, ink: &Ink<'_>) -> Option<Vec<Span<'static>>> {
    let (glyph, style, text) = match (&state.notice, &state.snapshot.network.trouble) {
        (Some(notice), _) => {
            let (glyph, style) = ink.theme.level(notice.level);
            (glyph, style, &notice.text)
        }
        (None, Some(trouble)) => (ink.theme.glyphs.bad, ink.theme.bad(), trouble),
        (None, None) => return None,
    };
    Some(vec![Span::styled(format!("{glyph} {}", clean(text)), style)])
}

/// Draws what fits: `left` from the left edge, `right` at the right edge, shortened if need be.
fn pieces(mut left: Vec<Piece>, right: Option<Piece>, area: Rect, row: u16, ink: &mut Ink<'_>) {
    let columns = usize::from(area.width);
    while left.len() > 1 && total(&left) > columns + 2 {
        if let Some(victim) = (0..left.len()).max_by_key(|&at| left[at].rank) {
            left.remove(victim);
        }
    }
    let used = total(&left);
    let mut x = area.x;
    for piece in left {
        let width = piece.width() as u16;
        let place = Rect { x, width: area.right().saturating_sub(x), ..area };
        if let Some(action) = piece.action {
            ink.hit_row(Rect { width: width.min(place.width), ..place }, row, Hit::Act(action));
        }
        ink.line(place, row, &Line::from(piece.spans));
        x = x.saturating_add(width + 2);
    }
    let room = columns.saturating_sub(used);
    if let Some(piece) = right {
        // A shortened address is no use; a shortened notice still is.
        if piece.width() > room && (piece.rank > 1 || room < NOTICE) {
            return;
        }
        let cut =
            |piece: Span<'static>| Span::styled(fit(&piece.content, room, ink.theme.glyphs.ellipsis), piece.style);
        let line = Line::from(piece.spans.into_iter().map(cut).collect::<Vec<_>>());
        let width = line.width() as u16;
        ink.line(Rect { x: area.right().saturating_sub(width), width, ..area }, row, &line);
    }
}
