//! The niche map: what is marked on it, and the part of it that is seen.

use super::{Action, ActionInfo, places::MAP, plain, quiet};
use crate::app::Key::{Char, Tab};

pub(super) const MARKS: &[ActionInfo] = &[
    plain(
        Action::Box,
        "box",
        "box",
        &[Char('b')],
        "begin a box at the cursor; again (or drag the mouse): pin the targets in it",
        MAP,
    ),
    plain(Action::MapColour, "map-colour", "colour", &[Char('c')], "colour samples by model, source or margin", MAP),
    plain(Action::Coverage, "coverage", "coverage", &[Char('u')], "show which regions our data underserves", MAP),
    plain(Action::NextRegion, "next-region", "next region", &[Char('n')], "cursor to the next underserved region", MAP),
    plain(
        Action::NextTarget,
        "next-target",
        "next target",
        &[Char('t'), Tab],
        "cursor to the next target, hits first",
        MAP,
    ),
];

pub(super) const WINDOW: &[ActionInfo] = &[
    plain(
        Action::ZoomIn,
        "zoom-in",
        "closer",
        &[Char('+'), Char('=')],
        "zoom into the map at the cursor (or turn the wheel)",
        MAP,
    ),
    plain(Action::ZoomOut, "zoom-out", "farther", &[Char('-')], "zoom out of the map", MAP),
    quiet(Action::WholeMap, "whole-map", "whole", &[Char('0')], "the whole map", MAP),
    plain(
        Action::Layout,
        "map-layout",
        "layout",
        &[Char('f')],
        "lay the map out by principal axes, or so that neighbours stay together",
        MAP,
    ),
    quiet(Action::Refit, "map-refit", "refit", &[Char('r')], "fit the map again on what is in the library now", MAP),
    quiet(Action::ExportMap, "map-export", "export", &[Char('e')], "draw the map into a file (SVG)", MAP),
    quiet(
        Action::HideOpen,
        "map-open",
        "open targets",
        &[Char('o')],
        "leave out targets that nothing of ours hits",
        MAP,
    ),
];
