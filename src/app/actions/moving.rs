//! Moving: of use under a finger.

use super::{
    Action, ActionInfo,
    places::{DASHBOARD, MAP, MOVING, SIDEWAYS},
    quiet,
};
use crate::app::Key::{BackTab, Char, Down, End, Home, Left, PageDown, PageUp, Right, Tab, Up};

pub(super) const ACTIONS: &[ActionInfo] = &[
    quiet(Action::NextPane, "next-pane", "next", &[Tab], "focus the next pane", DASHBOARD),
    quiet(Action::PreviousPane, "previous-pane", "previous", &[BackTab], "focus the previous pane", DASHBOARD),
    quiet(Action::Up, "up", "up", &[Up, Char('k')], "focus, select or scroll up", MOVING),
    quiet(Action::Down, "down", "down", &[Down, Char('j')], "focus, select or scroll down", MOVING),
    quiet(Action::Left, "left", "left", &[Left, Char('h')], "focus or cursor to the left", SIDEWAYS),
    quiet(Action::Right, "right", "right", &[Right, Char('l')], "focus or cursor to the right", SIDEWAYS),
    quiet(Action::PanLeft, "pan-left", "pan left", &[Char('H')], "move the map's window to the left", MAP),
    quiet(Action::PanDown, "pan-down", "pan down", &[Char('J')], "move the map's window down", MAP),
    quiet(Action::PanUp, "pan-up", "pan up", &[Char('K')], "move the map's window up", MAP),
    quiet(Action::PanRight, "pan-right", "pan right", &[Char('L')], "move the map's window to the right", MAP),
    quiet(Action::PageUp, "page-up", "page up", &[PageUp], "a page up", MOVING),
    quiet(Action::PageDown, "page-down", "page down", &[PageDown], "a page down", MOVING),
    quiet(Action::Top, "top", "top", &[Home, Char('g')], "to the first line", MOVING),
    quiet(Action::Bottom, "bottom", "bottom", &[End, Char('G')], "to the last line", MOVING),
];
