import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EBADMSG, EMSGSIZE, EOVERFLOW } from "../../abi/errno.ts";
import { Stat } from "../../abi/stat.ts";
import { StatFs } from "../../abi/statfs.ts";
import { Data, Rwalk, Tread, Twalk, Twrite } from "./base.ts";
import { HEADER_SIZE, MAX_READDIRS, MAX_WALK, NOFID } from "./constants.ts";
import { Reader, Writer, nameText } from "./cursor.ts";
import { Numbers, Rwalkattr, Treaddirs, Twalkattr } from "./extension.ts";
import { Rgetattr, Rstatfs, Tfsync } from "./linux.ts";
import type { Message } from "./message.ts";
import { ATTR_SIZE, DirEntry, DirEntryAttr, Qid, SetAttr } from "./records.ts";
import { MESSAGES } from "./table.ts";

const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.oneof(fc.constantFrom(0, 1, 0x7fffffff, 0x80000000, NOFID), fc.integer({ min: 0, max: NOFID }));
const u53 = fc.oneof(
  fc.constantFrom(0, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 52, 2 ** 53 - 1),
  fc.maxSafeNat(),
);
const i53 = fc.oneof(
  fc.constantFrom(-1, -(2 ** 31), -(2 ** 32), -(2 ** 32) - 1, -(2 ** 53) + 1, 2 ** 53 - 1),
  fc.maxSafeInteger(),
);
const text = fc.oneof(
  fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)), maxLength: 300 }),
  fc.constantFrom("", "a", "..", "x".repeat(255), "\xff\x80\0/"),
);

/** Fields narrower than 32 bits, or signed, or arrays' lengths: everything else follows from the field's name. */
const NARROW: Record<string, fc.Arbitrary<number>> = {
  "Tlock.type": u8,
  "Tgetlock.type": u8,
  "Rlock.status": u8,
  "Rgetlock.type": u8,
  oldTag: u16,
  depth: u16,
  dirs: u16,
  "qid.type": u8,
  "entry.type": u8,
};
const WIDE = new Set([
  "offset",
  "size",
  "start",
  "length",
  "next",
  "path",
  "dev",
  "ino",
  "rdev",
  "blocks",
  "bfree",
  "bavail",
  "files",
  "ffree",
  "fsid",
]);
const SIGNED = new Set(["atime", "mtime", "atimeSec", "mtimeSec", "ctimeSec", "btimeSec"]);
/** Not on the wire. */
const LOCAL = new Set(["attributes", "mountId", "frsize"]);

/** Fills a message (or record) with random fields, in place. `where` names the class for the exceptions above. */
function fill(target: object, where: string, rng: fc.GeneratorValue): void {
  const fields = target as Record<string, unknown>;
  for (const key of Object.keys(fields)) {
    const value = fields[key];
    if (LOCAL.has(key) || (target instanceof StatFs && key === "flags")) continue;
    if (typeof value === "string") fields[key] = rng(() => text);
    else if (typeof value === "number") {
      const narrow = NARROW[`${where}.${key}`] ?? NARROW[key];
      const any = narrow ?? (SIGNED.has(key) ? i53 : WIDE.has(key) ? u53 : u32);
      fields[key] = rng(() => any);
    } else if (value instanceof Qid) fill(value, "qid", rng);
    else if (value instanceof Stat || value instanceof SetAttr || value instanceof StatFs) fill(value, "record", rng);
  }
  if (
    target instanceof Twalk ||
    target instanceof Twalkattr ||
    target instanceof Rwalk ||
    target instanceof Rwalkattr
  ) {
    target.count = rng(() => fc.integer({ min: 0, max: MAX_WALK }));
    for (let i = 0; i < target.count; i++) {
      if (target instanceof Rwalk) fill(target.qid(i), "qid", rng);
      else if (target instanceof Rwalkattr) fill(target.attr(i), "record", rng);
      else target.names[i] = rng(() => text);
      if (target instanceof Twalkattr) target.newFids[i] = rng(() => u32);
    }
  } else if (target instanceof Treaddirs) {
    target.count = rng(() => fc.integer({ min: 0, max: MAX_READDIRS }));
    for (let i = 0; i < target.count; i++) target.names[i] = rng(() => text);
  } else if (target instanceof Numbers) {
    target.count = 0;
    for (const number of rng(() => fc.array(u32, { maxLength: 512 }))) target.add(number);
  } else if ("buf" in target) {
    const data = rng(() => fc.uint8Array({ maxLength: 400 }));
    const message = target as Data;
    message.buf = data;
    message.off = 0;
    message.count = data.length;
  }
}

