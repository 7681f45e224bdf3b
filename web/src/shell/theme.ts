import { useSyncExternalStore } from "react";

/** How the console looks. */
export type Theme = "light" | "dark" | "system";

interface Look {
  theme: Theme;
  contrast: boolean;
}

const place = "hostler.look";
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const contrast = window.matchMedia("(prefers-contrast: more)");
const listeners = new Set<() => void>();

function readLook(): Look {
  const usual: Look = { theme: "system", contrast: contrast.matches };
  try {
    return { ...usual, ...(JSON.parse(localStorage.getItem(place) ?? "{}") as Partial<Look>) };
  } catch {
    return usual;
  }
}

let look = readLook();

/** Puts the look on the page. Called before anything is drawn, so that nothing flashes. */
export function showTheme(): void {
  const isDark = look.theme === "dark" || (look.theme === "system" && dark.matches);
  const { classList } = document.documentElement;
  classList.toggle("pf-v6-theme-dark", isDark);
  classList.toggle("pf-v6-theme-high-contrast", look.contrast);
}

dark.addEventListener("change", showTheme);

export function setLook(patch: Partial<Look>): void {
  look = { ...look, ...patch };
  localStorage.setItem(place, JSON.stringify(look));
  showTheme();
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useLook(): Look {
  return useSyncExternalStore(subscribe, () => look);
}
