//! The question before an action that signs more than the eye rests on.

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    api::Mode,
    app::{Hit, State, Verdict, actions::Action},
    views::{
        key_below, key_of,
        numbers::gain,
        panes::Ink,
        policy,
        text::{clean, counted, wrap},
    },
};

pub fn confirm(state: &State, action: Action, body: Rect, ink: &mut Ink<'_>) {
    let (title, sentences) = match action {
        Action::AnswerBatch => batch(state, ink),
        Action::ApplyPolicy => policy::change(state),
        Action::OnlyPinned => (
            "All targets",
            vec![
                "Let the policy approve for all targets again, not only for pinned ones?".to_owned(),
                "Every confirmed hit within its limits is signed and sent without asking.".to_owned(),
            ],
        ),
        Action::AcceptProtocol => {
            let spoken = state.asked_protocol.unwrap_or_default();
            (
                "Newer protocol",
                vec![
                    format!("Sign although the network speaks protocol {spoken}?"),
                    "This program does not know its rules: fees, bonds and checks may have changed, and what is signed \
                     may fail and cost its fee. A newer version of the program is the safer answer."
                        .to_owned(),
                    "The answer is kept for this directory.".to_owned(),
                ],
            )
        }
        _ => {
            let mut sentences = vec![
                "Let the policy approve by itself from now on?".to_owned(),
                "Every confirmed hit within its limits is signed and sent without asking,".to_owned(),
                "its bond is put down, and its reward is claimed later.".to_owned(),
            ];
            sentences.extend(policy::in_words(&state.snapshot.policy));
            if state.snapshot.only_pinned {
                sentences.push("Only what is for pinned targets: \"only pinned\" is on.".to_owned());
            }
            let waiting = state.undecided();
            let wait = if waiting == 1 { "1 candidate waits".to_owned() } else { format!("{waiting} candidates wait") };
            sentences.push(format!("{wait} now. {} goes back to MANUAL at any time.", key_below(state, Action::Mode)));
            ("Mode AUTO", sentences)
        }
    };
    let is_open =
        action != Action::AnswerBatch || state.approvals.batch.as_ref().is_some_and(|batch| !batch.ids.is_empty());
    let columns = usize::from(body.width).saturating_sub(6);
    let mut lines: Vec<Line<'static>> =
        sentences.iter().flat_map(|sentence| wrap(sentence, columns)).map(Line::raw).collect();
    // The answer is seen at any height.
    lines.truncate(usize::from(body.height).saturating_sub(3).max(1));
    let answer = lines.len() as u16;
    let choices: &[(Action, &str)] = match is_open {
        true => &[(Action::Confirm, " yes"), (Action::Back, " no")],
        false => &[(Action::Back, " goes back")],
    };
    let pieces: Vec<_> = choices
        .iter()
        .flat_map(|&(action, word)| {
            let key = Span::styled(key_of(state, action), ink.theme.focus());
            [(key, Some(Hit::Act(action))), (Span::raw(word), Some(Hit::Act(action))), (Span::raw("   "), None)]
        })
        .collect();
    lines.push(Line::from(pieces.iter().map(|(piece, _)| piece.clone()).collect::<Vec<_>>()));
    let inner = ink.popup(title, lines, body);
    ink.pieces(inner, answer, pieces);
}

fn left(gone: usize) -> Option<String> {
    (gone > 0).then(|| format!("{} left the list since this was asked.", counted(gone as u64, "candidate")))
}

fn batch(state: &State, ink: &Ink<'_>) -> (&'static str, Vec<String>) {
    let Some(batch) = &state.approvals.batch else { return ("Approvals", Vec::new()) };
    let snapshot = &state.snapshot;
    let sums = batch.sums;
    let gone = batch.asked - sums.count;
    if sums.count == 0 {
        let all = if gone == 1 { "The candidate".to_owned() } else { format!("All {gone} candidates") };
        let answered = "What this asked about is gone, and nothing was answered.".to_owned();
        return (
            "Gone",
            vec![answered, format!("{all} left the list meanwhile, as their targets closed or they failed.")],
        );
    }
    let only = snapshot.approvals.iter().find(|row| sums.count == 1 && batch.ids.contains(&row.id));
    let many = match only {
        Some(row) => format!("the submission for {}", row.target.short()),
        None => counted(sums.count as u64, "submission"),
    };
    if batch.verdict == Verdict::Rejected {
        let mut sentences = vec![format!("Drop {many}?")];
        sentences.extend(left(gone));
        sentences.push("What is rejected is not offered again in this epoch.".to_owned());
        return ("Reject", sentences);
    }
    let network = &snapshot.network;
    let policy = &snapshot.policy;
    let used = policy.used.saturating_add(sums.bonds);
    let expected = i64::try_from(sums.gain).unwrap_or(if sums.gain < 0 { i64::MIN } else { i64::MAX });
    let mut sentences = vec![
        format!("Sign and send {many} on {} ({})?", clean(&network.name), clean(&network.rpc_url)),
        format!("Bonds    {} SOMA", sums.bonds),
        format!("Fees     {} SOMA", sums.fees),
        format!("Rewards  {} SOMA expected", sums.rewards),
        format!("Gain     {} SOMA expected, with chance and risk", gain(expected, 20, ink.theme.glyphs.minus)),
        format!("Epoch    {used} SOMA of bonds with these; the limit of AUTO is {}", policy.limits.max_bond_per_epoch),
    ];
    sentences.extend(left(gone));
    if snapshot.mode == Mode::Auto || used > policy.limits.max_bond_per_epoch {
        sentences.push("Your approval goes beyond the policy's limits where it has to.".to_owned());
    }
    sentences.push("The data becomes public. Approving also approves claiming the rewards later.".to_owned());
    ("Approve", sentences)
}
