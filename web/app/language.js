// The language of the interface.

import { createContext, useContext } from "./ui.js";
import en from "../words/en.js";
import zh from "../words/zh.js";

export const LANGUAGES = { en: "English", zh: "中文" };

const WORDS = { en, zh };

export const Language = createContext("en");

export function preferred() {
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** A function that returns a message of the interface; `{name}` in it is replaced by a value. */
export function useSay() {
  const language = useContext(Language);
  return (key, values = {}) => {
    const message = WORDS[language]?.[key] ?? en[key] ?? key;
    return message.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
  };
}

/** The language of a text by its script, for fonts and screen readers. */
export function languageOf(text) {
  if (/[\u3040-\u30ff]/.test(text)) return "ja";
  if (/[\u4e00-\u9fff]/.test(text)) return "zh";
  return /[a-z]/i.test(text) ? "en" : undefined;
}
