//! A terminal's screen as an SVG picture: text with colours in a monospace grid.

use std::fmt::Write as _;

const CELL: (f32, f32) = (8.4, 18.0);
const MARGIN: f32 = 14.0;
const BACKGROUND: &str = "#16181d";
const FOREGROUND: &str = "#d7dae0";
/// The terminal's own 16 colours, as a common dark palette shows them.
const PALETTE: [&str; 16] = [
    "#16181d", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d7dae0", "#5c6370", "#ff7b86",
    "#b5e890", "#ffd68a", "#7cc4ff", "#dd91f3", "#6fd3e0", "#ffffff",
];

/// How a run of cells looks.
#[derive(Clone, PartialEq)]
struct Style {
    foreground: String,
    background: Option<String>,
    bold: bool,
    dim: bool,
}

pub fn render(screen: &vt100::Screen) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let (width, height) = (f32::from(columns) * CELL.0 + 2.0 * MARGIN, f32::from(rows) * CELL.1 + 2.0 * MARGIN);
    let mut svg = String::new();
    let mut put = |line: std::fmt::Arguments<'_>| svg.write_fmt(line).expect("strings take everything");
    put(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" font-size=\"14\" \
         font-family=\"'DejaVu Sans Mono', 'Cascadia Mono', Menlo, Consolas, monospace\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n"
    ));
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let style = style_at(screen, row, column);
            let start = column;
            let mut text = String::new();
            while column < columns && style_at(screen, row, column) == style {
                let cell = screen.cell(row, column).map(vt100::Cell::contents).unwrap_or_default();
                text.push_str(if cell.is_empty() { " " } else { cell });
                column += 1;
            }
            let (x, y) = (MARGIN + f32::from(start) * CELL.0, MARGIN + f32::from(row) * CELL.1);
            let run = f32::from(column - start) * CELL.0;
            if let Some(background) = &style.background {
                put(format_args!(
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{run:.1}\" height=\"{}\" fill=\"{background}\"/>\n",
                    CELL.1
                ));
            }
            if text.trim().is_empty() {
                continue;
            }
            let weight = if style.bold { " font-weight=\"bold\"" } else { "" };
            let opacity = if style.dim { " opacity=\"0.6\"" } else { "" };
            // `textLength` keeps the grid whatever font the reader has.
            put(format_args!(
                "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{run:.1}\" lengthAdjust=\"spacingAndGlyphs\" \
                 xml:space=\"preserve\" fill=\"{}\"{weight}{opacity}>{}</text>\n",
                y + CELL.1 * 0.76,
                style.foreground,
                escape(&text)
            ));
        }
    }
    put(format_args!("</svg>\n"));
    svg
}

fn style_at(screen: &vt100::Screen, row: u16, column: u16) -> Style {
    let plain = Style { foreground: FOREGROUND.to_owned(), background: None, bold: false, dim: false };
    let Some(cell) = screen.cell(row, column) else { return plain };
    let colour = |colour| match colour {
        vt100::Color::Default => None,
        vt100::Color::Idx(n) => PALETTE.get(usize::from(n)).map(|c| (*c).to_owned()),
        vt100::Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
    };
    let foreground = colour(cell.fgcolor()).unwrap_or(plain.foreground);
    let background = colour(cell.bgcolor());
    let (bold, dim) = (cell.bold(), cell.dim());
    if cell.inverse() {
        let behind = background.unwrap_or_else(|| BACKGROUND.to_owned());
        return Style { foreground: behind, background: Some(foreground), bold, dim };
    }
    Style { foreground, background, bold, dim }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
