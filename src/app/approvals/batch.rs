//! Several candidates at once: marked ones, or all that fall under a limit.

use std::sync::Arc;

use super::{Approvals, Verdict};
use crate::{
    api::{Level, SubmissionId, SubmissionRow},
    app::{
        Dialog, Effect, State,
        actions::Action,
        form::{self, Form, FormKind, amount, margin, margin_text},
        update::note,
    },
    primitives::Shannons,
};

/// What a question is about. Nothing joins after it is asked; what goes is taken out, and the question stays even if all is gone: a yes
/// that comes then must not be for what lies behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub verdict: Verdict,
    /// Those that still wait.
    pub ids: Vec<SubmissionId>,
    /// How many they were when it was asked.
    pub asked: usize,
    /// Of those that still wait.
    pub sums: Sums,
}

/// What several candidates come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub count: usize,
    pub bonds: Shannons,
    pub fees: Shannons,
    pub rewards: Shannons,
    /// Expected, in shannons.
    pub gain: i128,
}

impl Sums {
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Arc<SubmissionRow>>) -> Self {
        rows.into_iter().fold(Self::default(), |sums, row| Self {
            count: sums.count + 1,
            bonds: sums.bonds.saturating_add(row.bond),
            fees: sums.fees.saturating_add(row.fee),
            rewards: sums.rewards.saturating_add(row.expected_reward),
            gain: sums.gain + row.prospect.map_or(0, |prospect| i128::from(prospect.gain)),
        })
    }
}

/// What is approved at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) struct Limit {
    bond: Shannons,
    bonds: Shannons,
    margin_millionths: u32,
}

/// What the form says, and what is wrong with each of its lines.
pub(in crate::app) fn limit(form: &Form) -> (Option<Limit>, Vec<Option<String>>) {
    let (bond, bonds, margin) = (amount(form.text(0)), amount(form.text(1)), margin(form.text(2)));
    let errors = vec![bond.clone().err(), bonds.clone().err(), margin.clone().err()];
    let limit = match (bond, bonds, margin) {
        (Ok(bond), Ok(bonds), Ok(margin_millionths)) => Some(Limit { bond, bonds, margin_millionths }),
        _ => None,
    };
    (limit, errors)
}

/// The candidates that nobody has answered and that fall under the limit, best first as long as all bonds do.
fn under_limit(approvals: &Approvals, limit: &Limit) -> Vec<Arc<SubmissionRow>> {
    let least = (f64::from(limit.margin_millionths) / 1e6) as f32;
    let mut left = limit.bonds;
    let mut rows = Vec::new();
    for row in approvals.unanswered() {
        // What is no number is below every limit.
        let fits = row.bond <= limit.bond && row.margin() >= least;
        if let Some(rest) = left.checked_sub(row.bond).filter(|_| fits) {
            left = rest;
            rows.push(Arc::clone(row));
        }
    }
    rows
}

/// What is typed, or what waits, has changed: what falls under it now?
pub(in crate::app) fn look_under(state: &mut State) {
    let form = state.form.as_ref().filter(|form| form.kind == FormKind::Limit);
    let limit = form.and_then(|form| limit(form).0);
    state.approvals.under = limit.map(|limit| Sums::of(&under_limit(&state.approvals, &limit)));
}

/// Opens the form, filled in with the policy's limits as far as this epoch has not used them.
pub(super) fn ask_for_limit(state: &mut State) {
    let policy = &state.snapshot.policy;
    let limits = &policy.limits;
    let texts = [
        limits.max_bond_per_submission.to_string(),
        limits.max_bond_per_epoch.saturating_sub(policy.used).to_string(),
        margin_text(limits.min_margin_millionths),
    ];
    form::open(state, Form::new(FormKind::Limit, texts));
}

/// The limit holds: the question, with the sums of what falls under it.
pub(in crate::app) fn ask_under_limit(state: &mut State) -> Vec<Effect> {
    let limit = state.form.as_ref().and_then(|form| limit(form).0);
    let rows = limit.map(|limit| under_limit(&state.approvals, &limit)).unwrap_or_default();
    if rows.is_empty() {
        // The form stays.
        return match limit {
            Some(_) => note(state, Level::Warning, "nothing that waits falls under it: raise a limit, or Esc"),
            None => vec![Effect::Redraw],
        };
    }
    state.form = None;
    let ids: Vec<SubmissionId> = rows.iter().map(|row| row.id).collect();
    let (asked, sums) = (ids.len(), Sums::of(&rows));
    state.approvals.batch = Some(Batch { verdict: Verdict::Approved, ids, asked, sums });
    state.dialog = Some(Dialog::Confirm(Action::AnswerBatch));
    vec![Effect::Redraw]
}