/** Plain values of a message's fields, data as bytes: for comparison. */
function values(message: object): unknown {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(message)) {
    if (key === "off") continue;
    if (value instanceof Uint8Array) {
      const data = message as Data;
      out[key] = [...data.buf.subarray(data.off, data.off + data.count)];
    } else if (Array.isArray(value)) {
      out[key] = value.slice(0, (message as Twalk).count).map((v: unknown) => (typeof v === "object" ? values(v!) : v));
    } else if (typeof value === "object" && value !== null) out[key] = values(value);
    else out[key] = value;
  }
  return out;
}

function encode(message: Message, type: number, buf: Uint8Array): number {
  const w = new Writer();
  w.attach(buf);
  w.begin(type, 7);
  message.encode(w);
  return w.end();
}

function decode(message: Message, buf: Uint8Array, len: number): number {
  const r = new Reader();
  r.attach(buf);
  r.reset(HEADER_SIZE, len);
  return message.decode(r);
}

for (const { type, name, create } of MESSAGES) {
  test(`${name} survives a round trip, and no shorter or longer message passes for it`, () => {
    const buf = new Uint8Array(65536);
    fc.assert(
      fc.property(fc.gen(), fc.nat(), (rng, cut) => {
        const message = new create();
        fill(message, name, rng);
        const len = encode(message, type, buf);
        assert.ok(len >= HEADER_SIZE);
        assert.equal(new DataView(buf.buffer).getUint32(0, true), len);
        assert.equal(buf[4], type);

        const back = new create();
        assert.equal(decode(back, buf, len), 0);
        // Fields that encode derives from others, or does not carry.
        if (message instanceof Rgetattr) message.attr.dev = 0;
        if (message instanceof Rstatfs) message.statfs.frsize = message.statfs.bsize;
        assert.deepEqual(values(back), values(message));

        if (len > HEADER_SIZE) {
          const short = HEADER_SIZE + (cut % (len - HEADER_SIZE));
          const optional = message instanceof Tfsync && short === HEADER_SIZE + 4;
          if (!optional) assert.equal(decode(new create(), buf, short), -EBADMSG, `cut to ${short} of ${len}`);
        }
        assert.equal(decode(new create(), buf, len + 1), -EBADMSG);
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });
}

test("random bytes never make a decoder throw or read outside its message", () => {
  const backing = new Uint8Array(4096).fill(0xee);
  fc.assert(
    fc.property(fc.constantFrom(...MESSAGES), fc.uint8Array({ maxLength: 600 }), (info, bytes) => {
      backing.fill(0xee);
      backing.set(bytes, 0);
      const r = new Reader();
      r.attach(backing);
      r.reset(0, bytes.length);
      const message = new info.create();
      const result = message.decode(r);
      assert.ok(result === 0 || result === -EBADMSG || result === -EOVERFLOW);
      assert.ok(r.pos <= bytes.length);
      if (result === 0 && "buf" in message) {
        const data = message as Data;
        assert.ok(data.off >= 0 && data.off + data.count <= bytes.length);
      }
    }),
    { numRuns: 2000, endOnFailure: true },
  );
});

test("64-bit fields at the edges of 2^32 and 2^53, against BigInt", () => {
  const buf = new Uint8Array(16);
  const view = new DataView(buf.buffer);
  const w = new Writer();
  const r = new Reader();
  w.attach(buf);
  r.attach(buf);
  const edges = [
    0n,
    1n,
    2n ** 31n,
    2n ** 32n - 1n,
    2n ** 32n,
    2n ** 52n,
    2n ** 53n - 1n,
    2n ** 53n,
    2n ** 63n,
    2n ** 64n - 1n,
  ];
  for (const edge of edges) {
    view.setBigUint64(0, edge, true);
    r.reset(0, 8);
    const u = r.u64();
    const fits = edge < 2n ** 53n;
    assert.equal(r.finish(), fits ? 0 : -EOVERFLOW);
    assert.equal(u, fits ? Number(edge) : 0);

    r.reset(0, 8);
    const signed = BigInt.asIntN(64, edge);
    const i = r.i64();
    const fitsSigned = signed >= -(2n ** 53n) && signed < 2n ** 53n;
    assert.equal(r.finish(), fitsSigned ? 0 : -EOVERFLOW);
    if (fitsSigned) assert.equal(BigInt(i), signed);

    r.reset(0, 8);
    assert.equal(r.id64(), Number(BigInt.asUintN(53, edge)));
    assert.equal(r.finish(), 0);
  }
  for (const value of [-1, -(2 ** 32), -(2 ** 53) + 1, 0, 2 ** 32, 2 ** 53 - 1]) {
    w.begin(0, 0, 0);
    w.i64(value);
    assert.equal(view.getBigInt64(HEADER_SIZE, true), BigInt(value));
  }
});

test("Rgetattr has the layout that the protocol page gives", () => {
  const message = new Rgetattr();
  const buf = new Uint8Array(256);
  message.attr.mode = 0o100644;
  message.attr.size = 2 ** 40 + 5;
  message.attr.mtimeSec = -1;
  message.attr.ino = 77;
  assert.equal(encode(message, 25, buf), HEADER_SIZE + 153);
  const view = new DataView(buf.buffer, HEADER_SIZE);
  assert.equal(view.getBigUint64(8 + 5, true), 77n); // qid.path
  assert.equal(view.getUint32(21, true), 0o100644);
  assert.equal(view.getBigUint64(21 + 12 + 16, true), 2n ** 40n + 5n);
  assert.equal(view.getBigInt64(21 + 12 + 16 + 24 + 16, true), -1n);
});

test("walks with more than sixteen names, and counts beyond the message, are refused", () => {
  const buf = new Uint8Array(4096);
  const walk = new Twalk();
  walk.count = MAX_WALK + 1;
  for (let i = 0; i < walk.count; i++) walk.names[i] = "x";
  const len = encode(walk, 110, buf);
  assert.equal(decode(new Twalk(), buf, len), -EBADMSG);

  const write = new Twrite();
  write.buf = new Uint8Array(10);
  write.count = 10;
  const wlen = encode(write, 118, buf);
  new DataView(buf.buffer).setUint32(HEADER_SIZE + 12, 0xffffffff, true);
  assert.equal(decode(new Twrite(), buf, wlen), -EBADMSG);
});

test("a message that does not fit its buffer is refused and writes nothing outside", () => {
  const buf = new Uint8Array(64).fill(0xaa);
  const w = new Writer();
  w.attach(buf);
  const data = new Data();
  data.buf = new Uint8Array(100);
  data.count = 100;
  w.begin(117, 1, 8, 32);
  data.encode(w);
  assert.equal(w.end(), -EMSGSIZE);
  assert.deepEqual(
    [...buf.subarray(40)],
    Array.from({ length: 24 }, () => 0xaa),
  );
  const walk = new Twalk();
  walk.count = 1;
  walk.names[0] = "x".repeat(65536);
  assert.equal(encode(walk, 110, new Uint8Array(1 << 20)), -EMSGSIZE);
});

test("Tread accepts offsets below 2^53 only", () => {
  const buf = new Uint8Array(64);
  const len = encode(new Tread(), 116, buf);
  new DataView(buf.buffer).setBigUint64(HEADER_SIZE + 4, 2n ** 53n, true);
  assert.equal(decode(new Tread(), buf, len), -EOVERFLOW);
});

test("directory records take their documented size", () => {
  const buf = new Uint8Array(512);
  const w = new Writer();
  w.attach(buf);
  w.begin(0, 0);
  const plain = new DirEntry();
  plain.name = "abc";
  plain.encode(w);
  assert.equal(w.pos, HEADER_SIZE + 24 + 3);
  w.begin(0, 0);
  const rich = new DirEntryAttr();
  rich.name = "abc";
  rich.encode(w);
  assert.equal(w.pos, HEADER_SIZE + ATTR_SIZE + 2 + 3);
});

test("names keep every byte at every length", () => {
  const bytes = Uint8Array.from({ length: 10_000 }, (_, i) => i & 255);
  for (const len of [0, 1, 2, 3, 4, 5, 255, 4095, 4096, 4097, 9000]) {
    assert.equal(nameText(bytes, 3, len), Buffer.from(bytes.subarray(3, 3 + len)).toString("latin1"));
  }
});
