//! What the pointer means: everything that is drawn says so itself, and a click obeys the rules of the keys.

use std::sync::Arc;

use somascope::{
    api::{Command, Inspect, Mode, Snapshot, SubmissionId, SubmissionState},
    app::{
        AppEvent, Dialog, Effect, Hit, Hits, Key, List, ModelSort, Mouse, Pane, Place, Purpose, Row, Screen, Section,
        SortKey, Sorting, Span, State, SubmissionSort,
        actions::{Action, Keymap},
        layout::Size,
        update,
    },
};

use crate::{
    board::inspected,
    fixture::{id, submission},
    harness::{
        busy, commands, hits,
        person::{key, keys, state},
    },
    rewards::week,
};

/// Where something is that a click on it would reach.
fn spot(picture: &Hits, wanted: Hit) -> Option<(u16, u16)> {
    let areas = picture.iter().filter(|(_, hit)| *hit == wanted);
    let mut cells = areas.flat_map(|(area, _)| {
        (area.y..area.y + area.height)
            .flat_map(move |row| (area.x..area.x + area.width).map(move |column| (column, row)))
    });
    cells.find(|&(column, row)| picture.at(column, row).is_some_and(|touch| touch.hit == wanted))
}

/// The time in which a double click is done.
const TWICE_MS: u64 = 300;

/// No faster than somebody who looks first.
fn later(state: &mut State) {
    wait(state, 900);
}

fn wait(state: &mut State, pause_ms: u64) {
    let now_ms = state.now_ms + pause_ms;
    update(state, AppEvent::Clock { now_ms });
}

fn click_on(state: &mut State, picture: &Hits, hit: Hit) -> Vec<Effect> {
    let (column, row) = spot(picture, hit).unwrap_or_else(|| panic!("{hit:?} is not on the screen"));
    later(state);
    let effects = update(state, picture.touch(AppEvent::Mouse(Mouse::Down { column, row })));
    update(state, picture.touch(AppEvent::Mouse(Mouse::Up { column, row })));
    effects
}

/// Looks, and clicks on what is seen.
fn click(state: &mut State, hit: Hit) -> Vec<Effect> {
    let picture = hits(state);
    click_on(state, &picture, hit)
}

fn wheel(state: &mut State, hit: Hit) {
    let picture = hits(state);
    let (column, row) = spot(&picture, hit).unwrap_or_else(|| panic!("{hit:?} is not on the screen"));
    update(state, picture.touch(AppEvent::Mouse(Mouse::WheelDown { column, row })));
}

fn at(word: &str) -> State {
    let mut state = state(busy());
    keys(&mut state, word);
    state
}

#[test]
fn a_click_focuses_a_pane_and_a_second_one_opens_it() {
    let mut state = at("");
    click(&mut state, Hit::Pane(Pane::Wallet));
    assert_eq!((state.focus, state.screen), (Pane::Wallet, Screen::Dashboard));
    click(&mut state, Hit::Pane(Pane::Wallet));
    assert_eq!(state.screen, Screen::Pane(Pane::Wallet));

    // A row takes the focus to its pane first, then the selection, then opens the pane.
    let mut state = at("");
    state.focus = Pane::Map;
    let row = Hit::Row(Row::Target(id("target", 4)));
    click(&mut state, row);
    assert_eq!((state.focus, state.targets.selected), (Pane::Targets, Some(id("target", 4))));
    click(&mut state, row);
    assert_eq!(state.screen, Screen::Pane(Pane::Targets));
}

