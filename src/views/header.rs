//! Where we are and whether it is alive: network, epoch, connection, mode, what waits.

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    panes::Ink,
    text::{age, ago, clean, countdown, fit, soma},
};
use crate::{
    api::Mode,
    app::{Life, Screen, State},
};

/// Two light looks missed: not broken yet, but worth a look.
const QUIET_MS: u64 = 35_000;

/// A piece of a line and how long it holds out: the highest rank goes first when there is no room.
type Piece = (u8, Vec<Span<'static>>);

pub fn draw(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let mut where_we_are = vec![(6, vec![Span::styled("somascope", ink.theme.strong())])];
    where_we_are.extend([network(state), epoch(state, ink), connection(state, ink)]);
    let mut what_waits = vec![mode(state, ink)];
    what_waits.extend(only_pinned(state, ink));
    what_waits.extend(protocol(state, ink));
    what_waits.extend(approvals(state, ink));
    what_waits.extend(auto(state, ink));
    what_waits.push(scoring(state, ink));
    if area.height == 1 {
        // One line for everything: the decision and the clock hold out longest.
        what_waits.extend(where_we_are);
        pieces(what_waits, None, area, 0, ink);
    } else {
        pieces(where_we_are, wallet(state), area, 0, ink);
        let notice = notice(state, ink).map(|spans| (1, spans));
        pieces(what_waits, notice, area, 1, ink);
    }
}

fn network(state: &State) -> Piece {
    let network = &state.snapshot.network;
    let chain: String = clean(&network.chain_id).chars().take(8).collect();
    (4, vec![Span::raw(format!("{} {chain}", clean(&network.name)))])
}

fn epoch(state: &State, ink: &Ink<'_>) -> Piece {
    let network = &state.snapshot.network;
    if !network.is_heard() {
        return (3, vec![Span::styled(format!("epoch {}", ink.theme.glyphs.ellipsis), ink.theme.dim())]);
    }
    let left = network.epoch_ends_at_ms.saturating_sub(state.now_ms);
    let left = if left == 0 { "ending".to_owned() } else { format!("{} left", countdown(left)) };
    (1, vec![Span::styled(format!("epoch {}", network.epoch), ink.theme.strong()), Span::raw(format!(" {left}"))])
}

/// Of the servers that should be heard all the time, the one that has been quiet longest; its name, if that is too long.
fn connection(state: &State, ink: &Ink<'_>) -> Piece {
    let network = &state.snapshot.network;
    let quietest = network.quietest();
    let heard = quietest.and_then(|upstream| upstream.last_heard_ms).map(|at| state.now_ms.saturating_sub(at));
    let (glyph, style) = match (heard, &network.trouble) {
        (_, Some(_)) => (ink.theme.glyphs.bad, ink.theme.bad()),
        (None, None) => (ink.theme.glyphs.quiet, ink.theme.attention()),
        (Some(QUIET_MS..), None) => (ink.theme.glyphs.warning, ink.theme.attention()),
        (Some(_), None) => (ink.theme.glyphs.live, ink.theme.good()),
    };
    let words = match (heard, quietest) {
        (Some(ms @ QUIET_MS..), Some(quietest)) => format!("{} {} ago", quietest.name.word(), age(ms)),
        (Some(ms), _) => format!("heard {}", ago(ms)),
        (None, Some(quietest)) if network.is_heard() => format!("no {} yet", quietest.name.word()),
        (None, _) => format!("connecting{}", ink.theme.glyphs.ellipsis),
    };
    (3, vec![Span::styled(glyph, style), Span::raw(format!(" {words}"))])
}

/// Nothing is signed until somebody answers this.
fn protocol(state: &State, ink: &Ink<'_>) -> Option<Piece> {
    let version = state.snapshot.network.unaccepted_protocol?;
    let how = if state.snapshot.mode == Mode::ReadOnly { "" } else { ": press v" };
    let badge = ink.theme.badge(ink.theme.attention());
    Some((0, vec![Span::styled(format!(" NEW PROTOCOL {version}{how} "), badge)]))
}

fn wallet(state: &State) -> Option<Piece> {
    let address = state.snapshot.wallet.address?.to_hex_prefixed();
    Some((5, vec![Span::raw(format!("{}..{}", &address[..8], &address[address.len() - 4..]))]))
}

fn mode(state: &State, ink: &Ink<'_>) -> Piece {
    let (word, style) = match state.snapshot.mode {
        Mode::Manual => (" MANUAL ", ink.theme.accent()),
        Mode::Auto => (" AUTO ", ink.theme.attention()),
        Mode::ReadOnly => (" READ-ONLY ", Style::new()),
    };
    (1, vec![Span::styled(word, ink.theme.badge(style))])
}

/// What is not offered should not be wondered at.
fn only_pinned(state: &State, ink: &Ink<'_>) -> Option<Piece> {
    let badge = ink.theme.badge(ink.theme.accent());
    state.snapshot.only_pinned.then(|| (1, vec![Span::styled(" ONLY PINNED ", badge)]))
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
    (state.snapshot.mode == Mode::Auto).then(|| (6, vec![Span::styled(words, ink.theme.dim())]))
}

fn approvals(state: &State, ink: &Ink<'_>) -> Option<Piece> {
    let waiting = state.undecided();
    let how = if state.screen == Screen::Approvals { "" } else { ": press a" };
    let badge = ink.theme.badge(ink.theme.attention());
    let running = state.life == Life::Running;
    (waiting > 0 && running).then(|| (0, vec![Span::styled(format!(" {waiting} to approve{how} "), badge)]))
}

fn scoring(state: &State, ink: &Ink<'_>) -> Piece {
    let throughput = &state.snapshot.throughput;
    if state.snapshot.scoring_paused {
        return (2, vec![Span::styled("scoring paused", ink.theme.attention())]);
    }
    let words = match throughput.remaining {
        None => format!("listing the corpus{}", ink.theme.glyphs.ellipsis),
        Some(0) if throughput.queue == 0 => "corpus scored".to_owned(),
        Some(_) => "scoring".to_owned(),
    };
    (5, vec![Span::styled(words, ink.theme.dim())])
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
    let width_of = |spans: &[Span<'_>]| spans.iter().map(Span::width).sum::<usize>();
    let total = |pieces: &[Piece]| pieces.iter().map(|(_, spans)| width_of(spans) + 2).sum::<usize>();
    while left.len() > 1 && total(&left) > columns + 2 {
        if let Some(victim) = (0..left.len()).max_by_key(|&at| left[at].0) {
            left.remove(victim);
        }
    }
    let used = total(&left);
    let mut x = area.x;
    for (_, spans) in left {
        let line = Line::from(spans);
        let width = line.width() as u16;
        ink.line(Rect { x, width: area.right().saturating_sub(x), ..area }, row, &line);
        x = x.saturating_add(width + 2);
    }
    let room = columns.saturating_sub(used);
    if let Some((rank, spans)) = right {
        // A shortened address is no use; a shortened notice still is.
        if width_of(&spans) > room && rank > 1 {
            return;
        }
        let line = Line::from(
            spans
                .into_iter()
                .map(|piece| Span::styled(fit(&piece.content, room, ink.theme.glyphs.ellipsis), piece.style))
                .collect::<Vec<_>>(),
        );
        let width = line.width() as u16;
        ink.line(Rect { x: area.right().saturating_sub(width), width, ..area }, row, &line);
    }
}
