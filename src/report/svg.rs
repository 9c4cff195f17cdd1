//! What plots have in common. They are SVG, drawn without any script.

use maud::{Markup, html};

use crate::evaluation::interval::Interval;
use crate::render::clean::clean;

/// A plot, and the name of its file.
#[derive(Debug)]
pub struct Plot {
    pub file: String,
    pub title: String,
    pub svg: String,
}

/// Pixels: where the names end, the width of the axis, the height of a row, and where rows start.
pub const LEFT: f64 = 170.;
pub const WIDTH: f64 = 420.;
pub const ROW: f64 = 24.;
pub const TOP: f64 = 34.;

/// The most characters of a name beside a row.
const WIDEST_NAME: usize = 22;

/// Draws a plot with its title.
pub fn frame(title: &str, width: f64, height: f64, body: &Markup) -> String {
    let style = "svg{background:#fff;color:#1a1a1a;font:12px system-ui,sans-serif}\
                 text{fill:#1a1a1a}.l{stroke:#888}.g{stroke:#ddd}";
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height)
            viewBox={ "0 0 " (width) " " (height) } role="img" {
            title { (title) }
            style { (style) }
            rect width="100%" height="100%" fill="#fff" {}
            text x="8" y="20" font-weight="bold" { (title) }
            (body)
        }
    };
    // Names come from users; XML forbids some characters even when they are escaped.
    clean(&svg.into_string())
}

/// Formats a value of an axis.
pub fn number(value: f64) -> String {
    format!("{value:.3}")
}

/// Returns about five round numbers between two values.
pub fn ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.;
    let size = 10f64.powf(rough.log10().floor());
    let step = [1., 2., 5., 10.].into_iter().map(|m| m * size).find(|step| *step >= rough);
    let step = step.unwrap_or(10. * size);
    let first = (low / step).ceil() as i64;
    (first..).map(|i| i as f64 * step).take_while(|tick| *tick <= high + 1e-12).collect()
}

/// Shortens a text to so many characters.
pub fn short(text: &str, most: usize) -> String {
    match text.chars().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

/// Draws a row per name: a dot for the mean and a line for the interval.
pub fn forest(title: &str, rows: &[(String, Interval)]) -> String {
    let low = rows.iter().map(|(_, one)| one.low).fold(0., f64::min);
    let high = rows.iter().map(|(_, one)| one.high).fold(low + 1e-9, f64::max);
    let x = |value: f64| LEFT + WIDTH * (value - low) / (high - low);
    let bottom = TOP + ROW * rows.len() as f64 + 4.;
    let body = html! {
        @for tick in ticks(low, high) {
            line.g x1=(x(tick)) x2=(x(tick)) y1=(TOP) y2=(bottom) {}
            text x=(x(tick)) y=(bottom + 12.) text-anchor="middle" font-size="10" {
                (number(tick))
            }
        }
        line.l x1=(x(0.)) x2=(x(0.)) y1=(TOP) y2=(bottom) {}
        @for (index, (name, one)) in rows.iter().enumerate() {
            @let y = TOP + ROW * (index as f64 + 0.5);
            text x=(LEFT - 8.) y=(y + 4.) text-anchor="end" { (short(name, WIDEST_NAME)) }
            line x1=(x(one.low)) x2=(x(one.high)) y1=(y) y2=(y) stroke="#1f5fa8" stroke-width="3" {}
            circle cx=(x(one.mean)) cy=(y) r="5" fill="#c25700" {
                title { (name) " " (number(one.mean)) " [" (number(one.low)) ", "
                    (number(one.high)) "]" }
            }
        }
    };
    frame(title, LEFT + WIDTH + 60., bottom + 22., &body)
}