#[test]
fn a_click_selects_a_row_and_a_second_one_does_what_enter_does() {
    let mut targets = at("2");
    let row = Hit::Row(Row::Target(id("target", 5)));
    click(&mut targets, row);
    assert_eq!((targets.targets.selected, targets.targets.detail), (Some(id("target", 5)), None));
    click(&mut targets, row);
    assert_eq!(targets.targets.detail, Some(id("target", 5)));

    let mut models = at("6");
    let row = Hit::Row(Row::Model(id("model", 2)));
    click(&mut models, row);
    assert_eq!((models.models.selected, models.dialog), (Some(id("model", 2)), None));
    assert_eq!(commands(&click(&mut models, row)), [Command::Inspect(Inspect::Model(id("model", 2)))]);

    let mut rewards = at("5");
    let wanted = rewards.rewards.rows[2].id;
    click(&mut rewards, Hit::Row(Row::Submission(wanted)));
    assert_eq!((rewards.rewards.selected, rewards.rewards.detail), (Some(wanted), false));
    click(&mut rewards, Hit::Row(Row::Submission(wanted)));
    assert!(rewards.rewards.detail);

    let mut log = at("7");
    let number = log.snapshot.log_first + log.log.rows[1] as u64;
    let row = Hit::Row(Row::Log(number));
    click(&mut log, row);
    assert_eq!((log.log.selected, log.log.detail), (Some(number), false));
    click(&mut log, row);
    assert!(log.log.detail);

    let mut board = at("8");
    keys(&mut board, "l");
    let row = Hit::Row(Row::Board(Section::Gaps, 1));
    click(&mut board, row);
    assert_eq!(board.board.selected(Section::Gaps, &board.snapshot.board), 1);
    let target = board.snapshot.board.gaps.rows[1].target;
    assert_eq!(commands(&click(&mut board, row)), [Command::Inspect(Inspect::Target(target))]);

    let mut inspector = inspected(|_| {}, "");
    click(&mut inspector, Hit::Row(Row::Landed(2)));
    let answer = inspector.inspector.answer(&inspector.snapshot).expect("it was answered").clone();
    assert_eq!(inspector.inspector.selected(&answer), 2);
}

#[test]
fn a_click_on_an_epoch_lists_only_its_submissions_and_again_all() {
    let mut rewards = state(week());
    keys(&mut rewards, "5");
    let all = rewards.rewards.rows.len();
    click(&mut rewards, Hit::Row(Row::Epoch(11)));
    assert!(rewards.rewards.rows.len() < all && rewards.rewards.rows.iter().all(|row| row.epoch == 11));
    click(&mut rewards, Hit::Row(Row::Epoch(11)));
    assert_eq!(rewards.rewards.rows.len(), all);
}

#[test]
fn two_clicks_on_a_candidate_select_it_and_sign_nothing() {
    let mut state = at("a");
    let row = Hit::Row(Row::Approval(SubmissionId(2)));
    assert_eq!(commands(&click(&mut state, row)), []);
    assert_eq!(state.approvals.selected, Some(SubmissionId(2)));
    assert_eq!(commands(&click(&mut state, row)), []);
    // Even where Enter is bound to the answer.
    state.keymap = Arc::new(Keymap::with([("approve", vec![Key::Enter])]).expect("a good binding"));
    assert_eq!(commands(&click(&mut state, row)), []);
    assert_eq!(commands(&key(&mut state, Key::Enter)), [Command::Approve(SubmissionId(2))]);
}

#[test]
fn a_click_reaches_the_row_that_was_seen_however_the_list_has_moved() {
    let mut state = at("a");
    let picture = hits(&state);
    let mut snapshot = busy();
    let waiting = SubmissionState::AwaitingApproval;
    snapshot.approvals = Arc::new([9, 2, 0].map(|n| Arc::new(submission(n, waiting))).to_vec());
    update(&mut state, AppEvent::Snapshot(Arc::new(snapshot)));
    click_on(&mut state, &picture, Hit::Row(Row::Approval(SubmissionId(2))));
    assert_eq!(state.approvals.selected, Some(SubmissionId(2)));
    // One that has gone is not there to be selected.
    click_on(&mut state, &picture, Hit::Row(Row::Approval(SubmissionId(1))));
    assert_eq!(state.approvals.selected, Some(SubmissionId(2)));
}

#[test]
fn a_columns_head_sorts_and_again_turns_the_order_round() {
    let mut targets = at("2");
    let head = Hit::Sort(Sorting::Targets(SortKey::Reward));
    click(&mut targets, head);
    assert_eq!((targets.targets.sort, targets.targets.reversed), (SortKey::Reward, false));
    click(&mut targets, head);
    assert!(targets.targets.reversed);
    click(&mut targets, Hit::Sort(Sorting::Targets(SortKey::Age)));
    assert_eq!((targets.targets.sort, targets.targets.reversed), (SortKey::Age, false));

    let mut models = at("6");
    click(&mut models, Hit::Sort(Sorting::Models(ModelSort::Wins)));
    click(&mut models, Hit::Sort(Sorting::Models(ModelSort::Wins)));
    assert_eq!((models.models.sort, models.models.reversed), (ModelSort::Wins, true));
    assert_eq!(models.models.rows[0], 3);

    let mut rewards = at("5");
    click(&mut rewards, Hit::Sort(Sorting::Submissions(SubmissionSort::Amount)));
    assert_eq!(rewards.rewards.sort, SubmissionSort::Amount);
}

