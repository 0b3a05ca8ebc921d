//! The tables of targets and models.

use super::{
    Action, ActionInfo,
    places::{LISTS, PINNING, TARGETS},
    plain, quiet,
};
use crate::app::Key::{Char, Enter};

pub(super) const ACTIONS: &[ActionInfo] = &[
    plain(Action::Open, "details", "details", &[Enter], "all about this target, and why nothing fits it yet", TARGETS),
    plain(Action::Pin, "pin", "pin", &[Char('P')], "pin it: comes first; a model stands for all its targets", PINNING),
    plain(Action::Sort, "sort", "sort", &[Char('s')], "sort by the next column", LISTS),
    quiet(Action::Reverse, "reverse-sort", "reverse", &[Char('S')], "turn the order round", LISTS),
    plain(
        Action::Filter,
        "filter",
        "filter",
        &[Char('/')],
        "show only some targets; its words are listed below",
        TARGETS,
    ),
];
