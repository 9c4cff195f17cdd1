// Texts that are safe to show.

// Control characters and characters that change the direction of writing: a text could use them to
// show something else than it contains.
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/g;

export const clean = (text) => String(text).replace(UNSAFE, "\ufffd");
