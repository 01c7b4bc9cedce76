import assert from "node:assert/strict";
import { test } from "node:test";
import { STAT_SIZE, Stat, writeStat } from "./stat.ts";

test("struct stat: every field at its place, wide ones whole, times before 1970 negative, the rest zeros", () => {
  const s = new Stat();
  const wide = 2 ** 53 - 1;
  s.dev = 0x1_0000_0001;
  s.ino = wide;
  s.nlink = 3;
  s.mode = 0o104755;
  s.uid = 0xffff_fffe;
  s.gid = 7;
  s.rdev = 0xfff0_0305;
  s.size = 5 * 2 ** 32 + 9;
  s.blksize = 4096;
  s.blocks = 2 ** 40;
  s.atimeSec = -1;
  s.atimeNsec = 999_999_999;
  s.mtimeSec = -(2 ** 33) - 5;
  s.mtimeNsec = 1;
  s.ctimeSec = 2 ** 32 + 2;
  s.ctimeNsec = 0;
  const v = new DataView(new ArrayBuffer(8 + STAT_SIZE + 8));
  new Uint8Array(v.buffer).fill(0xaa);
  writeStat(v, 8, s);
  const words = [s.dev, s.ino, s.nlink, -1, -1, s.rdev, s.size, s.blksize, s.blocks, s.atimeSec, s.atimeNsec];
  words.push(s.mtimeSec, s.mtimeNsec, s.ctimeSec, s.ctimeNsec, 0, 0, 0);
  for (const [i, word] of words.entries()) {
    if (i === 3 || i === 4) continue;
    assert.equal(v.getBigInt64(8 + 8 * i, true), BigInt(word), `at ${8 * i}`);
  }
  assert.deepEqual(
    [24, 28, 32, 36].map((at) => v.getUint32(8 + at, true)),
    [s.mode, s.uid, s.gid, 0],
  );
  assert.equal(v.getUint32(4, true), 0xaaaa_aaaa);
  assert.equal(v.getUint32(8 + STAT_SIZE, true), 0xaaaa_aaaa);
});