#[test]
fn tabs_and_titles_switch() {
    let mut board = at("8");
    click(&mut board, Hit::Section(Section::Fills));
    assert_eq!(board.board.section, Section::Fills);
    // All at once: the title of a section, and a row in it.
    update(&mut board, AppEvent::Resize(Size { width: 200, height: 60 }));
    click(&mut board, Hit::Section(Section::Review));
    assert_eq!(board.board.section, Section::Review);
    click(&mut board, Hit::Row(Row::Board(Section::Models, 2)));
    assert_eq!((board.board.section, board.dialog), (Section::Models, None));
    assert_eq!(board.board.selected(Section::Models, &board.snapshot.board), 2);

    let mut throughput = at("4");
    click(&mut throughput, Hit::Span(Span::Hour));
    assert_eq!(throughput.chart.span, Span::Hour);
}

#[test]
fn the_palette_does_what_is_clicked_and_the_help_finds_it() {
    let mut state = at(":models");
    click(&mut state, Hit::Run(Action::Models));
    assert_eq!((state.dialog, state.screen), (None, Screen::Models));

    let mut state = at("?");
    click(&mut state, Hit::Find(Action::Quit));
    assert_eq!(state.dialog, Some(Dialog::Typing(Purpose::Palette)));
    assert_eq!(state.palette.chosen().map(|info| info.id), Some("quit"));
    // Nothing of other screens can be done here.
    assert_eq!(spot(&hits(&at("?")), Hit::Find(Action::Approve)), None);
}

#[test]
fn a_question_is_answered_by_a_click_on_its_words_and_by_nothing_below_it() {
    let mut yes = at("m");
    assert_eq!(commands(&click(&mut yes, Hit::Act(Action::Confirm))), [Command::SetMode(Mode::Auto)]);
    let mut no = at("m");
    assert_eq!(commands(&click(&mut no, Hit::Act(Action::Back))), []);
    assert_eq!(no.dialog, None);
    let below = hits(&at("m"));
    assert!(below.iter().all(|(_, hit)| matches!(hit, Hit::Act(Action::Confirm | Action::Back | Action::Quit))));
}

#[test]
fn a_click_answers_only_the_question_that_was_seen() {
    let mut state = at("a*y");
    let picture = hits(&state);
    // The question goes, and the same one comes again: it was not seen.
    keys(&mut state, "ny");
    assert_eq!(state.dialog, Some(Dialog::Confirm(Action::AnswerBatch)));
    assert_eq!(commands(&click_on(&mut state, &picture, Hit::Act(Action::Confirm))), []);
    let all = [0, 1, 2].map(SubmissionId).to_vec();
    assert_eq!(commands(&click(&mut state, Hit::Act(Action::Confirm))), [Command::ApproveMany(all)]);

    // A picture of the list does not answer the question that has come over it, nor the other way round.
    let mut state = at("a*");
    let list = hits(&state);
    keys(&mut state, "y");
    assert_eq!(commands(&click_on(&mut state, &list, Hit::Act(Action::Approve))), []);
    assert_eq!(commands(&click_on(&mut state, &list, Hit::Row(Row::Approval(SubmissionId(1))))), []);
    assert!(matches!(state.dialog, Some(Dialog::Confirm(_))));
}

