//! The limits of automatic approval under the user's fingers: typed, checked, shown as old and new, and only then sent.

use super::{
    Dialog, Effect, State,
    actions::Action,
    form::{self, Form, FormKind, amount, margin, margin_text},
};
use crate::{
    api::{Command, PolicyLimits},
    primitives::Shannons,
};

/// All shannons that there are: nobody means more.
const SUPPLY: Shannons = Shannons(10_000_000_000_000_000);

/// What the registry's actions do here; `None` for those of other screens.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    match action {
        Action::EditPolicy => {
            let limits = &state.snapshot.policy.limits;
            let texts = [
                limits.max_bond_per_submission.to_string(),
                limits.max_bond_per_epoch.to_string(),
                margin_text(limits.min_margin_millionths),
                limits.min_gain.to_string(),
            ];
            form::open(state, Form::new(FormKind::Policy, texts));
            Some(Vec::new())
        }
        // Asked for by the form, and confirmed.
        Action::ApplyPolicy => {
            let form = state.form.take()?;
            let limits = limits(&form).0?;
            Some(vec![Effect::Send(Command::SetPolicy(limits))])
        }
        _ => None,
    }
}

/// What the form says, and what is wrong with each of its lines.
pub fn limits(form: &Form) -> (Option<PolicyLimits>, Vec<Option<String>>) {
    let money = |line| {
        amount(form.text(line)).and_then(|amount| match amount <= SUPPLY {
            true => Ok(amount),
            false => Err("more than all SOMA that there are".to_owned()),
        })
    };
    let (each, epoch, margin, gain) = (money(0), money(1), margin(form.text(2)), money(3));
    let epoch = match (&each, epoch) {
        (Ok(each), Ok(epoch)) if epoch < *each => {
            Err("less than the bond of one submission: that one could never be approved".to_owned())
        }
        (_, epoch) => epoch,
    };
    let errors = vec![each.clone().err(), epoch.clone().err(), margin.clone().err(), gain.clone().err()];
    let limits = match (each, epoch, margin, gain) {
        (Ok(each), Ok(epoch), Ok(margin), Ok(gain)) => Some(PolicyLimits {
            max_bond_per_submission: each,
            max_bond_per_epoch: epoch,
            min_margin_millionths: margin,
            min_gain: gain,
        }),
        _ => None,
    };
    (limits, errors)
}

/// Everything holds: the question before it is taken over.
pub(super) fn ask(state: &mut State) -> Vec<Effect> {
    let typed = state.form.as_ref().and_then(|form| limits(form).0);
    state.dialog = match typed {
        Some(limits) if limits != state.snapshot.policy.limits => Some(Dialog::Confirm(Action::ApplyPolicy)),
        // Nothing has changed.
        _ => {
            state.form = None;
            None
        }
    };
    vec![Effect::Redraw]
}
