// Keys as a guest gets them: where they are on the keyboard (`code`, as browsers name it) and what they mean there
// (`keysym`, as the RFB protocol names it). A guest sees only where a key is; which letter that is, is its own layout.

export interface Key {
  code: string;
  keysym: number;
}

const control: Key = { code: "ControlLeft", keysym: 0xffe3 };
const alt: Key = { code: "AltLeft", keysym: 0xffe9 };
export const shift: Key = { code: "ShiftLeft", keysym: 0xffe1 };
const functionKey = (number: number): Key => ({ code: `F${number}`, keysym: 0xffbd + number });
export const enter: Key = { code: "Enter", keysym: 0xff0d };
const tab: Key = { code: "Tab", keysym: 0xff09 };
const escape: Key = { code: "Escape", keysym: 0xff1b };

/** Keys that are pressed together, in this order, and let go in the other. */
export interface Chord {
  name: string;
  keys: readonly Key[];
}

/** What a browser or the system around it keeps to itself, and what a telephone has no key for. */
export const chords: readonly Chord[] = [
  { name: "Ctrl-Alt-Del", keys: [control, alt, { code: "Delete", keysym: 0xffff }] },
  { name: "Ctrl-Alt-Backspace", keys: [control, alt, { code: "Backspace", keysym: 0xff08 }] },
  { name: "Alt-Tab", keys: [alt, tab] },
  { name: "Alt-F4", keys: [alt, functionKey(4)] },
  { name: "Ctrl-Esc", keys: [control, escape] },
  { name: "Windows", keys: [{ code: "MetaLeft", keysym: 0xffeb }] },
  { name: "Print Screen", keys: [{ code: "PrintScreen", keysym: 0xff61 }] },
  { name: "Esc", keys: [escape] },
  { name: "Tab", keys: [tab] },
  ...[1, 2, 3, 7].map((number) => ({ name: `Ctrl-Alt-F${number}`, keys: [control, alt, functionKey(number)] })),
];

/** What keeps a finger down when the keyboard is left in the midst of a combination. */
export const modifiers: readonly Key[] = [control, alt, shift];

/** The same for a serial line, which knows characters and no keys. */
export const serialChords: readonly { name: string; text: string }[] = [
  { name: "Ctrl-C", text: "\u0003" },
  { name: "Ctrl-D", text: "\u0004" },
  { name: "Ctrl-Z", text: "\u001a" },
  { name: "Ctrl-\\", text: "\u001c" },
  { name: "Ctrl-]", text: "\u001d" },
  { name: "Esc", text: "\u001b" },
  { name: "Tab", text: "\t" },
];

/** A press: one key, with shift or without. */
export interface Press extends Key {
  isShifted: boolean;
}

/** The keys of the US layout that are no letters: as they stand, and with shift. */
const others: readonly (readonly [code: string, plain: string, shifted: string])[] = [
  ["Backquote", "`", "~"],
  ["Digit1", "1", "!"],
  ["Digit2", "2", "@"],
  ["Digit3", "3", "#"],
  ["Digit4", "4", "$"],
  ["Digit5", "5", "%"],
  ["Digit6", "6", "^"],
  ["Digit7", "7", "&"],
  ["Digit8", "8", "*"],
  ["Digit9", "9", "("],
  ["Digit0", "0", ")"],
  ["Minus", "-", "_"],
  ["Equal", "=", "+"],
  ["BracketLeft", "[", "{"],
  ["BracketRight", "]", "}"],
  ["Backslash", "\\", "|"],
  ["Semicolon", ";", ":"],
  ["Quote", "'", '"'],
  ["Comma", ",", "<"],
  ["Period", ".", ">"],
  ["Slash", "/", "?"],
  ["Space", " ", " "],
];

const presses = new Map<string, Press>();
for (const [code, plain, shifted] of others) {
  presses.set(shifted, { code, keysym: shifted.charCodeAt(0), isShifted: true });
  presses.set(plain, { code, keysym: plain.charCodeAt(0), isShifted: false });
}
for (const letter of "abcdefghijklmnopqrstuvwxyz") {
  const upper = letter.toUpperCase();
  presses.set(letter, { code: `Key${upper}`, keysym: letter.charCodeAt(0), isShifted: false });
  presses.set(upper, { code: `Key${upper}`, keysym: upper.charCodeAt(0), isShifted: true });
}
presses.set("\n", { ...enter, isShifted: false });
presses.set("\t", { ...tab, isShifted: false });

/** A text as presses on a US keyboard, and the characters that it has no key for. */
export function pressesOf(text: string): { presses: Press[]; missing: string[] } {
  const typed: Press[] = [];
  const missing = new Set<string>();
  for (const character of text.replaceAll("\r\n", "\n").replaceAll("\r", "\n")) {
    const press = presses.get(character);
    if (press === undefined) missing.add(character);
    else typed.push(press);
  }
  return { presses: typed, missing: [...missing] };
}
