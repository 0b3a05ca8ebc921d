//! The limits of automatic approval: what they are, what was done within them, and the form that changes them.

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    panes::Ink,
    text::{age, ago, clean, fit, width, wrap},
};
use crate::{
    api::{PolicyLimits, PolicyView},
    app::{self, Form, FormKind, Hit, State, Sums},
    primitives::Shannons,
};

/// A part of a whole in percent, with as many decimals as it takes to be seen.
pub fn share(part: Shannons, whole: Shannons) -> String {
    let hundredths = u128::from(part.0) * 10_000 / u128::from(whole.0.max(1));
    match hundredths {
        _ if whole == Shannons::ZERO && part > Shannons::ZERO => "all".to_owned(),
        0 if part > Shannons::ZERO => "<0.01 %".to_owned(),
        0..1_000 => format!("{}.{:02} %", hundredths / 100, hundredths % 100),
        _ => format!("{} %", hundredths / 100),
    }
}

fn margin(limits: &PolicyLimits) -> String {
    format!("{}.{:06}", limits.min_margin_millionths / 1_000_000, limits.min_margin_millionths % 1_000_000)
}

/// The limits as a sentence each.
pub fn in_words(policy: &PolicyView) -> Vec<String> {
    let limits = &policy.limits;
    vec![
        format!("Limits: {} SOMA a submission, {} an epoch", limits.max_bond_per_submission, limits.max_bond_per_epoch),
        format!("({} used in this one), margin {}, gain {}.", policy.used, margin(limits), limits.min_gain),
    ]
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
    line(labels[2], margin(&old), margin(&new));
    line(labels[3], old.min_gain.to_string(), new.min_gain.to_string());
    if new.max_bond_per_epoch < policy.used {
        sentences.push(format!("{} SOMA of this epoch are used: nothing more is approved in it.", policy.used));
    }
    sentences.push("What the policy approved beyond them goes back to you unless it is signed.".to_owned());
    sentences
        .push("They last until the program ends; the configuration says what the next run begins with.".to_owned());
    ("Limits", sentences)
}

/// What automatic approval may do and did.
pub fn panel(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let policy = &state.snapshot.policy;
    let inner = ink.pane("", "Policy", "P changes the limits".to_owned(), false, area);
    let limits = &policy.limits;
    let strong = ink.theme.strong();
    ink.pair(inner, 0, "bonds of this epoch", format!("{} of {} SOMA", policy.used, limits.max_bond_per_epoch), strong);
    let plain = Style::new();
    ink.pair(inner, 1, "bond of a submission", format!("at most {} SOMA", limits.max_bond_per_submission), plain);
    let least = format!("margin {}, gain {} SOMA", margin(limits), limits.min_gain);
    ink.pair(inner, 2, "at least", least, plain);
    let did = format!("{} approved with bonds of {} SOMA", policy.auto.approved, policy.auto.bonds);
    ink.pair(inner, 3, "it did", did, ink.theme.good());
    ink.pair(inner, 4, "it left alone", format!("{} targets", policy.auto.refused), plain);
    let edited = policy.edited_at_ms.map(|at| {
        let ago = ago(state.now_ms.saturating_sub(at));
        format!("limits changed {ago}, for this run")
    });
    let mut row = 5;
    if let Some(edited) = edited {
        ink.line(inner, row, &Line::styled(edited, ink.theme.accent()));
        row += 1;
    }
    for refusal in &policy.auto.refusals {
        let ago = age(state.now_ms.saturating_sub(refusal.at_ms));
        let text = format!("{ago:>3} {} {}: {}", refusal.target.short(), clean(&refusal.source), clean(&refusal.why));
        let cut = fit(&text, inner.width.into(), ink.theme.glyphs.ellipsis);
        ink.line(inner, row, &Line::styled(cut, ink.theme.dim()));
        row = row.saturating_add(1);
    }
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
                 the program ends.",
                policy.used
            )
        }
        FormKind::Limit => under(state, form),
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
    Line::from(spans)
}

/// How many fall under what is typed, before anything is asked.
fn under(state: &State, form: &Form) -> String {
    let rows = &state.snapshot.approvals;
    let Some(limit) = app::limit(form).0 else { return String::new() };
    let ids = app::under_limit(&state.approvals, rows, &limit);
    let sums = Sums::of(rows.iter().filter(|row| ids.contains(&row.id)));
    format!(
        "{} of {} that wait fall under it: bonds {} SOMA, rewards {} SOMA expected.",
        sums.count,
        state.undecided(),
        sums.bonds,
        sums.rewards
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_seen_however_small() {
        let of = |part, whole| share(Shannons(part), Shannons(whole));
        assert_eq!([of(0, 9), of(1, 1_000_000), of(66, 100_000)], ["0.00 %", "<0.01 %", "0.06 %"]);
        assert_eq!([of(1, 4), of(5, 4), of(1, 0)], ["25 %", "125 %", "all"]);
    }
}
