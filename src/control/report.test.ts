import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeReport, encodeReport, printable, REPORT_MAX } from "./report.ts";

test("a report arrives as it was written", () => {
  const bytes = encodeReport(3, ["one", "", "two\x1b[2J\xff"]);
  assert.deepEqual(decodeReport(bytes), { number: 3, text: "one\n\ntwo\\x1b[2J\\xff" });
});

test("a report that is not whole is none", () => {
  const bytes = encodeReport(12, ["one", "two"]);
  for (let n = 0; n < bytes.length; n++) assert.equal(decodeReport(bytes.subarray(0, n)), undefined, `${n} bytes`);
  assert.equal(decodeReport(Buffer.from("report 1\ntext\nend 2\n")), undefined);
});

test("a report has a limit, and is whole nevertheless", () => {
  const bytes = encodeReport(
    1,
    Array.from({ length: 100_000 }, () => "a long line of a report"),
  );
  assert.ok(bytes.length <= REPORT_MAX + 100);
  assert.match(decodeReport(bytes)!.text, /\n\.\.\.$/);
});

test("printable() leaves nothing that a terminal acts on", () => {
  assert.equal(printable("a\tb\r\n\x7f\x9bé"), "a\\x09b\\x0d\n\\x7f\\x9b\\xe9");
});
