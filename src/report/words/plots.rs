//! Plots of the words of a class.

use maud::html;

use super::{Class, WordEffect};
use crate::report::svg::{LEFT, Plot, TOP, WIDTH, forest, frame, number, short, ticks};

/// The most words in a forest plot.
const IN_FOREST: usize = 25;

/// The most points in a scatter plot, and of these with their word beside them.
const POINTS: usize = 2_000;
const NAMED: usize = 15;

const HEIGHT: f64 = 320.;

/// The most characters of a word.
const WIDEST: usize = 18;

/// Draws the groups of the lexicon; `None` if no group has an interval.
pub fn of_groups(class: &Class) -> Option<Plot> {
    let rows: Vec<_> =
        class.groups.iter().filter_map(|group| Some((group.name.clone(), group.effect?))).collect();
    let label = short(&class.label, WIDEST);
    let title = format!("Mean score of groups for {label}, with 95 % intervals");
    (!rows.is_empty()).then(|| Plot {
        file: format!("groups-{}.svg", class.index),
        svg: forest(&title, &rows),
        title,
    })
}

/// Draws both plots of a class.
pub fn of_class(class: &Class) -> [Plot; 2] {
    let label = short(&class.label, WIDEST);
    let rows: Vec<_> =
        class.certain().take(IN_FOREST).map(|word| (word.word.clone(), word.effect)).collect();
    let title = format!("Mean effect of words on {label}, with 95 % intervals");
    let forest =
        Plot { file: format!("effects-{}.svg", class.index), svg: forest(&title, &rows), title };
    let title = format!("Effect on {label} by frequency; filled where the interval excludes 0");
    let scatter = Plot {
        file: format!("frequency-{}.svg", class.index),
        svg: scatter(&title, &class.words[..class.words.len().min(POINTS)]),
        title,
    };
    [forest, scatter]
}

/// Draws the mean effect of each word by its occurrences, on a logarithmic axis.
fn scatter(title: &str, words: &[WordEffect]) -> String {
    let decades = |word: &WordEffect| (word.occurrences as f64).log10();
    let most = words.iter().map(decades).fold(1e-9, f64::max);
    let low = words.iter().map(|word| word.effect.mean).fold(0., f64::min);
    let high = words.iter().map(|word| word.effect.mean).fold(low + 1e-9, f64::max);
    let x = |word: &WordEffect| LEFT + WIDTH * decades(word) / most;
    let y = |value: f64| TOP + HEIGHT * (high - value) / (high - low);
    let bottom = TOP + HEIGHT;
    let body = html! {
        @for tick in ticks(low, high) {
            line.g x1=(LEFT) x2=(LEFT + WIDTH) y1=(y(tick)) y2=(y(tick)) {}
            text x=(LEFT - 8.) y=(y(tick) + 4.) text-anchor="end" font-size="10" { (number(tick)) }
        }
        @for decade in 0..=(most as i32) {
            @let at = LEFT + WIDTH * f64::from(decade) / most;
            line.g x1=(at) x2=(at) y1=(TOP) y2=(bottom) {}
            text x=(at) y=(bottom + 14.) text-anchor="middle" font-size="10" {
                (10f64.powi(decade))
            }
        }
        text x=(LEFT + WIDTH / 2.) y=(bottom + 30.) text-anchor="middle" { "occurrences" }
        line.l x1=(LEFT) x2=(LEFT + WIDTH) y1=(y(0.)) y2=(y(0.)) {}
        @for word in words.iter().rev() {
            @let opacity = if word.effect.least_magnitude() > 0. { "0.8" } else { "0" };
            circle cx=(x(word)) cy=(y(word.effect.mean)) r="3.5" fill="#c25700" stroke="#c25700"
                fill-opacity=(opacity) stroke-opacity="0.6" {
                title { (short(&word.word, WIDEST)) " " (number(word.effect.mean)) }
            }
        }
        @for word in words.iter().take(NAMED) {
            text x=(x(word) + 6.) y=(y(word.effect.mean) + 4.) font-size="11" {
                (short(&word.word, WIDEST))
            }
        }
    };
    frame(title, LEFT + WIDTH + 150., bottom + 40., &body)
}
