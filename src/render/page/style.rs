//! Layout styles of the page. Colours are in the sheet that it shares with pictures.

use super::super::sheet;

/// `xp-num` hides an element visually but not from screen readers.
const LAYOUT: &str = "\
.xp{position:relative;color-scheme:light dark;font:16px/1.5 system-ui,sans-serif;padding:1em;\
max-width:72em;margin:0 auto;overflow-wrap:anywhere}\
.xp h1{font-size:1.5em;line-height:1.2;margin:0 0 .5em}\
.xp h2{font-size:1.2em;margin:0 0 .5em}\
.xp h3{font-size:1em;margin:1.5em 0 .25em}\
.xp p{margin:.25em 0}\
.xp-result{border-top:1px solid;padding-top:1em;margin-top:1.5em}\
.xp-text{position:relative;display:block;font-size:1.15em;line-height:2;margin:.25em 0;\
white-space:normal}\
.xp-w{padding:.15em .2em;border-radius:.2em;border-bottom:2px solid transparent;\
forced-color-adjust:none;print-color-adjust:exact;-webkit-print-color-adjust:exact}\
.xp-dashed{border-bottom:2px dashed;border-radius:.2em .2em 0 0}\
.xp-num{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);\
white-space:nowrap;user-select:none}\
.xp-soft{font-size:.9em}\
.xp-verdict{font-size:1.1em;font-weight:bold}\
.xp-s{font-size:.6em;line-height:1;user-select:none;font-variant-numeric:tabular-nums;margin:0 .3em 0 .1em}\
.xp rect{forced-color-adjust:none;print-color-adjust:exact;-webkit-print-color-adjust:exact}\
.xp-fold>summary h3{display:inline;margin:0}\
.xp-fold{margin:.75em 0}\
.xp-error{font-weight:bold}\
.xp-note{border:1px solid;border-left-width:6px;padding:.25em .75em;margin:.5em 0}\
.xp ul{margin:.25em 0;padding-left:1.25em}\
.xp-wide{position:relative;overflow-x:auto;overflow-wrap:normal}\
.xp table{border-collapse:collapse;font-size:.95em;margin:.5em 0;width:auto;\
color:inherit;background:none}\
.xp th,.xp td{text-align:start;padding:.15em 1em .15em 0;border:0;background:none;color:inherit}\
.xp td.xp-n{text-align:end;font-variant-numeric:tabular-nums}\
.xp-grid td{padding:1px;text-align:center;font-variant-numeric:tabular-nums}\
.xp-grid .xp-w{display:block;padding:.15em .5em;white-space:nowrap}\
.xp-grid thead th{padding:.15em .5em;text-align:center}\
.xp-maps{position:relative;display:flex;flex-wrap:wrap;gap:1em;overflow-x:auto}\
.xp figure{margin:0}\
.xp svg{display:block;max-width:none}\
.xp svg text{font-family:ui-monospace,monospace}\
.xp summary{cursor:pointer}\
@media print{.xp{padding:0;max-width:none}.xp-result,.xp-fold,.xp table,.xp figure{break-inside:avoid}\
.xp-maps,.xp-wide{overflow:visible}.xp details::details-content{content-visibility:visible;\
block-size:auto}}\
";

/// Returns the style sheet of the page.
pub fn sheet() -> String {
    format!("{LAYOUT}{}", sheet::colours())
}
