//! Everything that the screen shows, besides what the engine told.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Approvals, BoardScreen, Chart, Form, Inspector, LogView, MapWindow, ModelList, Notifier, Submissions, TargetList,
    TextField,
    actions::{Action, Keymap, Palette},
    approvals, copying,
    layout::{Frame, Panes, Size},
    map,
    saved::MapKept,
};
use crate::{
    api::{Level, MapView, Mode, Snapshot, SubmissionRow},
    primitives::Shannons,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pane {
    Wallet,
    Targets,
    Map,
    Throughput,
    Rewards,
}

impl Pane {
    /// In the order of their number keys.
    pub const ALL: [Self; 5] = [Self::Wallet, Self::Targets, Self::Map, Self::Throughput, Self::Rewards];

    pub fn number(self) -> usize {
        Self::ALL.iter().position(|pane| *pane == self).map_or(0, |index| index + 1)
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Wallet => "Wallet",
            Self::Targets => "Open targets",
            Self::Map => "Niche map",
            Self::Throughput => "Throughput",
            Self::Rewards => "Rewards",
        }
    }

    pub(super) fn step(self, forward: bool) -> Self {
        let index = self.number() - 1 + if forward { 1 } else { Self::ALL.len() - 1 };
        Self::ALL[index % Self::ALL.len()]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    Dashboard,
    /// One pane, full screen.
    Pane(Pane),
    Models,
    Approvals,
    Log,
    Board,
}

impl Screen {
    pub fn place(self) -> Place {
        match self {
            Self::Dashboard => Place::Dashboard,
            Self::Pane(pane) => Place::Pane(pane),
            Self::Models => Place::Models,
            Self::Approvals => Place::Approvals,
            Self::Log => Place::Log,
            Self::Board => Place::Board,
        }
    }
}

/// What lies above the screen and takes the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialog {
    Help,
    /// What lands here: submissions and their data.
    Inspector,
    /// Asks before this action.
    Confirm(Action),
    /// A line of text is being typed.
    Typing(Purpose),
    /// What of the rewards is to be written, and how.
    Export,
    /// Which part of a submission is to be copied.
    Copying,
    /// Several lines are: [`State::form`].
    Form,
}

/// What a line of text is typed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Above the screen, with what fits below it.
    Palette,
    TargetFilter,
    SubmissionFilter,
    LogFilter,
    HelpSearch,
}

impl Purpose {
    /// Before the text.
    pub fn prompt(self) -> &'static str {
        match self {
            Self::Palette => ":",
            Self::TargetFilter | Self::SubmissionFilter | Self::LogFilter => "filter /",
            Self::HelpSearch => "search /",
        }
    }

    /// Behind it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Palette => "Enter does it, Esc leaves",
            Self::TargetFilter | Self::SubmissionFilter | Self::HelpSearch => "Enter keeps it, Esc clears it",
            Self::LogFilter => "level:warn kind:tx !word  Enter keeps it, Esc clears it",
        }
    }
}

/// Where a key lands: what the registry's actions are bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    Dashboard,
    Pane(Pane),
    /// One target in full.
    Target,
    Models,
    Approvals,
    Log,
    Board,
    Help,
    Inspector,
    Confirm,
    Export,
    Copying,
    /// A text field has the keys; the registry has none.
    Typing,
    Settling,
}

impl Place {
    /// As the documents name it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dashboard => "dashboard",
            Self::Pane(Pane::Wallet) => "wallet",
            Self::Pane(Pane::Targets) => "targets",
            Self::Target => "target",
            Self::Pane(Pane::Map) => "map",
            Self::Pane(Pane::Throughput) => "throughput",
            Self::Pane(Pane::Rewards) => "rewards",
            Self::Models => "models",
            Self::Approvals => "approvals",
            Self::Log => "log",
            Self::Board => "board",
            Self::Inspector => "inspector",
            Self::Help => "help",
            Self::Confirm => "question",
            Self::Export => "export",
            Self::Copying => "copy",
            Self::Typing => "text",
            Self::Settling => "leaving",
        }
    }
}

/// The engine as the interface knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Running,
    /// Shutdown was sent; the engine settles what is in flight.
    Settling {
        since_ms: u64,
    },
}

/// How the terminal wants to be drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// No braille, no box drawing, no arrows.
    pub ascii: bool,
    /// False under `NO_COLOR`: bold, dim and reverse only.
    pub colour: bool,
}

/// A short word to the user, gone after a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub level: Level,
    pub text: String,
    pub until_ms: u64,
}

#[derive(Clone, Debug)]
pub struct State {
    pub look: Look,
    pub size: Size,
    /// Unix time, as the last clock event told it.
    pub now_ms: u64,
    pub snapshot: Arc<Snapshot>,
    /// The balance when this session first saw one.
    pub balance_at_start: Option<Shannons>,
    pub screen: Screen,
    /// The pane that Enter zooms.
    pub focus: Pane,
    pub dialog: Option<Dialog>,
    /// The protocol that the open question is about.
    pub asked_protocol: Option<u64>,
    pub targets: TargetList,
    pub map: MapWindow,
    pub approvals: Approvals,
    /// How the map was left, until there is one.
    pub(super) kept_map: Option<MapKept>,
    /// What the map has followed.
    map_seen: Option<Arc<MapView>>,
    pub rewards: Submissions,
    pub chart: Chart,
    pub board: BoardScreen,
    pub inspector: Inspector,
    /// Rows above the visible part of Rewards, Models and Help; the drawing clamps it.
    pub scroll: u16,
    pub log: LogView,
    pub models: ModelList,
    /// The line being typed.
    pub field: TextField,
    /// The lines being typed.
    pub form: Option<Form>,
    /// Help shows only what has this in it; lower case.
    pub help_search: String,
    pub palette: Palette,
    pub keymap: Arc<Keymap>,
    pub notice: Option<Notice>,
    pub notifier: Notifier,
    pub mouse: bool,
    /// Questions that were asked so far: an answer counts for the one that was seen.
    pub(super) questions: u64,
    /// When the question that was asked last, or the place that keys land in, became what it is.
    pub(super) here_since_ms: u64,
    /// Charts move in steps: each change costs the line to the terminal.
    pub low_bandwidth: bool,
    pub life: Life,
}

