//! A report as a list of blocks, rendered as Markdown and as a self-contained HTML page. All text
//! in it is untrusted.

mod html;
mod markdown;

use super::svg::Plot;
use crate::render::clean::clean;

/// A report.
#[derive(Debug)]
pub struct Document {
    pub title: String,
    pub blocks: Vec<Block>,
}

/// A part of a report.
#[derive(Debug)]
pub enum Block {
    Heading(String),
    Paragraph(String),
    Bullets(Vec<String>),
    /// The first cell of a row names it.
    Table {
        columns: Vec<String>,
        rows: Vec<Vec<String>>,
    },
    Plot(Plot),
}

impl Block {
    pub fn table(columns: &[&str], rows: Vec<Vec<String>>) -> Self {
        Self::Table { columns: columns.iter().map(|&name| name.to_owned()).collect(), rows }
    }
}

impl Document {
    /// Returns the files of the report by name: both renderings, and the plots for the first.
    pub fn files(&self) -> Vec<(String, String)> {
        let mut files = vec![
            ("report.md".to_owned(), markdown::render(self)),
            ("report.html".to_owned(), clean_lines(&html::render(self))),
        ];
        let plots = self.blocks.iter().filter_map(|block| match block {
            Block::Plot(plot) => Some((plot.file.clone(), plot.svg.clone())),
            _ => None,
        });
        files.extend(plots);
        files
    }
}

/// Cleans a text of several lines.
fn clean_lines(text: &str) -> String {
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> (String, String) {
        let text = text.to_owned();
        let document = Document {
            title: text.clone(),
            blocks: vec![
                Block::Heading(text.clone()),
                Block::Paragraph(text.clone()),
                Block::Bullets(vec![text.clone()]),
                Block::Table { columns: vec![text.clone()], rows: vec![vec![text]] },
            ],
        };
        let mut files = document.files().into_iter().map(|(_, content)| content);
        (files.next().unwrap(), files.next().unwrap())
    }

    #[test]
    fn markup_in_texts_is_escaped() {
        let (markdown, html) = files("<b>x</b> | [a](http://b) **c** `d` \\ &amp;");
        let escaped =
            "&lt;b&gt;x&lt;/b&gt; \\| \\[a\\](http://b) \\*\\*c\\*\\* \\`d\\` \\\\ &amp;amp;";
        assert_eq!(markdown.matches(escaped).count(), 6, "{markdown}");
        assert!(html.contains("&lt;b&gt;x&lt;/b&gt; |") && !html.contains("<b>"), "{html}");
    }

    #[test]
    fn a_text_stays_on_its_line() {
        let (markdown, html) = files("a\n# b\u{202e}\r\n\u{7}c");
        assert!(markdown.contains("# a # b\u{fffd}\u{fffd} \u{fffd}c\n"), "{markdown}");
        assert!(!html.contains('\u{202e}') && !html.contains('\u{7}'), "{html}");
    }
}
