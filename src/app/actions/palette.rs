//! Everything that can be done here, by name: what `:` opens.

use nucleo_matcher::{
    Config, Matcher, Utf32Str,
    pattern::{AtomKind, CaseMatching, Normalization, Pattern},
};

use super::{Action, ActionInfo, at};
use crate::app::Place;

/// What fits the words typed so far, the best first.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    pub found: Vec<&'static ActionInfo>,
    pub selected: usize,
}

impl Palette {
    /// What `offers` of what can be done at `place`, ranked by how well its name, id and help fit `words`.
    pub fn of(place: Place, words: &str, offers: impl Fn(Action) -> bool) -> Self {
        let here = at(place).filter(|info| info.is_chosen() && offers(info.action));
        let pattern = |kind| Pattern::new(words, CaseMatching::Ignore, Normalization::Smart, kind);
        // Any letters are scattered through a sentence.
        let (of_name, of_help) = (pattern(AtomKind::Fuzzy), pattern(AtomKind::Substring));
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut buffer = Vec::new();
        let mut ranked: Vec<(u32, &'static ActionInfo)> = here
            .filter_map(|info| {
                let mut score =
                    |pattern: &Pattern, text: &str| pattern.score(Utf32Str::new(text, &mut buffer), &mut matcher);
                // A name says more than a sentence.
                let name = [score(&of_name, info.name), score(&of_name, info.id)];
                let name = name.into_iter().flatten().max().map(|score| score * 2);
                name.into_iter().chain(score(&of_help, info.help)).max().map(|score| (score, info))
            })
            .collect();
        ranked.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        Self { found: ranked.into_iter().map(|(_, info)| info).collect(), selected: 0 }
    }

    pub(in crate::app) fn step(&mut self, by: isize) {
        let last = self.found.len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(by).min(last);
    }

    pub fn chosen(&self) -> Option<&'static ActionInfo> {
        self.found.get(self.selected).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(words: &str) -> Option<&'static str> {
        Palette::of(Place::Dashboard, words, |_| true).chosen().map(|info| info.id)
    }

    #[test]
    fn a_few_letters_find_what_is_meant() {
        assert_eq!(first("quit"), Some("quit"));
        assert_eq!(first("rew"), Some("rewards"));
        assert_eq!(first("thrp"), Some("throughput"));
        assert_eq!(first("approv"), Some("approvals"));
        assert_eq!(first("clipboard"), Some("copy"));
        assert_eq!(first("xyzzy"), None);
        // Its letters are in many a sentence, in this order.
        assert_eq!(first("undo"), None);
    }

    #[test]
    fn motions_are_left_to_the_fingers_and_nothing_of_another_screen_is_offered() {
        let all = Palette::of(Place::Dashboard, "", |_| true).found;
        assert!(all.iter().any(|info| info.action == Action::Quit));
        assert!(all.iter().all(|info| !info.action.is_motion() && info.places.contains(&Place::Dashboard)));
    }
}
