import assert from "node:assert/strict";
import { test } from "node:test";
import { E2BIG, EACCES, EAGAIN, EEXIST, EIDRM, EINVAL, ENOENT, ENOMEM, ERANGE } from "../../abi/errno.ts";
import { IPC_CREAT, IPC_EXCL, IPC_NOWAIT, SEM_UNDO } from "../../abi/ipc.ts";
import { Credentials } from "../auth/credentials.ts";
import { IpcNamespace } from "./ipc.ts";
import { MsgReceiver, SEARCH_ANY, SEARCH_EQUAL, SEARCH_LESSEQUAL } from "./msg.ts";
import type { MsgQueue } from "./msg.ts";
import { MUST_WAIT, SemWaiter, UndoList } from "./sem.ts";
import type { SemOp, SemSet } from "./sem.ts";

const creds = new Credentials();
const namespace = (): IpcNamespace => new IpcNamespace({ seconds: () => 1000, callerPid: () => 42 });
const op = (num: number, n: number, flags = 0): SemOp => ({ num, op: n, flags });

class Sleeper {
  woken = 0;
  wake(): void {
    this.woken++;
  }
}

function newSet(ns: IpcNamespace, n: number): SemSet {
  const s = ns.sem.ids.find(ns.sem.get(0, n, 0o600, creds));
  assert.ok(typeof s !== "number");
  return s;
}

function wait(s: SemSet, ops: SemOp[], undo: UndoList | null = null): { w: SemWaiter; sleeper: Sleeper } {
  assert.equal(s.perform(ops, undo, 1), MUST_WAIT);
  const sleeper = new Sleeper();
  const w = new SemWaiter(sleeper, ops, undo, 1, s.blocking!);
  s.queue(w);
  return { w, sleeper };
}

test("registry: keys, flags, permissions, identifiers", () => {
  const ns = namespace();
  assert.equal(ns.msg.get(7, 0, creds), -ENOENT);
  const id = ns.msg.get(7, IPC_CREAT | 0o600, creds);
  assert.equal(ns.msg.get(7, 0, creds), id);
  assert.equal(ns.msg.get(7, IPC_CREAT | IPC_EXCL, creds), -EEXIST);
  const stranger = new Credentials();
  stranger.euid = 5;
  stranger.egid = 5;
  assert.equal(ns.msg.get(7, 0o400, stranger), -EACCES);
  assert.equal(ns.msg.get(7, 0, stranger), id);
  const q = ns.msg.ids.find(id) as MsgQueue;
  ns.msg.remove(q);
  assert.equal(ns.msg.ids.find(id), -EINVAL);
  assert.notEqual(ns.msg.get(7, IPC_CREAT, creds), id);
});

test("semaphores: all or nothing, and in order", () => {
  const s = newSet(namespace(), 2);
  assert.equal(s.perform([op(0, 3), op(1, -1, IPC_NOWAIT)], null, 1), -EAGAIN);
  assert.deepEqual([...s.values], [0, 0]);
  assert.equal(s.perform([op(0, 32767), op(0, 1)], null, 1), -ERANGE);
  const first = wait(s, [op(0, -2)]);
  const second = wait(s, [op(0, -1)]);
  assert.equal(s.countWaiters(0, false), 2);
  s.perform([op(0, 1)], null, 1);
  s.update();
  assert.equal(first.w.result, null);
  assert.equal(second.w.result, 0);
  assert.equal(second.sleeper.woken, 1);
  s.perform([op(0, 2)], null, 1);
  s.update();
  assert.equal(first.w.result, 0);
  assert.equal(s.values[0], 0);
});

test("semaphores: undo, removal", () => {
  const ns = namespace();
  const s = newSet(ns, 2);
  s.set(0, 5, 1);
  const undo = new UndoList();
  assert.equal(s.perform([op(0, -2, SEM_UNDO), op(1, 4, SEM_UNDO)], undo, 9), 0);
  s.set(1, 1, 1);
  ns.sem.exit(undo, 9);
  assert.deepEqual([...s.values], [5, 1]);
  const waiting = wait(s, [op(1, -9, SEM_UNDO)], undo);
  ns.sem.remove(s);
  assert.equal(waiting.w.result, -EIDRM);
  assert.equal(ns.sem.total, 0);
  ns.sem.exit(undo, 9);
});

test("messages: search, handing over, sizes", () => {
  const ns = namespace();
  const q = ns.msg.ids.find(ns.msg.get(0, 0o600, creds)) as MsgQueue;
  const text = (n: number): Uint8Array => new Uint8Array(n);
  q.send({ type: 3, text: text(10) }, 1);
  q.send({ type: 1, text: text(20) }, 1);
  assert.equal(q.find(SEARCH_LESSEQUAL, 5)!.type, 1);
  assert.equal(q.find(SEARCH_EQUAL, 2), null);
  q.take(q.find(SEARCH_ANY, 0)!, 2);
  assert.equal(q.bytes, 20);
  q.take(q.find(SEARCH_ANY, 0)!, 2);
  const small = new MsgReceiver(new Sleeper(), SEARCH_ANY, 0, 5, false, 3);
  const large = new MsgReceiver(new Sleeper(), SEARCH_ANY, 0, 50, false, 4);
  q.waitToReceive(small);
  q.waitToReceive(large);
  const m = { type: 2, text: text(8) };
  q.send(m, 1);
  assert.equal(small.result, -E2BIG);
  assert.equal(large.result, m);
  assert.equal(q.count, 0);
  assert.equal(q.lrpid, 4);
  q.send({ type: 2, text: text(16384) }, 1);
  assert.equal(q.fits(1), false);
  assert.equal(q.fits(0), true);
  const sender = new Sleeper();
  q.waitToSend(sender);
  ns.msg.remove(q);
  assert.equal(sender.woken, 1);
});

test("what a sandbox can make the Sentry keep is bounded", () => {
  const ns = namespace();
  let sets = 0;
  while (ns.sem.get(0, 32000, 0o600, creds) >= 0) sets++;
  assert.ok(sets > 100 && sets < 1000);
  assert.equal(ns.sem.get(0, 32000, 0o600, creds), -ENOMEM);
  for (const s of ns.sem.ids.list()) ns.sem.remove(s);
  const s = newSet(ns, 32000);
  let undos = 0;
  const lists: UndoList[] = [];
  for (;;) {
    const undo = new UndoList();
    if (s.perform([op(0, 1, SEM_UNDO), op(0, -1, SEM_UNDO)], undo, 1) < 0) break;
    lists.push(undo);
    undos++;
  }
  assert.ok(undos > 100 && undos < 1000);
  for (const u of lists) ns.sem.exit(u, 1);
  assert.equal(s.perform([op(0, 1, SEM_UNDO)], new UndoList(), 1), 0);

  const q = ns.msg.ids.find(ns.msg.get(0, 0o600, creds)) as MsgQueue;
  q.maxBytes = 2 ** 40;
  const text = new Uint8Array(8192);
  let n = 0;
  for (; q.hasRoom(text.length); n++) q.send({ type: 1, text }, 1);
  assert.ok(n > 1000 && n < 20000);
  ns.msg.remove(q);
  assert.equal(ns.msg.held, 0);
});
