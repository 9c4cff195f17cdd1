//! Agreement of the methods on the words.

use maud::{Markup, html};

use super::super::heat::Scale;
use super::super::room::Room;
use super::legend::word_class;
use super::{breaking, fold, omitted};
use crate::evaluation::{Agreement, Evaluation};
use crate::explanation::Explained;

/// A rank correlation of ±1 has the full colour.
const SCALE: Scale = Scale { largest: 1., signed: true };

/// Renders rank correlations between methods as a coloured matrix and as sentences.
pub fn part(explained: &Explained, room: &mut Room) -> Markup {
    let pairs = match &explained.evaluation {
        Some(Evaluation { agreement: Some(pairs), .. }) if !pairs.is_empty() => pairs,
        _ => return html! {},
    };
    let methods = methods(pairs);
    let body = html! {
        p.xp-soft {
            "Rank correlation of the word scores: +1 the same order, 0 no relation, −1 the \
             opposite order. Unsigned methods are compared by magnitude."
        }
        @if room.cells(methods.len().pow(2)) {
            (matrix(&methods, pairs))
            details {
                summary { "in words" }
                ul.xp-soft { @for pair in pairs { li { (sentence(pair)) } } }
            }
        } @else { (omitted()) }
    };
    fold("Agreement of the methods", &body)
}

/// Returns every method, in the order of the pairs.
fn methods(pairs: &[Agreement]) -> Vec<&str> {
    let mut methods: Vec<&str> = Vec::new();
    for method in pairs.iter().flat_map(|pair| &pair.methods) {
        if !methods.contains(&method.as_str()) {
            methods.push(method);
        }
    }
    methods
}

fn matrix(methods: &[&str], pairs: &[Agreement]) -> Markup {
    let find = |a: &str, b: &str| {
        let same = |pair: &&Agreement| pair.methods == [a, b] || pair.methods == [b, a];
        pairs.iter().find(same)
    };
    html! {
        div.xp-wide role="group" aria-label="Agreement of the methods" tabindex="0" {
            table.xp-grid {
                caption.xp-num { "Rank correlation of each pair of methods" }
                thead {
                    tr {
                        td {}
                        @for method in methods { th scope="col" { (breaking(method)) } }
                    }
                }
                tbody {
                    @for row in methods {
                        tr {
                            th scope="row" { (breaking(row)) }
                            @for column in methods { (cell(find(row, column))) }
                        }
                    }
                }
            }
        }
    }
}

/// `pair` is `None` on the diagonal.
fn cell(pair: Option<&Agreement>) -> Markup {
    let number = |pair: &Agreement| match pair.spearman {
        Some(correlation) => html! {
            span class=(word_class(SCALE.shade(correlation))) title=(sentence(pair)) {
                (SCALE.number(correlation))
            }
        },
        None => html! { span title=(sentence(pair)) { "none" } },
    };
    html! { td { (pair.map_or_else(|| html! { "·" }, number)) } }
}

fn sentence(pair: &Agreement) -> String {
    let [a, b] = &pair.methods;
    let percent = |share: f64| format!("{:.0} %", 100. * share);
    let correlation = match pair.spearman {
        Some(correlation) => format!("rank correlation {correlation:+.2}"),
        None => "no rank correlation, because one scores all words equally".to_owned(),
    };
    format!(
        "{a} and {b}: {correlation}; of the top {} words {} are the same, {} with the same sign, \
         {} at the same rank",
        pair.k,
        percent(pair.top_k_feature),
        percent(pair.sign),
        percent(pair.top_k_rank)
    )
}
