/** The client with a server that lies. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { EIO, ENOENT, EPROTONOSUPPORT } from "../../abi/errno.ts";
import { S_IFDIR, S_IFREG, Stat } from "../../abi/stat.ts";
import { StatFs } from "../../abi/statfs.ts";
import { Data, QidOnly, Version } from "../wire/base.ts";
import * as c from "../wire/constants.ts";
import { Reader, Writer } from "../wire/cursor.ts";
import { AttrOnly, Rreaddirattr, Rreaddirs, Rwalkattr } from "../wire/extension.ts";
import { Rlerror } from "../wire/linux.ts";
import type { Message } from "../wire/message.ts";
import { Empty } from "../wire/message.ts";
import { DirEntryAttr } from "../wire/records.ts";
import { P9Client } from "./client.ts";
import type { Transport } from "./transport.ts";

/** Answers each request with what the test says. */
class Scripted implements Transport {
  readonly reply: Uint8Array = new Uint8Array(65536);
  readonly w: Writer = new Writer();
  answer: (type: number, request: Uint8Array, len: number) => number = () => -EIO;
  fd = -1;

  constructor() {
    this.w.attach(this.reply);
  }

  request(buf: Uint8Array, len: number): number {
    return this.answer(buf[4]!, buf, len);
  }

  send(type: number, tag: number, message: Message): number {
    this.w.begin(type, tag);
    message.encode(this.w);
    return this.w.end();
  }

  takeFd(): number {
    const { fd } = this;
    this.fd = -1;
    return fd;
  }

  close(): void {}
}

/** A client that has negotiated the extension. */
function connected(): { client: P9Client; server: Scripted } {
  const server = new Scripted();
  const client = new P9Client(server);
  server.answer = (_type, request, len) => {
    const version = new Version();
    const r = new Reader();
    r.attach(request);
    r.reset(c.HEADER_SIZE, len);
    version.decode(r);
    return server.send(c.TVERSION + 1, c.NOTAG, version);
  };
  assert.equal(client.negotiate(true), 0);
  assert.equal(client.isExtended, true);
  return { client, server };
}

const NO_DIRS = { directory(): void {}, below(): void {}, records(): void {} };

describe("version", () => {
  const cases: [string, number, boolean][] = [
    ["unknown", 65536, false],
    ["9P2000", 65536, false],
    [c.VERSION_L, 65537, false],
    [c.VERSION_L, 100, false],
    [c.VERSION_L, 8192, true],
  ];
  for (const [name, msize, isFine] of cases) {
    test(`an answer of ${name} with ${msize} bytes is ${isFine ? "taken" : "refused"}`, () => {
      const server = new Scripted();
      const client = new P9Client(server);
      const version = new Version();
      version.version = name;
      version.msize = msize;
      server.answer = () => server.send(c.TVERSION + 1, c.NOTAG, version);
      assert.equal(client.negotiate(true), isFine ? 0 : -EPROTONOSUPPORT);
      assert.equal(client.isExtended, false);
    });
  }

  test("a server that refuses the extension with an error is asked for the plain protocol", () => {
    const server = new Scripted();
    const client = new P9Client(server);
    let asked = 0;
    server.answer = () => {
      const error = new Rlerror();
      error.ecode = 95;
      const version = new Version();
      version.version = c.VERSION_L;
      version.msize = 8192;
      return asked++ === 0 ? server.send(c.RLERROR, c.NOTAG, error) : server.send(c.TVERSION + 1, c.NOTAG, version);
    };
    assert.equal(client.negotiate(true), 0);
    assert.equal(client.isExtended, false);
  });
});

describe("replies that break the protocol end the connection", () => {
  const attr = new AttrOnly();
  const cases: [string, (server: Scripted) => number][] = [
    ["another type", (server) => server.send(c.TWALKATTR + 1, 1, new Rwalkattr())],
    ["another tag", (server) => server.send(c.TSETATTRX + 1, 2, attr)],
    ["too short", (server) => server.send(c.TSETATTRX + 1, 1, new Empty())],
    ["a size that is not the length", (server) => server.send(c.TSETATTRX + 1, 1, attr) - 1],
    ["an error without a number", (server) => server.send(c.RLERROR, 1, new Empty())],
    ["the end of the connection", () => 0],
    ["a failure of the connection", () => -104],
  ];
  for (const [name, answer] of cases) {
    test(name, () => {
      const { client, server } = connected();
      server.answer = () => answer(server);
      const stat = new Stat();
      assert.equal(client.link(0, 1, "x", stat), -EIO);
      assert.equal(client.isDead, true);
      server.answer = () => assert.fail("a dead connection is not used");
      assert.equal(client.getattr(0, stat), -EIO);
    });
  }

  test("error numbers out of range become EIO", () => {
    const { client, server } = connected();
    const error = new Rlerror();
    server.answer = () => server.send(c.RLERROR, 1, error);
    for (const [ecode, expected] of [
      [0, -EIO],
      [0x80000000, -EIO],
      [5000, -EIO],
      [ENOENT, -ENOENT],
    ] as const) {
      error.ecode = ecode;
      assert.equal(client.unlink(0, "x", 0), expected);
    }
    assert.equal(client.isDead, false);
  });
});

