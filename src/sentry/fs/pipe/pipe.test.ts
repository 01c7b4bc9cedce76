import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EAGAIN, EBUSY, EINVAL, ENXIO, EPERM, EPIPE } from "../../../abi/errno.ts";
import { O_DIRECT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from "../../../abi/fcntl.ts";
import { S_IFIFO, Stat } from "../../../abi/stat.ts";
import { EV_ERR, EV_HUP, EV_IN, EV_OUT, EV_RDNORM, EV_WRNORM, WaitEntry } from "../../../base/waiter.ts";
import { rootCredentials, userCredentials } from "../../auth/credentials.ts";
import { ManualClock } from "../../time/clock.ts";
import { IoSequence } from "../../usermem/io.ts";
import { AnonInode } from "../../vfs/anon.ts";
import type { FileDescription } from "../../vfs/file.ts";
import { pathString } from "../../vfs/mounting.ts";
import { VirtualFileSystem } from "../../vfs/vfs.ts";
import { FifoOpener, createPipe, pipeOf } from "./pipe-file.ts";
import type { PipeFile } from "./pipe-file.ts";

const R = EV_IN | EV_RDNORM;
const W = EV_OUT | EV_WRNORM;

function newVfs(): VirtualFileSystem {
  return new VirtualFileSystem(new ManualClock());
}

function seqOf(...parts: Uint8Array[]): IoSequence {
  const s = new IoSequence();
  for (const p of parts) s.push(p, 0, p.length);
  return s;
}

function write(f: FileDescription, text: string): number {
  return f.write(seqOf(Buffer.from(text, "latin1")));
}

function read(f: FileDescription, max: number): string | number {
  const b = new Uint8Array(max);
  const n = f.read(seqOf(b));
  return n < 0 ? n : Buffer.from(b.subarray(0, n)).toString("latin1");
}

test("pipe: data, end of file, broken pipe, readiness", () => {
  const vfs = newVfs();
  const p = createPipe(vfs, 0, rootCredentials());
  assert.equal(read(p.read, 5), -EAGAIN);
  assert.equal(p.read.readiness(), 0);
  assert.equal(p.write.readiness(), W);
  assert.equal(write(p.write, "hello"), 5);
  assert.equal(p.read.readiness(), R);
  assert.equal(p.read.bytesReadable(), 5);
  assert.equal(read(p.read, 2), "he");
  assert.equal(read(p.read, 9), "llo");
  const st = new Stat();
  p.read.stat(st);
  assert.equal(st.mode, S_IFIFO | 0o600);
  assert.equal(pathString(p.read.path!, vfs.anon.mount.rootPath, ""), `pipe:[${st.ino}]`);
  write(p.write, "x");
  p.write.decRef();
  assert.equal(p.read.readiness(), R | EV_HUP);
  assert.equal(read(p.read, 9), "x");
  assert.equal(read(p.read, 9), "");
  p.read.decRef();
  const q = createPipe(vfs, 0, rootCredentials());
  q.read.decRef();
  assert.equal(write(q.write, "x"), -EPIPE);
  assert.equal(q.write.readiness(), W | EV_ERR);
  q.write.decRef();
});

test("pipe: writes up to PIPE_BUF are all or nothing, longer ones fill it", () => {
  const p = createPipe(newVfs(), 0, rootCredentials());
  assert.equal(write(p.write, "a".repeat(65536 - 100)), 65436);
  assert.equal(p.write.readiness(), 0);
  assert.equal(write(p.write, "b".repeat(101)), -EAGAIN);
  assert.equal(write(p.write, "b".repeat(5000)), 100);
  assert.equal(write(p.write, "b"), -EAGAIN);
  let woken = 0;
  const e = new WaitEntry({ onEvent: () => void woken++ });
  p.write.waitQueue()!.add(e, EV_OUT);
  assert.equal((read(p.read, 4096) as string).length, 4096);
  assert.equal(woken, 1);
  assert.equal(p.write.readiness(), W);
  p.write.waitQueue()!.remove(e);
});

test("pipe: size can be changed within limits", () => {
  const p = createPipe(newVfs(), 0, rootCredentials());
  const pipe = pipeOf(p.read)!;
  const user = userCredentials(1000, 1000, []);
  assert.equal(pipe.capacity, 65536);
  assert.equal(pipe.resize(5000, user), 8192);
  write(p.write, "x".repeat(6000));
  assert.equal(pipe.resize(100, user), -EBUSY);
  assert.equal(pipe.resize(-1, user), -EINVAL);
  assert.equal(pipe.resize(2 << 20, user), -EPERM);
  assert.equal(pipe.resize(2 << 20, rootCredentials()), 2 << 20);
  assert.equal((read(p.read, 10000) as string).length, 6000);
  assert.equal(pipe.resize(0, user), 4096);
});

test("pipe: packets keep their boundaries", () => {
  const p = createPipe(newVfs(), O_DIRECT, rootCredentials());
  write(p.write, "first");
  write(p.write, "second");
  p.write.setStatusFlags(0);
  write(p.write, "plain");
  write(p.write, "plain2");
  assert.equal(read(p.read, 3), "fir");
  assert.equal(read(p.read, 100), "second");
  assert.equal(read(p.read, 7), "plainpl");
  assert.equal(read(p.read, 100), "ain2");
  assert.equal(read(p.read, 100), -EAGAIN);
});

test("FIFO: opens wait for the other end", () => {
  const vfs = newVfs();
  const node = new AnonInode(vfs.anon, 9, S_IFIFO | 0o644, 0, 0);
  const opener = new FifoOpener();
  const open = (flags: number): PipeFile => {
    const f = opener.open(node, flags);
    assert.ok(typeof f !== "number");
    return f as PipeFile;
  };
  assert.equal(opener.open(node, O_WRONLY | O_NONBLOCK), -ENXIO);
  const r = open(O_RDONLY);
  assert.notEqual(r.openWait(), null);
  const w = open(O_WRONLY);
  assert.equal(w.openWait(), null);
  assert.equal(r.openWait(), null);
  write(w, "x");
  w.decRef();
  assert.equal(r.readiness(), R | EV_HUP);
  assert.equal(read(r, 5), "x");
  assert.equal(read(r, 5), "");
  // A writer that came and went while the reader waited completes the reader's open.
  r.decRef();
  const r2 = open(O_RDONLY);
  const w2 = open(O_WRONLY | O_NONBLOCK);
  w2.decRef();
  assert.equal(r2.openWait(), null);
  r2.decRef();
  const r3 = open(O_RDONLY | O_NONBLOCK);
  assert.equal(r3.openWait(), null);
  assert.equal(r3.readiness(), 0, "no hang-up before the first writer");
  assert.equal(read(r3, 5), "");
  r3.decRef();
  const both = open(O_RDWR);
  assert.equal(both.openWait(), null);
  write(both, "self");
  assert.equal(read(both, 9), "self");
  both.decRef();
});

test("property: a pipe gives what was written, in order", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          isWrite: fc.boolean(),
          n: fc.integer({ min: 1, max: 9000 }),
          cut: fc.integer({ min: 1, max: 64 }),
        }),
        {
          maxLength: 60,
        },
      ),
      (ops) => {
        const p = createPipe(newVfs(), 0, rootCredentials());
        let next = 0;
        let expected = 0;
        let held = 0;
        for (const o of ops) {
          const b = new Uint8Array(o.n);
          const k = Math.min(o.cut, o.n);
          const s = seqOf(b.subarray(0, k), b.subarray(k));
          if (o.isWrite) {
            for (let i = 0; i < o.n; i++) b[i] = (next + i) & 0xff;
            const n = p.write.write(s);
            const room = 65536 - held;
            if (room === 0 || (o.n <= 4096 && room < o.n)) assert.equal(n, -EAGAIN);
            else {
              assert.equal(n, Math.min(room, o.n));
              next += n;
              held += n;
            }
          } else {
            const n = p.read.read(s);
            assert.equal(n, held === 0 ? -EAGAIN : Math.min(held, o.n));
            for (let i = 0; i < n; i++) assert.equal(b[i], (expected + i) & 0xff);
            if (n > 0) {
              expected += n;
              held -= n;
            }
          }
        }
      },
    ),
    { numRuns: 100 },
  );
});
