//! Where each pane lies on a terminal of any size. Pure arithmetic, shared by drawing, focus and the mouse.

use super::Pane;

/// Columns and rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub width: u16,
    pub height: u16,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Area {
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
}

impl Area {
    pub fn contains(self, column: u16, row: u16) -> bool {
        column >= self.x && row >= self.y && column - self.x < self.width && row - self.y < self.height
    }

    /// The first `height` rows, and the rest.
    pub fn split_top(self, height: u16) -> (Self, Self) {
        let height = height.min(self.height);
        (Self { height, ..self }, Self { y: self.y + height, height: self.height - height, ..self })
    }

    pub fn split_left(self, width: u16) -> (Self, Self) {
        let width = width.min(self.width);
        (Self { width, ..self }, Self { x: self.x + width, width: self.width - width, ..self })
    }

    /// Twice the centre, so that it stays whole.
    fn centre2(self) -> (i32, i32) {
        (2 * i32::from(self.x) + i32::from(self.width), 2 * i32::from(self.y) + i32::from(self.height))
    }
}

/// The inside of a framed box: without its border, and with a column of air on both sides where there is room. Too small for a box: all
/// of it.
pub fn inner(area: Area) -> Area {
    if area.width < 4 || area.height < 3 {
        return area;
    }
    let (x, y, width, height) = (area.x + 1, area.y + 1, area.width - 2, area.height - 2);
    if width > 12 { Area { x: x + 1, y, width: width - 2, height } } else { Area { x, y, width, height } }
}

/// The bands that every screen has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub header: Area,
    pub body: Area,
    pub footer: Area,
}

impl Frame {
    /// Header and footer give way before the body does.
    pub fn of(size: Size) -> Self {
        let all = Area { x: 0, y: 0, width: size.width, height: size.height };
        let header = match size.height {
            0..=3 => 0,
            4..=11 => 1,
            _ => 2,
        };
        let (header, rest) = all.split_top(header);
        let (body, footer) = rest.split_top(rest.height - u16::from(size.height > 2));
        Self { header, body, footer }
    }
}

/// What the dashboard shows where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Panes {
    pub panes: Vec<(Pane, Area)>,
    /// The newest lines of the activity log, where there is room to spare.
    pub log: Option<Area>,
}

impl Panes {
    /// All five panes at once from 72×18 (side by side) or 30×33 (stacked); below that the focused one alone.
    pub fn of(body: Area, focus: Pane) -> Self {
        if body.width < 72 || body.height < 15 {
            return Self::narrow(body, focus);
        }
        let log_height = match body.height {
            0..=32 => 0,
            33..=48 => 7,
            _ => 10,
        };
        let (body, log) = body.split_top(body.height - log_height);
        // The bottom panes hold a fixed number of lines; what grows is the table and the map.
        let bottom = (body.height * 9 / 20).clamp(7, 18);
        let (top, bottom) = body.split_top(body.height - bottom);
        let (targets, map) = top.split_left((body.width * 11 / 20).max(44));
        let (wallet, rest) = bottom.split_left((body.width * 3 / 10).max(24));
        let (throughput, rewards) = rest.split_left((body.width * 6 / 20).max(24));
        Self {
            panes: vec![
                (Pane::Wallet, wallet),
                (Pane::Targets, targets),
                (Pane::Map, map),
                (Pane::Throughput, throughput),
                (Pane::Rewards, rewards),
            ],
            log: (log_height > 0).then_some(log),
        }
    }

    fn narrow(body: Area, focus: Pane) -> Self {
        if body.height < 30 || body.width < 24 {
            return Self { panes: vec![(focus, body)], log: None };
        }
        let mut rest = body;
        let mut panes = Vec::with_capacity(Pane::ALL.len());
        for (index, pane) in Pane::ALL.into_iter().enumerate() {
            let left = (Pane::ALL.len() - index) as u16;
            let (area, below) = rest.split_top(rest.height / left);
            panes.push((pane, area));
            rest = below;
        }
        Self { panes, log: None }
    }

    pub fn area_of(&self, pane: Pane) -> Option<Area> {
        self.panes.iter().find(|(p, _)| *p == pane).map(|(_, area)| *area)
    }

    pub fn at(&self, column: u16, row: u16) -> Option<Pane> {
        self.panes.iter().find(|(_, area)| area.contains(column, row)).map(|(pane, _)| *pane)
    }

    /// The nearest pane whose centre lies in the direction (`dx`, `dy`); the same pane where there is none.
    pub fn neighbour(&self, from: Pane, (dx, dy): (i32, i32)) -> Pane {
        let Some((x, y)) = self.area_of(from).map(Area::centre2) else { return from };
        self.panes
            .iter()
            .filter_map(|&(pane, area)| {
                let (cx, cy) = area.centre2();
                let (along, across) = ((cx - x) * dx + (cy - y) * dy, ((cx - x) * dy + (cy - y) * dx).abs());
                // Rows are about twice as high as columns are wide; straight ahead is nearer than aside.
                (along > 0).then_some((if dy != 0 { along * 2 + across } else { along + across * 4 }, pane))
            })
            .min_by_key(|&(cost, _)| cost)
            .map_or(from, |(_, pane)| pane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dashboard_shows_all_five_panes_from_80_by_24_up_and_they_tile_the_body() {
        for (width, height) in [(80, 24), (100, 30), (120, 40), (200, 60), (300, 20), (80, 100)] {
            let body = Frame::of(Size { width, height }).body;
            let panes = Panes::of(body, Pane::Targets);
            assert_eq!(panes.panes.len(), 5, "{width}×{height}");
            let cells = |area: Area| u32::from(area.width) * u32::from(area.height);
            let covered: u32 = panes.panes.iter().map(|(_, area)| cells(*area)).chain(panes.log.map(cells)).sum();
            assert_eq!(covered, cells(body), "{width}×{height}");
        }
    }

    #[test]
    fn arrows_move_between_neighbouring_panes() {
        let panes = Panes::of(Frame::of(Size { width: 120, height: 40 }).body, Pane::Targets);
        assert_eq!(panes.neighbour(Pane::Targets, (1, 0)), Pane::Map);
        assert_eq!(panes.neighbour(Pane::Map, (-1, 0)), Pane::Targets);
        assert_eq!(panes.neighbour(Pane::Wallet, (1, 0)), Pane::Throughput);
        assert_eq!(panes.neighbour(Pane::Throughput, (1, 0)), Pane::Rewards);
        assert_eq!(panes.neighbour(Pane::Rewards, (0, -1)), Pane::Map);
        assert_eq!(panes.neighbour(Pane::Wallet, (0, -1)), Pane::Targets);
        assert_eq!(panes.neighbour(Pane::Targets, (0, -1)), Pane::Targets);
    }
}
