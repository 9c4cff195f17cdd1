//! Renders a report as Markdown, with its plots beside it.

use super::{Block, Document};
use crate::render::clean::clean;

pub fn render(document: &Document) -> String {
    let mut parts = vec![format!("# {}", escape(&document.title))];
    parts.extend(document.blocks.iter().map(block));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n") + "\n"
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading(text) => format!("## {}", escape(text)),
        Block::Paragraph(text) => escape(text),
        Block::Bullets(items) => {
            let lines: Vec<String> =
                items.iter().map(|item| format!("- {}", escape(item))).collect();
            lines.join("\n")
        }
        Block::Table { columns, rows } => {
            let mut lines = vec![row(columns), format!("|{}", "---|".repeat(columns.len()))];
            lines.extend(rows.iter().map(|cells| row(cells)));
            lines.join("\n")
        }
        Block::Plot(plot) => format!("![{}]({})", escape(&plot.title), plot.file),
    }
}

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| escape(cell)).collect();
    format!("| {} |", cells.join(" | "))
}

/// Escapes text for Markdown and for HTML, which Markdown may contain. Underscores within words stay,
/// because they are not emphasis.
fn escape(text: &str) -> String {
    let text = clean(text);
    let mut escaped = String::with_capacity(text.len());
    let (mut before, mut chars) = (None, text.chars().peekable());
    while let Some(c) = chars.next() {
        let is_in_word =
            [before, chars.peek().copied()].iter().all(|c| c.is_some_and(char::is_alphanumeric));
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '`' | '*' | '\\' | '[' | ']' | '~' => escaped.extend(['\\', c]),
            '_' if !is_in_word => escaped.extend(['\\', c]),
            // Would begin a heading, a list or a rule.
            '#' | '-' | '+' | '=' if before.is_none() => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
        before = Some(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_escaped() {
        assert_eq!(escape("# _a_ integrated_gradients"), "\\# \\_a\\_ integrated_gradients");
        assert_eq!(escape("<b>*|`"), "&lt;b&gt;\\*\\|\\`");
        assert_eq!(escape("a - b"), "a - b");
    }
}
