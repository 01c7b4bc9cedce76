import assert from "node:assert/strict";
import { test } from "node:test";
import { EAGAIN, EOPNOTSUPP, EPERM } from "../../../abi/errno.ts";
import { O_RDWR } from "../../../abi/fcntl.ts";
import { S_IFIFO, S_IFREG } from "../../../abi/stat.ts";
import { EV_IN, EV_OUT, EV_RDNORM, WaitEntry } from "../../../base/waiter.ts";
import { HSTAT_INO, HSTAT_MODE } from "../../../host/host.ts";
import type { Host, IoVec } from "../../../host/host.ts";
import { ManualClock } from "../../time/clock.ts";
import { IoSequence } from "../../usermem/io.ts";
import { VirtualFileSystem } from "../../vfs/vfs.ts";
import { importHostFd } from "./host-file.ts";
import type { HostInode, HostReadyListener, HostWatcher } from "./host-file.ts";

/** A host with one fd: a queue of bytes to read and a bounded place to write. */
class FakeHost {
  mode: number;
  input = "";
  output = "";
  room = 100;
  noWait = true;
  closed = 0;
  calls: string[] = [];
  constructor(mode: number) {
    this.mode = mode;
  }
  fstatat(_fd: number, _p: string, _f: number, out: Float64Array): number {
    out.fill(0);
    out[HSTAT_MODE] = this.mode;
    out[HSTAT_INO] = 77;
    return 0;
  }
  fcntlGetfl(): number {
    return O_RDWR;
  }
  close(): number {
    this.closed++;
    return 0;
  }
  poll(set: Int32Array): number {
    let ev = 0;
    if (this.input !== "") ev |= EV_IN;
    if (this.room > 0) ev |= EV_OUT;
    set[2] = ev & set[1]!;
    return set[2] === 0 ? 0 : 1;
  }
  readv(_fd: number, io: IoVec, pos: number, flags: number): number {
    this.calls.push(`readv ${pos} ${flags}`);
    if (flags !== 0 && !this.noWait) return -EOPNOTSUPP;
    if (this.input === "") {
      assert.ok(flags !== 0, "would block");
      return -EAGAIN;
    }
    const n = Math.min(io.lens[0]!, this.input.length);
    for (let i = 0; i < n; i++) io.bufs[0]![io.offs[0]! + i] = this.input.charCodeAt(i);
    this.input = this.input.slice(n);
    return n;
  }
  writev(_fd: number, io: IoVec, _pos: number, flags: number): number {
    if (flags !== 0 && !this.noWait) return -EOPNOTSUPP;
    let s = "";
    for (let k = 0; k < io.count; k++)
      s += String.fromCharCode(...io.bufs[k]!.subarray(io.offs[k]!, io.offs[k]! + io.lens[k]!));
    const n = Math.min(s.length, this.room);
    if (n === 0) return -EAGAIN;
    this.output += s.slice(0, n);
    this.room -= n;
    return n;
  }
  write(_fd: number, b: Uint8Array, off: number, len: number): number {
    assert.ok(len <= 4096, "more than a pipe surely takes");
    assert.ok(this.room > 0, "would block");
    this.output += String.fromCharCode(...b.subarray(off, off + len));
    this.room -= len;
    return len;
  }
}

class FakeWatch implements HostWatcher {
  listener: HostReadyListener | undefined;
  events = 0;
  get isOn(): boolean {
    return this.listener !== undefined;
  }
  watch(_fd: number, events: number, listener: HostReadyListener): number {
    this.events = events;
    this.listener = listener;
    return 0;
  }
  unwatch(): void {
    this.listener = undefined;
  }
}

function setup(mode: number): { host: FakeHost; watch: FakeWatch; file: ReturnType<typeof importHostFd> } {
  const host = new FakeHost(mode);
  const watch = new FakeWatch();
  const vfs = new VirtualFileSystem(new ManualClock());
  return { host, watch, file: importHostFd(vfs, host as unknown as Host, watch, 5) };
}

function seqOf(...parts: string[]): IoSequence {
  const s = new IoSequence();
  for (const p of parts) {
    const b = Buffer.from(p, "latin1");
    s.push(new Uint8Array(b), 0, b.length);
  }
  return s;
}

test("a donated pipe never blocks and is watched only while somebody waits", () => {
  const { host, watch, file } = setup(S_IFIFO | 0o600);
  const buf = new Uint8Array(10);
  const read = (): number => {
    const s = new IoSequence();
    s.push(buf, 0, 10);
    return file.read(s);
  };
  assert.equal(read(), -EAGAIN);
  assert.equal(watch.isOn, false);
  let got = 0;
  const e = new WaitEntry({ onEvent: (ev) => void (got = ev) });
  file.waitQueue()!.add(e, EV_IN);
  assert.ok(watch.isOn && (watch.events & EV_IN) !== 0);
  host.input = "hello";
  watch.listener?.onHostReady(EV_IN);
  assert.equal(got, EV_IN | EV_RDNORM);
  assert.equal(watch.isOn, false, "no more reports until somebody looks");
  assert.equal(read(), 5);
  assert.ok(watch.isOn, "watched again after the read");
  file.waitQueue()!.remove(e);
  assert.equal(watch.isOn, false);
  file.decRef();
  assert.equal(host.closed, 1);
});

test("hosts without RWF_NOWAIT: poll first, pieces of PIPE_BUF", () => {
  const { host, file } = setup(S_IFIFO | 0o600);
  host.noWait = false;
  const s = new IoSequence();
  s.push(new Uint8Array(10), 0, 10);
  assert.equal(file.read(s), -EAGAIN);
  host.room = 8192;
  const big = seqOf("x".repeat(10000), "tail");
  assert.equal(file.write(big), 8192);
  assert.equal(big.remaining, 10004 - 8192);
  host.room = 100000;
  assert.equal(file.write(seqOf("ab", "cd", "ef")), 6);
  assert.ok(host.output.endsWith("abcdef"));
  file.decRef();
});

test("a donated regular file uses the host's position", () => {
  const { host, file } = setup(S_IFREG | 0o644);
  host.input = "data";
  const s = new IoSequence();
  s.push(new Uint8Array(10), 0, 10);
  assert.equal(file.read(s), 4);
  assert.deepEqual(host.calls, ["readv -1 0"]);
  assert.equal(file.waitQueue(), null);
  assert.equal(file.inode!.setAttr({ mask: 1 } as never), -EPERM);
  file.decRef();
});

test("a mapped file stays open until its last page is given back, in whatever pieces", () => {
  const { host, file } = setup(S_IFREG | 0o644);
  const mapped = file.mappable() as HostInode;
  mapped.incRef(0, 4 * 4096);
  file.decRef();
  assert.equal(host.closed, 0);
  mapped.decRef(0, 4096);
  mapped.decRef(4096, 2 * 4096);
  assert.equal(host.closed, 0, "one page is still mapped");
  mapped.decRef(3 * 4096, 4096);
  assert.equal(host.closed, 1);
});
