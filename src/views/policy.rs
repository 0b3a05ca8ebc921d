//! The limits of automatic approval: what they are, what was done within them, and the form that changes them.

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    key_below,
    panes::Ink,
    text::{age, ago, clean, counted, group, width, wrap},
};
use crate::{
    api::{PolicyLimits, PolicyView},
    app::{self, Form, FormKind, Hit, State, actions::Action, margin_text},
};

/// The limits as a sentence each.
pub fn in_words(policy: &PolicyView) -> Vec<String> {
    let limits = &policy.limits;
    vec![
        format!("Limits: {} SOMA a submission, {} an epoch", limits.max_bond_per_submission, limits.max_bond_per_epoch),
        format!(
            "({} used in this one), margin {}, gain {}.",
            policy.used,
            margin_text(limits.min_margin_millionths),
            limits.min_gain
        ),
    ]
}

/// In the order of the form's lines.
fn short(limits: &PolicyLimits) -> String {
    let margin = margin_text(limits.min_margin_millionths);
    let (each, epoch, gain) = (limits.max_bond_per_submission, limits.max_bond_per_epoch, limits.min_gain);
    format!("{each}, {epoch}, margin {margin}, gain {gain}")
}

/// Old and new, before it is taken over.
pub fn change(state: &State) -> (&'static str, Vec<String>) {
    let policy = &state.snapshot.policy;
    let (old, new) = (policy.limits, state.form.as_ref().and_then(|form| app::policy::limits(form).0));
    let new = new.unwrap_or(old);
    let mut sentences = vec!["Obey these limits from now on?".to_owned()];
    let mut line = |label: &str, old: String, new: String| {
        let now = if old == new { format!("{new}, as before") } else { format!("{old} becomes {new}") };
        sentences.push(format!("{label:<21} {now}"));
    };
    let labels = FormKind::Policy.labels();
    line(labels[0], old.max_bond_per_submission.to_string(), new.max_bond_per_submission.to_string());
    line(labels[1], old.max_bond_per_epoch.to_string(), new.max_bond_per_epoch.to_string());
    line(labels[2], margin_text(old.min_margin_millionths), margin_text(new.min_margin_millionths));
    line(labels[3], old.min_gain.to_string(), new.min_gain.to_string());
    if new.max_bond_per_epoch < policy.used {
        sentences.push(format!("{} SOMA of this epoch are used: nothing more is approved in it.", policy.used));
    }
    sentences.push("What the policy approved beyond them goes back to you unless it is signed.".to_owned());
    sentences.push(format!("They last until the program ends; the next run begins with {}.", short(&policy.at_start)));
    ("Limits", sentences)
}

/// What automatic approval may do and did.
pub fn panel(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let policy = &state.snapshot.policy;
    let inner =
        ink.pane("", "Policy", format!("{} changes the limits", key_below(state, Action::EditPolicy)), false, area);
    let limits = &policy.limits;
    let strong = ink.theme.strong();
    ink.pair(inner, 0, "bonds of this epoch", format!("{} of {} SOMA", policy.used, limits.max_bond_per_epoch), strong);
    let plain = Style::new();
    ink.pair(inner, 1, "bond of a submission", format!("at most {} SOMA", limits.max_bond_per_submission), plain);
    let least = format!("margin {}, gain {} SOMA", margin_text(limits.min_margin_millionths), limits.min_gain);
    ink.pair(inner, 2, "at least", least, plain);
    let did = format!("{}, bonds {} SOMA", group(policy.auto.approved), policy.auto.bonds);
    ink.pair(inner, 3, "approved by it", did, ink.theme.good());
    ink.pair(inner, 4, "left alone by it", counted(policy.auto.refused, "target"), plain);
    let mut row = 5;
    if let Some(at_ms) = policy.edited_at_ms {
        let edited = format!("limits changed {}, for this run", ago(state.now_ms.saturating_sub(at_ms)));
        ink.line(inner, row, &Line::styled(edited, ink.theme.accent()));
        row += 1;
    }
    for refusal in &policy.auto.refusals {
        let said = |source: &str| {
            let ago = age(state.now_ms.saturating_sub(refusal.at_ms));
            format!("{ago:>3} {}{source}: {}", refusal.target.short(), clean(&refusal.why))
        };
        // Why is worth more than what it was.
        let whole = said(&format!(" {}", clean(&refusal.source)));
        let text = if width(&whole) <= inner.width.into() { whole } else { said("") };
        for line in wrap(&text, inner.width.into()) {
            ink.line(inner, row, &Line::styled(line, ink.theme.dim()));
            row = row.saturating_add(1);
        }
    }
}

