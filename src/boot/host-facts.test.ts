/** What the host offers, read from its files. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hugeSizeOf } from "./host-facts.ts";

test("large pages for memory files: where the host gives them for the asking", () => {
  const SIZE = "2097152\n";
  const top = (word: string): string =>
    "always within_size advise never deny force".replace(new RegExp(`\\b${word}\\b`), `[${word}]`);
  const one = (word: string): string =>
    "always inherit within_size advise never".replace(new RegExp(`\\b${word}\\b`), `[${word}]`);
  for (const [word, ofSize, is] of [
    ["never", "inherit", false],
    ["advise", "inherit", true],
    ["always", "inherit", true],
    ["within_size", "inherit", true],
    ["advise", "never", false],
    ["never", "advise", true],
    ["force", "never", true],
    ["deny", "always", false],
  ] as const) {
    assert.equal(hugeSizeOf(top(word), one(ofSize), SIZE), is ? 2097152 : 0, `${word} ${ofSize}`);
  }
  // Older kernels have no file for each size, others no large pages at all.
  assert.equal(hugeSizeOf(top("advise"), "", SIZE), 2097152);
  assert.equal(hugeSizeOf("", "", ""), 0);
  assert.equal(hugeSizeOf(top("advise"), "", ""), 0);
});