#[test]
fn an_answer_that_is_clicked_obeys_the_guards_of_its_key() {
    // What has slipped under the pointer.
    let mut state = at("a");
    let mut snapshot = busy();
    snapshot.approvals = Arc::new(vec![Arc::new(submission(1, SubmissionState::AwaitingApproval))]);
    update(&mut state, AppEvent::Snapshot(Arc::new(snapshot)));
    let picture = hits(&state);
    let (column, row) = spot(&picture, Hit::Act(Action::Approve)).expect("the footer names it");
    let press = picture.touch(AppEvent::Mouse(Mouse::Down { column, row }));
    assert_eq!(commands(&update(&mut state, press)), []);
    assert!(state.notice.as_ref().is_some_and(|notice| notice.text.contains("look again")));

    // Two presses at once are one.
    let mut state = at("a");
    later(&mut state);
    let picture = hits(&state);
    let press = || picture.touch(AppEvent::Mouse(Mouse::Down { column, row }));
    assert_eq!(commands(&update(&mut state, press())), [Command::Approve(SubmissionId(0))]);
    assert_eq!(commands(&update(&mut state, press())), []);

    // Nothing that changes anything is named in read-only mode.
    let mut state = self::state(Snapshot { mode: Mode::ReadOnly, ..busy() });
    keys(&mut state, "a");
    assert_eq!(spot(&hits(&state), Hit::Act(Action::Approve)), None);
}

#[test]
fn the_wheel_moves_the_list_under_the_pointer() {
    let mut state = at("");
    wheel(&mut state, Hit::Row(Row::Target(id("target", 6))));
    assert_eq!(state.targets.position(), Some(3));
    wheel(&mut state, Hit::Pane(Pane::Wallet));
    assert_eq!((state.targets.position(), state.focus), (Some(3), Pane::Targets));

    let mut board = at("8");
    update(&mut board, AppEvent::Resize(Size { width: 200, height: 60 }));
    wheel(&mut board, Hit::Row(Row::Board(Section::Gaps, 0)));
    let selected = board.board.selected(Section::Gaps, &board.snapshot.board);
    assert!(selected > 0 && board.board.section == Section::Models);

    let mut approvals = at("a");
    wheel(&mut approvals, Hit::List(List::Preview));
    assert_eq!((approvals.approvals.selected, approvals.approvals.preview_top), (Some(SubmissionId(0)), 3));
    wheel(&mut approvals, Hit::Row(Row::Approval(SubmissionId(1))));
    assert_eq!(approvals.approvals.selected, Some(SubmissionId(2)));

    let mut filter = at("2/hit");
    wheel(&mut filter, Hit::Row(Row::Target(id("target", 1))));
    assert_eq!((filter.targets.position(), filter.place()), (Some(2), Place::Typing));

    let mut help = at("?");
    wheel(&mut help, Hit::List(List::Text));
    assert_eq!(help.scroll, 3);

    let mut palette = at(":");
    wheel(&mut palette, Hit::Run(Action::Help));
    assert_eq!(palette.palette.selected, 3);
}

#[test]
fn a_click_on_a_key_of_the_footer_does_what_the_key_does() {
    let mut state = at("");
    click(&mut state, Hit::Act(Action::Help));
    assert_eq!(state.dialog, Some(Dialog::Help));
}

#[test]
fn a_line_of_a_form_takes_the_cursor_to_it() {
    let mut state = at("aP");
    click(&mut state, Hit::Field(2));
    assert_eq!(state.form.as_ref().map(|form| form.at), Some(2));
}