/// The panel in two lines, where there is no room for it: what the policy may do, and what it did last.
pub fn lines(state: &State, ink: &Ink<'_>) -> Vec<Line<'static>> {
    let policy = &state.snapshot.policy;
    let (limits, auto) = (&policy.limits, &policy.auto);
    let may = format!(
        "Policy: {} a bond, {} of {} an epoch; margin {}, gain {}",
        limits.max_bond_per_submission,
        policy.used,
        limits.max_bond_per_epoch,
        margin_text(limits.min_margin_millionths),
        limits.min_gain
    );
    let mut did = format!("Approved {}, left alone {}", group(auto.approved), group(auto.refused));
    if let Some(last) = auto.refusals.first() {
        let ago = age(state.now_ms.saturating_sub(last.at_ms));
        did.push_str(&format!("; {ago} {}: {}", last.target.short(), clean(&last.why)));
    }
    vec![Line::styled(may, ink.theme.accent()), Line::styled(did, ink.theme.dim())]
}

/// The form that is being filled in.
pub fn form(state: &State, body: Rect, ink: &mut Ink<'_>) {
    let Some(form) = &state.form else { return };
    let columns = usize::from(body.width).saturating_sub(6).min(72);
    let title = match form.kind {
        FormKind::Policy => "Limits of automatic approval",
        FormKind::Limit => "Approve all under a limit",
    };
    let mut lines = Vec::new();
    let mut rows = Vec::new();
    for (at, label) in form.kind.labels().iter().enumerate() {
        rows.push(lines.len() as u16);
        lines.push(field(form, at, label, columns, ink));
        if let Some(Some(error)) = form.errors.get(at) {
            let style = ink.theme.bad();
            let glyph = ink.theme.glyphs.bad;
            lines.extend(
                wrap(&format!("{glyph} {}", clean(error)), columns).into_iter().map(|line| Line::styled(line, style)),
            );
        }
    }
    let below = match form.kind {
        FormKind::Policy => {
            let policy = &state.snapshot.policy;
            format!(
                "Amounts in SOMA, or whole shannons as 250000sh. {} SOMA of bonds are used in this epoch. What is changed here lasts until \
                 the program ends; the next run begins with {}.",
                policy.used,
                short(&policy.at_start)
            )
        }
        FormKind::Limit => under(state),
    };
    lines.extend(wrap(&below, columns).into_iter().map(|line| Line::styled(line, ink.theme.dim())));
    // The keys are seen at any height.
    lines.truncate(usize::from(body.height).saturating_sub(3).max(1));
    let keys = [("Enter", " goes on  "), ("Tab", " next line  "), ("Esc", " leaves it")];
    let spans = keys.iter().flat_map(|(key, does)| [Span::styled(*key, ink.theme.focus()), Span::raw(*does)]);
    lines.push(Line::from(spans.collect::<Vec<_>>()));
    let inner = ink.popup(title, lines, body);
    for (at, row) in rows.into_iter().enumerate() {
        ink.hit_row(inner, row, Hit::Field(at));
    }
}

fn field(form: &Form, at: usize, label: &str, columns: usize, ink: &Ink<'_>) -> Line<'static> {
    let here = form.at == at;
    let mark = if here { ink.theme.glyphs.selected } else { " " };
    let label = format!("{mark} {label:<21} ");
    let room = columns.saturating_sub(width(&label)).saturating_sub(1);
    let Some(field) = form.fields.get(at) else { return Line::default() };
    let (before, after) = field.halves();
    let style = if here { ink.theme.focus() } else { Style::new() };
    let mut spans = vec![Span::styled(label, style)];
    // A line that is too long shows what is before the cursor.
    let before = clean(before);
    let skip = width(&before).saturating_sub(room);
    spans.push(Span::raw(before.chars().skip(skip).collect::<String>()));
    let mut after = after.chars();
    if here {
        let under = clean(&after.next().unwrap_or(' ').to_string());
        spans.push(Span::styled(under, ink.theme.cursor_row()));
    }
    spans.push(Span::raw(clean(after.as_str())));
    // As wide whatever is typed, so that the box around it stands still.
    let used: usize = spans.iter().map(Span::width).sum();
    spans.push(Span::raw(" ".repeat(columns.saturating_sub(used))));
    Line::from(spans)
}

/// How many fall under what is typed, before anything is asked.
fn under(state: &State) -> String {
    let Some(sums) = state.approvals.under else { return String::new() };
    format!(
        "{} of {} that wait fall under it: bonds {} SOMA, rewards {} SOMA expected.",
        sums.count,
        state.undecided(),
        sums.bonds,
        sums.rewards
    )
}