describe("lies within the protocol", () => {
  test("more files than names", () => {
    const { client, server } = connected();
    const reply = new Rwalkattr();
    reply.count = 3;
    for (let i = 0; i < 3; i++) reply.attr(i).mode = S_IFDIR;
    server.answer = () => server.send(c.TWALKATTR + 1, 1, reply);
    assert.equal(client.walk(0, ["one"], 1), 0);
  });

  test("more data than was asked for", () => {
    const { client, server } = connected();
    const reply = new Data();
    reply.buf = new Uint8Array(100);
    reply.count = 100;
    server.answer = () => server.send(c.TREAD + 1, 1, reply);
    assert.equal(client.read(0, 0, new Uint8Array(10), 0, 10), -EIO);
    assert.equal(client.read(0, 0, new Uint8Array(100), 0, 100), 100);
  });

  test("an open without a descriptor", () => {
    const { client, server } = connected();
    server.answer = (type) => server.send(type + 1, 1, type === c.TOPENAT ? new AttrOnly() : new Empty());
    assert.equal(client.openFd(0, "x", 0, true, new Stat()), -EIO);
    server.fd = 77;
    assert.equal(client.openFd(0, "x", 0, true, new Stat()), 77);
  });

  test("names that are no names, and a directory without end", () => {
    const { client, server } = connected();
    const bytes = new Uint8Array(4096);
    const w = new Writer();
    w.attach(bytes);
    w.begin(0, 0);
    const entry = new DirEntryAttr();
    for (const name of ["..", "a/b", "", "x\0", "good"]) {
      entry.name = name;
      entry.attr.mode = S_IFREG;
      entry.encode(w);
    }
    const reply = new Rreaddirattr();
    reply.buf = bytes;
    reply.off = c.HEADER_SIZE;
    reply.count = w.pos - c.HEADER_SIZE;
    reply.flags = c.READDIR_EOF;
    server.answer = () => server.send(c.TREADDIRATTR + 1, 1, reply);
    const names: string[] = [];
    const sink = { entry: (name: string) => void names.push(name) };
    assert.equal(client.readdir(0, sink), 0);
    assert.deepEqual(names, ["good"]);
    reply.flags = 0;
    reply.next = 0;
    assert.equal(client.readdir(0, sink), -EIO);
    reply.count -= 1;
    assert.equal(client.readdir(0, sink), -EIO);
  });

  test("directories below others that cannot be where they are said to be", () => {
    const asked = [0, ""] as const;
    const cases: [boolean, readonly (readonly [number, string])[]][] = [
      [true, [asked, [1, "x"], [2, "y"], [1, "z"], asked]],
      [false, [[1, "x"], asked, asked]],
      [false, [asked, [2, "x"], asked]],
      [false, [asked, [1, ".."], asked]],
      [false, [asked, [1, "a/b"], asked]],
      [false, [asked, asked, asked]],
      [false, [asked, ...Array.from({ length: 17 }, (_, i) => [i + 1, "x"] as const), asked]],
    ];
    for (const [isFine, dirs] of cases) {
      const { client, server } = connected();
      const bytes = new Uint8Array(8192);
      const w = new Writer();
      w.attach(bytes);
      for (const [level, name] of dirs) {
        w.u16(level);
        w.str(name);
        w.u32(0);
        new AttrOnly().encode(w);
        w.u32(0);
      }
      const reply = new Rreaddirs();
      reply.dirs = 2;
      reply.buf = bytes;
      reply.count = w.pos;
      server.answer = () => server.send(c.TREADDIRS + 1, 1, reply);
      assert.equal(client.readdirs(0, ["a", "b"], 0, 2, c.READDIRS_BELOW, NO_DIRS), isFine ? 2 : -EIO, String(dirs));
    }
  });

  test("random replies never throw", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 13 }),
        fc.uint8Array({ maxLength: 300 }),
        fc.boolean(),
        (which, body, isRight) => {
          const { client, server } = connected();
          server.answer = (type) => {
            const len = c.HEADER_SIZE + body.length;
            server.reply.set(body, c.HEADER_SIZE);
            new DataView(server.reply.buffer).setUint32(0, len, true);
            server.reply[4] = isRight ? type + 1 : c.RLERROR;
            server.reply[5] = 1;
            server.reply[6] = 0;
            return len;
          };
          const stat = new Stat();
          const sink = { entry(): void {} };
          const results: unknown[] = [
            () => client.walk(0, ["a", "b"], 2),
            () => client.getattr(0, stat),
            () => client.readdir(0, sink),
            () => client.openFd(0, "a", 0, true, stat),
            () => client.createFd(0, "a", 0, 0, 0, 0, true, stat),
            () => client.make(0, "a", S_IFDIR, 0, 0, 0, "", stat),
            () => client.readlink(0),
            () => client.getxattr(0, "user.a"),
            () => client.listxattr(0),
            () => client.statfs(0, new StatFs()),
            () => client.read(0, 0, new Uint8Array(10), 0, 10),
            () => client.attach("", "", 0),
            () => client.readdirs(0, ["a", "b"], 0, 2, c.READDIRS_BELOW, NO_DIRS),
            () => client.readdirs(0, ["a", "b"], 0, 2, 0, NO_DIRS),
          ].map((run, i) => (i === which ? run() : 0));
          assert.equal(results.length, 14);
        },
      ),
      { numRuns: 1500, endOnFailure: true },
    );
  });

  test("attach gives a fid that is used for nothing else", () => {
    const { client, server } = connected();
    server.answer = (type) => server.send(type + 1, 1, type === c.TATTACH ? new QidOnly() : new Empty());
    const first = client.attach("", "", 0);
    const second = client.attach("", "", 0);
    assert.notEqual(first, second);
    client.clunk(first);
    assert.notEqual(client.allocFid(), first, "not before the server has heard of it");
    client.flushClunks();
    assert.equal(client.allocFid(), first);
  });
});
