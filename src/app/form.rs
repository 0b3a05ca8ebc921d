//! Several lines of text that are answered together: limits, of the policy or for one approval of many.
//!
//! What is typed is checked as it is typed; nothing is taken over before all of it holds, and then a question shows what it comes to.

use super::{Dialog, Effect, Key, State, TextField, approvals, policy};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormKind {
    /// The limits of automatic approval.
    Policy,
    /// What is approved at once.
    Limit,
}

impl FormKind {
    /// What each line is for; the order is that of the parsers.
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Policy => &["Bond of a submission", "Bonds of an epoch", "Minimum margin", "Minimum gain"],
            Self::Limit => &["Bond of each, at most", "All bonds, at most", "Margin, at least"],
        }
    }
}

#[derive(Clone, Debug)]
pub struct Form {
    pub kind: FormKind,
    /// As many as [`FormKind::labels`].
    pub fields: Vec<TextField>,
    pub at: usize,
    /// What is wrong with each line.
    pub errors: Vec<Option<String>>,
}

impl Form {
    pub(super) fn new(kind: FormKind, texts: impl IntoIterator<Item = String>) -> Self {
        let fields: Vec<_> = texts.into_iter().map(TextField::new).collect();
        Self { kind, errors: vec![None; fields.len()], fields, at: 0 }
    }

    pub fn text(&self, line: usize) -> &str {
        self.fields.get(line).map_or("", TextField::text)
    }

    /// The values, or none and what is wrong with each line.
    fn check(&mut self) {
        self.errors = match self.kind {
            FormKind::Policy => policy::limits(self).1,
            FormKind::Limit => approvals::limit(self).1,
        };
    }
}

/// Opens a form.
pub(super) fn open(state: &mut State, mut form: Form) {
    form.check();
    state.form = Some(form);
    state.dialog = Some(Dialog::Form);
    approvals::look_under(state);
}

/// A key in an open form.
pub(super) fn key(state: &mut State, key: Key) -> Vec<Effect> {
    let Some(form) = &mut state.form else {
        state.dialog = None;
        return vec![Effect::Redraw];
    };
    let lines = form.fields.len().max(1);
    match key {
        Key::Esc | Key::Ctrl('c') => {
            state.form = None;
            state.dialog = None;
        }
        Key::Tab | Key::Down | Key::Ctrl('n') => form.at = (form.at + 1) % lines,
        Key::BackTab | Key::Up | Key::Ctrl('p') => form.at = (form.at + lines - 1) % lines,
        Key::Enter => {
            form.check();
            // To the first line that does not hold.
            if let Some(wrong) = form.errors.iter().position(Option::is_some) {
                form.at = wrong;
            } else {
                return match form.kind {
                    FormKind::Policy => policy::ask(state),
                    FormKind::Limit => approvals::ask_under_limit(state),
                };
            }
        }
        key => {
            if form.fields.get_mut(form.at).is_some_and(|field| field.key(key)) {
                form.check();
                approvals::look_under(state);
            }
        }
    }
    vec![Effect::Redraw]
}

pub(super) fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    let Some(form) = &mut state.form else { return Vec::new() };
    if form.fields.get_mut(form.at).is_some_and(|field| field.paste(text)) {
        form.check();
        approvals::look_under(state);
    }
    vec![Effect::Redraw]
}

/// A margin of cosine distance, in millionths; digits and at most six decimals, so no rounding is in it.
pub(super) fn margin(text: &str) -> Result<u32, String> {
    use crate::api::PolicyLimits;
    let bad = || format!("`{}` is no margin: a decimal such as 0.0125, at most six decimals", shown(text));
    let (whole, decimals) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let digits = |text: &str| !text.is_empty() && text.len() <= 6 && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) {
        return Err(bad());
    }
    let whole: u32 = whole.parse().map_err(|_| bad())?;
    let millionths: u32 = format!("{decimals:0<6}").parse().map_err(|_| bad())?;
    match whole.checked_mul(1_000_000).and_then(|whole| whole.checked_add(millionths)) {
        Some(margin) if margin <= PolicyLimits::MOST_MARGIN_MILLIONTHS => Ok(margin),
        _ => Err("no margin is above 2".to_owned()),
    }
}

/// An amount, or what is wrong with it.
pub(super) fn amount(text: &str) -> Result<crate::primitives::Shannons, String> {
    text.parse().map_err(|error: crate::primitives::ParseSomaError| error.to_string())
}

/// For people, as it can be typed again.
pub fn margin_text(millionths: u32) -> String {
    let mut text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    while text.ends_with('0') && !text.ends_with(".00") && text.len() > 4 {
        text.pop();
    }
    text
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(24).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_are_exact_decimals() {
        let good = [("0", 0), ("0.0125", 12_500), (" 1.5 ", 1_500_000), ("2", 2_000_000), ("0.000001", 1)];
        for (text, millionths) in good {
            assert_eq!(margin(text), Ok(millionths), "{text}");
            assert_eq!(margin(&margin_text(millionths)), Ok(millionths), "{text}");
        }
        for text in ["", ".", "-0.1", "+1", "1e-3", "0.0000001", "2.000001", "99999999", "nan", "1.", "0,1"] {
            assert!(margin(text).is_err(), "{text}");
        }
    }
}
