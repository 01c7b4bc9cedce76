import assert from "node:assert/strict";
import { test } from "node:test";
import { findImports } from "./imports.ts";

const specifiers = (source: string): (string | undefined)[] => findImports(source).map((ref) => ref.specifier);

test("findImports() sees each form of import", () => {
  const source = `
import "./effect.ts";
import def from './def.ts';
import * as all from "./all.ts";
import { a, type B } from "./names.ts";
import type { C } from "./types.ts";
import {
  d,
  e as f,
} from "./lines.ts";
export { g } from "./out.ts";
export type { H } from "./out-type.ts";
export * from "./star.ts";
export * as ns from "./star-name.ts";
type I = import("./type-query.ts").I;
const j = await import("./dynamic.ts");
const k = await import(name);
`;
  assert.deepEqual(specifiers(source), [
    "./effect.ts",
    "./def.ts",
    "./all.ts",
    "./names.ts",
    "./types.ts",
    "./lines.ts",
    "./out.ts",
    "./out-type.ts",
    "./star.ts",
    "./star-name.ts",
    "./type-query.ts",
    "./dynamic.ts",
    undefined,
  ]);
});

test("findImports() sees no import in comments, strings, templates and regular expressions", () => {
  const source = `
// import "./a.ts";
/* import "./b.ts"; */
const c = 'import "./c.ts"';
const d = \`import "./d.ts" \${{ e: "import './e.ts'" }.e} import "./f.ts"\`;
const g = /import ".\\/g.ts"/.test(c) || 4 / 2 / 1;
const h = import.meta.url;
const i = { import: "./i.ts", from: "./j.ts" };
export const k = { from: "./k.ts" };
export function from(x: string): string { return x; }
`;
  assert.deepEqual(specifiers(source), []);
});

test("findImports() goes on after a regular expression or a template with quotes in it", () => {
  assert.deepEqual(specifiers('const a = /["\'`]/;\nimport "./a.ts";'), ["./a.ts"]);
  assert.deepEqual(specifiers('const a = `"${`\'${1}`}`;\nimport "./a.ts";'), ["./a.ts"]);
});

test("findImports() tells the line", () => {
  assert.deepEqual(findImports('/*\n*/\n`\n`;\nimport "./a.ts";'), [{ specifier: "./a.ts", line: 5 }]);
});
