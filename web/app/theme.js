// Light and dark. The browser's preference applies unless the reader chooses.

import { useEffect, useState } from "./ui.js";

export const THEMES = ["auto", "light", "dark"];

export function useTheme() {
  const [theme, setTheme] = useState(() => {
    const stored = localStorage.getItem("theme");
    return THEMES.includes(stored) ? stored : "auto";
  });
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("theme", theme);
  }, [theme]);
  return [theme, setTheme];
}