impl State {
    pub fn new(look: Look, size: Size, now_ms: u64, snapshot: Arc<Snapshot>) -> Self {
        let mut state = Self {
            look,
            size,
            now_ms,
            snapshot: Arc::clone(&snapshot),
            balance_at_start: None,
            screen: Screen::Dashboard,
            focus: Pane::Targets,
            dialog: None,
            asked_protocol: None,
            targets: TargetList::default(),
            map: MapWindow::default(),
            approvals: Approvals::default(),
            kept_map: None,
            map_seen: None,
            rewards: Submissions::default(),
            chart: Chart::default(),
            board: BoardScreen::default(),
            inspector: Inspector::default(),
            scroll: 0,
            log: LogView::default(),
            models: ModelList::default(),
            field: TextField::default(),
            form: None,
            help_search: String::new(),
            palette: Palette::default(),
            keymap: Arc::default(),
            notice: None,
            notifier: Notifier::default(),
            mouse: false,
            questions: 0,
            here_since_ms: 0,
            low_bandwidth: false,
            life: Life::Running,
        };
        state.take(snapshot);
        state.log.follow(&state.snapshot);
        map::settle(&mut state);
        state
    }

    /// Replaces the snapshot and everything derived from it. Gives the candidates that have gone without an answer.
    pub(super) fn take(&mut self, snapshot: Arc<Snapshot>) -> Vec<Arc<SubmissionRow>> {
        let before = std::mem::replace(&mut self.snapshot, snapshot);
        let wallet = &self.snapshot.wallet;
        if self.balance_at_start.is_none() {
            // Before the first answer of the node a zero balance means nothing.
            self.balance_at_start = wallet.history.first().map(|&(_, balance)| balance);
        }
        self.targets.follow(&self.snapshot, self.now_ms);
        // Up to 100,000 samples: looked through when they are others.
        if !self.map_seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &self.snapshot.map)) {
            self.map.follow(&self.snapshot.map);
            self.map_seen = Some(Arc::clone(&self.snapshot.map));
        }
        self.rewards.follow(&self.snapshot);
        self.models.follow(&self.snapshot.models);
        if !Arc::ptr_eq(&before.log, &self.snapshot.log) {
            self.log.follow(&self.snapshot);
        }
        let is_watched = self.screen == Screen::Approvals;
        let gone = self.approvals.follow(&self.snapshot, self.now_ms, is_watched);
        approvals::look_under(self);
        gone
    }

    pub fn place(&self) -> Place {
        match (self.life, self.dialog) {
            (Life::Settling { .. }, _) => Place::Settling,
            (_, Some(Dialog::Help)) => Place::Help,
            (_, Some(Dialog::Inspector)) => Place::Inspector,
            (_, Some(Dialog::Confirm(_))) => Place::Confirm,
            (_, Some(Dialog::Typing(_) | Dialog::Form)) => Place::Typing,
            (_, Some(Dialog::Export)) => Place::Export,
            (_, Some(Dialog::Copying)) => Place::Copying,
            (_, None) => self.below(),
        }
    }

    /// Where a key would land if no dialog took it.
    pub fn below(&self) -> Place {
        match self.screen {
            Screen::Pane(Pane::Targets) if self.targets.detail.is_some() => Place::Target,
            screen => screen.place(),
        }
    }

    /// Whether what is typed filters the list above it.
    pub fn is_filtering(&self) -> bool {
        let Some(Dialog::Typing(purpose)) = self.dialog else { return false };
        self.life == Life::Running
            && matches!(purpose, Purpose::TargetFilter | Purpose::SubmissionFilter | Purpose::LogFilter)
    }

    pub fn frame(&self) -> Frame {
        Frame::of(self.size)
    }

    pub fn panes(&self) -> Panes {
        Panes::of(self.frame().body, self.focus)
    }

    /// Whether there is anything that an action could be about.
    pub fn offers(&self, action: Action) -> bool {
        match action {
            Action::AcceptProtocol => self.snapshot.network.unaccepted_protocol.is_some(),
            Action::Inspect if self.screen == Screen::Board => self.board.subject(&self.snapshot.board).is_some(),
            Action::CopyPart(part) => copying::subject(self).is_some_and(|row| part.of(row).is_some()),
            // They act on a list that nobody sees behind the details.
            Action::Submission
            | Action::SortSubmissions
            | Action::FilterSubmissions
            | Action::OlderPeriod
            | Action::NewerPeriod
            | Action::ByDay
            | Action::Export => !(self.rewards.detail && self.rewards.chosen().is_some()),
            Action::Mark | Action::MarkAll | Action::ClearMarks if self.snapshot.mode == Mode::ReadOnly => false,
            Action::Approve
            | Action::Reject
            | Action::ApproveAll
            | Action::Mark
            | Action::MarkAll
            | Action::ClearMarks
            | Action::PreviewDown
            | Action::PreviewUp
            | Action::Hex => !self.snapshot.approvals.is_empty(),
            _ => true,
        }
    }

    /// Candidates that still wait for an answer of the user.
    pub fn undecided(&self) -> usize {
        self.approvals.undecided()
    }
}
