//! The files of the pages, from the folder `web/`.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::http::HeaderValue;

use super::super::conditional::Tagged;

/// Names and contents of files.
macro_rules! files {
    ($($name:literal,)+) => {
        &[$(($name, include_bytes!(concat!("../../../web/", $name)))),+]
    };
}

/// All files that are served; the house tests compare them with the folder.
const FILES: &[(&str, &[u8])] = files![
    "docs.html",
    "index.html",
    "app/app.js",
    "app/clean.js",
    "app/header.js",
    "app/key-form.js",
    "app/language.js",
    "app/numbers.js",
    "app/panels.js",
    "app/settings.js",
    "app/start.js",
    "app/theme.js",
    "app/ui.js",
    "app/workbench.js",
    "attention/camera.js",
    "attention/controls.js",
    "attention/gestures.js",
    "attention/heads-table.js",
    "attention/lines-view.js",
    "attention/load.js",
    "attention/matrix-view.js",
    "attention/model-view.js",
    "attention/names.js",
    "attention/pairs-table.js",
    "attention/pairs.js",
    "attention/palette.js",
    "attention/panel.js",
    "attention/stage.js",
    "attention/tiles.js",
    "attention/use-attention.js",
    "compare/align.js",
    "compare/comparison.js",
    "compare/difference.js",
    "compare/head.js",
    "compare/scores.js",
    "docs/start.js",
    "edit/before.js",
    "edit/edits.js",
    "edit/toolbar.js",
    "evidence/counterfactuals.js",
    "evidence/edited.js",
    "evidence/examples.js",
    "evidence/kind.js",
    "evidence/panel.js",
    "evidence/probe.js",
    "evidence/rules.js",
    "form/compare.js",
    "form/example-texts.js",
    "form/examples.js",
    "form/field.js",
    "form/form.js",
    "form/methods.js",
    "form/model.js",
    "form/pair.js",
    "form/problem.js",
    "form/progress.js",
    "form/target.js",
    "form/tasks.js",
    "form/text.js",
    "inside/concepts.js",
    "inside/conductance.js",
    "inside/heads.js",
    "inside/lens.js",
    "inside/panel.js",
    "inside/plot.js",
    "inside/use-view.js",
    "result/answers.js",
    "result/bars.js",
    "result/columns.js",
    "result/entities.js",
    "result/heat.js",
    "result/labels.js",
    "result/legend.js",
    "result/marked.js",
    "result/masks.js",
    "result/notes.js",
    "result/pairs.js",
    "result/panel.js",
    "result/prediction.js",
    "result/quality.js",
    "result/shade.js",
    "result/similarity.js",
    "result/summary.js",
    "result/words.js",
    "service/body.js",
    "service/catalogue.js",
    "service/client.js",
    "service/concepts.js",
    "service/explanation.js",
    "service/key.js",
    "service/problem.js",
    "service/stream.js",
    "service/tensors.js",
    "share/code.js",
    "share/files.js",
    "share/png.js",
    "share/share.js",
    "style/attention.css",
    "style/base.css",
    "style/form.css",
    "style/icon.svg",
    "style/inside.css",
    "style/result.css",
    "vendor/hooks.js",
    "vendor/htm.js",
    "vendor/preact.js",
    "vendor/rapidoc.js",
    "words/en.js",
    "words/zh.js",
];

static TAGGED: LazyLock<HashMap<&str, Tagged>> = LazyLock::new(|| {
    let tagged = |(name, body): &(&'static str, &'static [u8])| {
        (*name, Tagged::typed(HeaderValue::from_static(media_type(name)), (*body).into()))
    };
    FILES.iter().map(tagged).collect()
});

/// The file of this name.
pub fn find(name: &str) -> Option<Tagged> {
    TAGGED.get(name).cloned()
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
