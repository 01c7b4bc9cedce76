import assert from "node:assert/strict";
import { test } from "node:test";
import { ECHO, ECHOPRT, EXTPROC, ICANON, ISIG, OPOST, VMIN } from "../../../abi/termios.ts";
import { LineDiscipline } from "./line-discipline.ts";

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

/** A discipline with its hooks recorded. */
function make(): {
  ld: LineDiscipline;
  signals: number[];
  type(text: string): void;
  screen(): string;
  line(): string | null;
} {
  const signals: number[] = [];
  const ld = new LineDiscipline({
    signalForeground: (s) => signals.push(s),
    inputReady: () => {},
    outputReady: () => {},
    flowChanged: () => {},
    flushed: () => {},
  });
  return {
    ld,
    signals,
    type(text) {
      const b = bytes(text);
      assert.equal(ld.input(b, 0, b.length), b.length);
    },
    screen() {
      const buf = new Uint8Array(ld.out.length);
      ld.out.pull(buf, 0, buf.length);
      return Buffer.from(buf).toString("latin1");
    },
    line() {
      const n = ld.available(4096);
      if (n < 0) return null;
      const buf = new Uint8Array(n);
      ld.take(buf, 0, n);
      return Buffer.from(buf).toString("latin1");
    },
  };
}

test("canonical input is readable a line at a time and echoed", () => {
  const t = make();
  t.type("ab");
  assert.equal(t.line(), null);
  t.type("c\rnext\n");
  assert.equal(t.screen(), "abc\r\nnext\r\n");
  assert.equal(t.line(), "abc\n");
  assert.equal(t.line(), "next\n");
  assert.equal(t.line(), null);
});

test("erase, word erase and kill edit the line and the screen", () => {
  const t = make();
  t.type("ax\x7fb foo\x17c\n");
  assert.equal(t.line(), "ab c\n");
  assert.equal(t.screen(), `ax\b \bb foo${"\b \b".repeat(3)}c\r\n`);
  t.type("junk\x15ok\n");
  assert.equal(t.line(), "ok\n");
});

test("the end-of-file character ends a line without being part of it", () => {
  const t = make();
  t.type("abc\x04");
  assert.equal(t.line(), "abc");
  t.type("\x04");
  assert.equal(t.ld.atEof(), true);
  assert.equal(t.line(), "");
  assert.equal(t.line(), null);
});

test("signal characters signal, echo as ^X and flush", () => {
  const t = make();
  t.type("abc\x03");
  assert.deepEqual(t.signals, [2]);
  assert.equal(t.screen(), "^C");
  t.type("x\n");
  assert.equal(t.line(), "x\n");
  t.type("\x1a\x1c");
  assert.deepEqual(t.signals, [2, 20, 3]);
});

test("a quoted character is taken literally", () => {
  const t = make();
  t.type("\x16\x03\n");
  assert.deepEqual(t.signals, []);
  assert.equal(t.line(), "\x03\n");
});

test("raw mode passes every byte and honours VMIN", () => {
  const t = make();
  t.ld.termios.lflag &= ~(ICANON | ECHO | ISIG);
  t.ld.settingsChanged(true, true);
  t.ld.termios.cc[VMIN] = 3;
  t.type("\x03a");
  assert.equal(t.ld.readable(), false);
  t.type("b");
  assert.equal(t.ld.readable(), true);
  assert.equal(t.line(), "\x03ab");
  assert.equal(t.screen(), "");
});

test("output processing maps newlines unless OPOST is off", () => {
  const t = make();
  t.ld.output(bytes("a\nb"), 0, 3);
  assert.equal(t.screen(), "a\r\nb");
  t.ld.termios.oflag &= ~OPOST;
  t.ld.output(bytes("a\nb"), 0, 3);
  assert.equal(t.screen(), "a\nb");
});

test("stop and start characters hold output back", () => {
  const t = make();
  t.type("\x13");
  assert.equal(t.ld.output(bytes("x"), 0, 1), 0);
  t.type("\x11");
  assert.equal(t.ld.output(bytes("x"), 0, 1), 1);
});

test("input typed before ICANON is cleared becomes readable", () => {
  const t = make();
  t.type("half");
  assert.equal(t.ld.readable(), false);
  t.ld.termios.lflag &= ~ICANON;
  t.ld.settingsChanged(true, true);
  assert.equal(t.line(), "half");
});

test("an end of file that nobody has read is a NUL in raw input, and at its end one again", () => {
  const t = make();
  t.type("ab\x04\x04c");
  t.ld.termios.lflag &= ~ICANON;
  t.ld.settingsChanged(true, true);
  assert.equal(t.ld.pending(), 5);
  t.ld.termios.lflag |= ICANON;
  t.ld.settingsChanged(false, true);
  assert.equal(t.line(), "ab\0\0c");
  t.type("\x04");
  for (const edited of [true, false]) {
    t.ld.termios.lflag ^= ICANON;
    t.ld.settingsChanged(edited, true);
  }
  assert.equal(t.ld.atEof(), true);
});

test("typed lines wait when nobody reads, a line that is too long does not", () => {
  const t = make();
  t.ld.termios.lflag &= ~ECHO;
  const line = bytes(`${"x".repeat(99)}\n`);
  let sent = 0;
  while (t.ld.input(line, 0, line.length) === line.length) sent++;
  assert.equal(sent, 40);
  assert.equal(t.ld.isInputFull, true);
  assert.equal(t.line(), `${"x".repeat(99)}\n`);
  assert.equal(t.ld.isInputFull, false);
  t.ld.flushInput();
  const long = new Uint8Array(10000).fill(120);
  assert.equal(t.ld.input(long, 0, long.length), long.length);
  t.type("\n");
  assert.equal(t.line()?.length, 4096);
});

test("echo waits while output is stopped and comes before later output", () => {
  const t = make();
  t.type("\x13ab");
  assert.equal(t.screen(), "");
  t.type("\x11");
  t.ld.output(bytes("c"), 0, 1);
  assert.equal(t.screen(), "abc");
});

test("tcflow stops what a start character does not start", () => {
  const t = make();
  t.ld.setStoppedByCall(true);
  t.type("\x11");
  assert.equal(t.ld.output(bytes("x"), 0, 1), 0);
  t.ld.setStoppedByCall(false);
  assert.equal(t.ld.output(bytes("x"), 0, 1), 1);
});

test("ECHOPRT shows what is erased", () => {
  const t = make();
  t.ld.termios.lflag |= ECHOPRT;
  t.type("abc\x7f\x7fd\n");
  assert.equal(t.screen(), "abc\\cb/d\r\n");
  assert.equal(t.line(), "ad\n");
});

test("with EXTPROC nothing is edited", () => {
  const t = make();
  t.ld.termios.lflag |= EXTPROC;
  t.ld.settingsChanged(true, true);
  t.type("a\x7f\x03\n");
  assert.deepEqual(t.signals, []);
  assert.equal(t.screen(), "");
  assert.equal(t.line(), "a\x7f\x03\n");
});
