import assert from "node:assert/strict";
import { test } from "node:test";
import { chords, pressesOf } from "./keys.ts";

test("every character of a US keyboard has its key, with shift where it stands above", () => {
  const printable = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join("");
  const { presses, missing } = pressesOf(printable);
  assert.deepEqual(missing, []);
  assert.equal(presses.map(({ keysym }) => String.fromCharCode(keysym)).join(""), printable);
  assert.deepEqual(pressesOf("aA1! ").presses.map(({ code, isShifted }) => `${isShifted ? "+" : ""}${code}`), ["KeyA", "+KeyA", "Digit1", "+Digit1", "Space"]);
});

test("the end of a line is Enter, however it was written", () => {
  assert.deepEqual(pressesOf("a\r\nb\rc\n").presses.map(({ code }) => code), ["KeyA", "Enter", "KeyB", "Enter", "KeyC", "Enter"]);
});

test("what no key is there for is told once, and the rest is typed", () => {
  const { presses, missing } = pressesOf("für 5 € und 6 €");
  assert.deepEqual(missing, ["ü", "€"]);
  assert.equal(presses.length, 12);
});

test("Ctrl-Alt-Del is those three keys in that order", () => {
  assert.deepEqual(chords[0]?.keys.map(({ code, keysym }) => [code, keysym]), [["ControlLeft", 0xffe3], ["AltLeft", 0xffe9], ["Delete", 0xffff]]);
});
