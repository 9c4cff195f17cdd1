//! Plots of the report on methods.

use maud::html;

use super::Summary;
use super::matrix::matrix;
use super::row::Row;
use super::svg::{LEFT, Plot, ROW, TOP, WIDTH, frame, number, ticks};
use crate::evaluation::interval::Interval;

/// Draws all plots of a report.
pub fn all(summary: &Summary) -> Vec<Plot> {
    vec![
        plot(
            "comprehensiveness.svg",
            "Comprehensiveness: drop of the probability without the top words (higher is better)",
            &|title| intervals(summary, title, |row| row.comprehensiveness),
        ),
        plot(
            "sufficiency.svg",
            "Sufficiency: drop of the probability with the top words alone (lower is better)",
            &|title| intervals(summary, title, |row| row.sufficiency),
        ),
        plot(
            "infidelity.svg",
            "Infidelity: share of the effect that the scores do not predict (lower is better)",
            &|title| intervals(summary, title, |row| row.infidelity),
        ),
        plot("agreement.svg", "Agreement: mean rank correlation between methods", &|title| {
            agreement(summary, title)
        }),
        plot("time.svg", "Compute time of one explanation, ms (logarithmic)", &|title| {
            times(summary, title)
        }),
    ]
}

/// Draws the agreement with people; `None` if no words are marked.
pub fn plausibility(summary: &Summary) -> Option<Plot> {
    let title = "Plausibility: area under the precision-recall curve of marked tokens";
    (summary.marked > 0).then(|| {
        plot("plausibility.svg", title, &|title| {
            intervals(summary, title, |row| row.plausibility.all.auprc)
        })
    })
}

fn plot(file: &str, title: &str, draw: &dyn Fn(&str) -> String) -> Plot {
    Plot { file: file.to_owned(), title: title.to_owned(), svg: draw(title) }
}

/// Draws a dot and an interval for each method, and the random reference as a band.
fn intervals(summary: &Summary, title: &str, of: fn(&Row) -> Option<Interval>) -> String {
    let all: Vec<Interval> = summary.rows.iter().chain(&summary.random).filter_map(of).collect();
    let low = all.iter().map(|one| one.low).fold(0., f64::min);
    let high = all.iter().map(|one| one.high).fold(low + 1e-9, f64::max);
    let x = |value: f64| LEFT + WIDTH * (value - low) / (high - low);
    let height = TOP + ROW * summary.rows.len() as f64 + 30.;
    let bottom = height - 26.;
    let body = html! {
        @if let Some(band) = summary.random.as_ref().and_then(of) {
            rect x=(x(band.low)) y=(TOP) width=(x(band.high) - x(band.low) + 1.)
                height=(bottom - TOP) fill="#bbb" fill-opacity="0.5" {}
            text x=(x(band.mean)) y=(bottom + 20.) text-anchor="middle" { "random" }
        }
        @for tick in ticks(low, high) {
            line.g x1=(x(tick)) x2=(x(tick)) y1=(TOP) y2=(bottom) {}
            text x=(x(tick)) y=(bottom + 10.) text-anchor="middle" font-size="10" {
                (number(tick))
            }
        }
        @for (index, row) in summary.rows.iter().enumerate() {
            @let y = TOP + ROW * (index as f64 + 0.5);
            text x=(LEFT - 8.) y=(y + 4.) text-anchor="end" { (row.method) }
            @if let Some(one) = of(row) {
                line x1=(x(one.low)) x2=(x(one.high)) y1=(y) y2=(y) stroke="#1f5fa8"
                    stroke-width="3" {}
                circle cx=(x(one.mean)) cy=(y) r="5" fill="#c25700" {
                    title { (row.method) " " (number(one.mean)) " [" (number(one.low)) ", "
                        (number(one.high)) "]" }
                }
            }
        }
    };
    frame(title, LEFT + WIDTH + 30., height, &body)
}

/// Draws the mean correlation of every pair of methods.
fn agreement(summary: &Summary, title: &str) -> String {
    matrix(title, &summary.names, &summary.names, &summary.agreement, 1.)
}

fn times(summary: &Summary, title: &str) -> String {
    let ms = |row: &Row| (row.compute.as_secs_f64() * 1e3).max(0.01);
    let low = summary.rows.iter().map(ms).fold(f64::INFINITY, f64::min).log10().floor();
    let high = summary.rows.iter().map(ms).fold(0.01, f64::max).log10().ceil().max(low + 1.);
    let x = |value: f64| LEFT + WIDTH * (value.log10() - low) / (high - low);
    let height = TOP + ROW * summary.rows.len() as f64 + 26.;
    let body = html! {
        @for power in (low as i32)..=(high as i32) {
            @let tick = x(10f64.powi(power));
            line.g x1=(tick) x2=(tick) y1=(TOP) y2=(height - 22.) {}
            text x=(tick) y=(height - 8.) text-anchor="middle" font-size="10" {
                (10f64.powi(power))
            }
        }
        @for (index, row) in summary.rows.iter().enumerate() {
            @let y = TOP + ROW * index as f64;
            text x=(LEFT - 8.) y=(y + ROW / 2. + 4.) text-anchor="end" { (row.method) }
            rect x=(LEFT) y=(y + 4.) width=((x(ms(row)) - LEFT).max(1.)) height=(ROW - 8.)
                fill="#5b8fc9" {}
            text x=(x(ms(row)).max(LEFT) + 4.) y=(y + ROW / 2. + 4.) {
                (format!("{:.2}", ms(row)))
            }
        }
    };
    frame(title, LEFT + WIDTH + 70., height, &body)
}