/// Where the first half of a double click leads, the second half lies on something that was never looked at.
#[test]
fn the_second_half_of_a_double_click_decides_nothing() {
    let decides = |command: &Command| {
        matches!(
            command,
            Command::AcceptProtocol(_)
                | Command::Approve(_)
                | Command::ApproveMany(_)
                | Command::Reject(_)
                | Command::RejectMany(_)
                | Command::SetMode(Mode::Auto)
                | Command::SetPolicy(_)
        )
    };
    let mut snapshot = busy();
    snapshot.network.unaccepted_protocol = Some(7);
    let (mut tried, mut asked) = (0, 0);
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        for word in ["", "2", "3", "4", "5", "6", "7", "8", "a", "a*", ":", "a:", "a*:", ":protocol", "a*:approve"] {
            let mut first = state(snapshot.clone());
            update(&mut first, AppEvent::Resize(Size { width, height }));
            keys(&mut first, word);
            later(&mut first);
            let picture = hits(&first);
            for hit in picture.iter().map(|(_, hit)| hit).filter(|hit| matches!(hit, Hit::Act(_) | Hit::Run(_))) {
                let Some((column, row)) = spot(&picture, hit) else { continue };
                let mut state = first.clone();
                let sent = commands(&update(&mut state, picture.touch(AppEvent::Mouse(Mouse::Down { column, row }))));
                // Only the candidate that was selected, alone, is answered by a name on the screen.
                let seen =
                    first.approvals.selected.map_or(vec![], |id| vec![Command::Approve(id), Command::Reject(id)]);
                assert!(
                    sent.iter().all(|c| !decides(c) || seen.contains(c)),
                    "{width}x{height} {word} {hit:?}: {sent:?}"
                );
                asked += usize::from(state.place() == Place::Confirm);
                wait(&mut state, TWICE_MS);
                let second = hits(&state).touch(AppEvent::Mouse(Mouse::Down { column, row }));
                let sent = commands(&update(&mut state, second));
                assert!(!sent.iter().any(decides), "{width}x{height} {word} {hit:?}: {sent:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 300 && asked > 20, "{tried} {asked}");
}

#[test]
fn a_question_that_was_clicked_open_is_answered_once_it_could_be_read() {
    let mut snapshot = busy();
    snapshot.network.unaccepted_protocol = Some(7);
    let mut state = state(snapshot);
    update(&mut state, AppEvent::Resize(Size { width: 200, height: 60 }));
    assert_eq!(commands(&click(&mut state, Hit::Act(Action::AcceptProtocol))), []);
    wait(&mut state, TWICE_MS);
    let (column, row) = spot(&hits(&state), Hit::Act(Action::Confirm)).expect("it is asked");
    let press = hits(&state).touch(AppEvent::Mouse(Mouse::Down { column, row }));
    assert_eq!(commands(&update(&mut state, press)), []);
    assert!(state.notice.as_ref().is_some_and(|notice| notice.text.contains("look again")));
    assert_eq!(commands(&click(&mut state, Hit::Act(Action::Confirm))), [Command::AcceptProtocol(7)]);
}

#[test]
fn a_click_answers_only_the_candidate_that_was_drawn() {
    let mut state = at("a");
    let picture = hits(&state);
    // The next one is selected, and not yet drawn.
    keys(&mut state, "j");
    assert_eq!(commands(&click_on(&mut state, &picture, Hit::Act(Action::Approve))), []);
    assert!(state.notice.as_ref().is_some_and(|notice| notice.text.contains("another candidate")));
    assert_eq!(commands(&click(&mut state, Hit::Act(Action::Approve))), [Command::Approve(SubmissionId(1))]);
}

#[test]
fn the_map_takes_no_clicks_while_the_program_is_leaving() {
    let mut state = at("3");
    let press = Mouse::Down { column: state.size.width / 4, row: state.size.height / 3 };
    let mut moved = state.clone();
    update(&mut moved, AppEvent::Mouse(press));
    assert_ne!(moved.map.cursor(), state.map.cursor(), "it takes them otherwise");
    let before = state.map.cursor();
    keys(&mut state, "q");
    assert_eq!(state.place(), Place::Settling);
    update(&mut state, AppEvent::Mouse(press));
    assert_eq!(state.map.cursor(), before);
}

/// Whatever is clicked, twice: only what names a decision can be one.
#[test]
fn nothing_but_the_name_of_an_answer_decides_anything() {
    let looks = |command: &Command| {
        matches!(
            command,
            Command::Inspect(_)
                | Command::Look(_)
                | Command::History { .. }
                | Command::Pin { .. }
                | Command::ExportMap(_)
        )
    };
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        for word in ["", "1", "2", "3", "4", "5", "6", "7", "8", "a", "a*", "2/hit", "5/a", "?", "aP", "aY", "m", "5e"]
        {
            let mut first = at("");
            update(&mut first, AppEvent::Resize(Size { width, height }));
            keys(&mut first, word);
            let picture = hits(&first);
            let inert = |hit: &Hit| !matches!(hit, Hit::Act(_) | Hit::Run(_));
            for hit in picture.iter().map(|(_, hit)| hit).filter(inert) {
                if spot(&picture, hit).is_none() {
                    continue;
                }
                let mut state = first.clone();
                let effects = [click_on(&mut state, &picture, hit), click_on(&mut state, &picture, hit)].concat();
                let sent = commands(&effects);
                assert!(sent.iter().all(looks), "{width}x{height} {word} {hit:?}: {sent:?}");
            }
        }
    }
}
