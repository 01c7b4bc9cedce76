import assert from "node:assert/strict";
import { test } from "node:test";
import {
  EAGAIN,
  ECONNREFUSED,
  ECONNRESET,
  EISCONN,
  EMSGSIZE,
  ENOTCONN,
  EPIPE,
  EPROTOTYPE,
} from "../../../abi/errno.ts";
import { MSG_PEEK, MSG_TRUNC, SHUT_RD, SHUT_WR, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM } from "../../../abi/socket.ts";
import { EV_HUP, EV_IN, EV_OUT, EV_RDHUP, WaitEntry } from "../../../base/waiter.ts";
import { IoSequence } from "../../usermem/io.ts";
import { FileDescription } from "../../vfs/file.ts";
import { parseUnixAddress, UnixAddress, UnixNames } from "./address.ts";
import { ReceiveInfo, SendInfo } from "./messages.ts";
import { messageMemory, pieceMemory } from "./send-memory.ts";
import { UnixSocket } from "./socket.ts";

class CountedFile extends FileDescription {
  released = 0;
  protected override release(): void {
    this.released++;
  }
}

function io(text: string): IoSequence {
  const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
  const seq = new IoSequence();
  seq.push(bytes, 0, bytes.length);
  return seq;
}

function receive(s: UnixSocket, size: number, flags = 0, info = new ReceiveInfo()): string | number {
  const buf = new Uint8Array(size);
  const seq = new IoSequence();
  seq.push(buf, 0, size);
  const n = s.receive(seq, flags, info);
  return n < 0 ? n : Buffer.from(buf.subarray(0, Math.min(n, size))).toString("latin1");
}

function pair(type: number): [UnixSocket, UnixSocket] {
  const names = new UnixNames(
    () => 5e9,
    (cred) => cred.set(1, 0, 0),
    (collect) => collect(),
  );
  const a = new UnixSocket(type, names);
  const b = new UnixSocket(type, names);
  UnixSocket.pair(a, b);
  return [a, b];
}

test("stream: bytes of several writes are read as one, the rest stays", () => {
  const [a, b] = pair(SOCK_STREAM);
  assert.equal(a.write(io("hello ")), 6);
  assert.equal(a.write(io("world")), 5);
  assert.equal(receive(b, 8, MSG_PEEK), "hello wo");
  assert.equal(receive(b, 8), "hello wo");
  assert.equal(receive(b, 8), "rld");
  assert.equal(receive(b, 8), -EAGAIN);
});

test("stream: a full buffer takes no more until it is read", () => {
  const [a, b] = pair(SOCK_STREAM);
  a.setSendBuffer(4608);
  // Small pieces take 768 bytes each.
  for (let i = 0; i < 6; i++) assert.equal(a.write(io("1234")), 4);
  assert.equal(a.memory.used, 4608);
  assert.equal(a.write(io("x")), -EAGAIN);
  let woken = 0;
  const entry = new WaitEntry({ onEvent: () => woken++ });
  a.waitQueue().add(entry, EV_OUT);
  assert.equal(receive(b, 2), "12");
  assert.equal(a.memory.used, 4608, "half a piece is a piece");
  assert.equal(receive(b, 14), "34123412341234");
  assert.equal(a.memory.used, 1536);
  assert.equal(woken, 0);
  assert.equal(a.readiness() & EV_OUT, 0, "poll waits until three quarters are free");
  assert.equal(receive(b, 4), "1234");
  assert.equal(woken, 1);
  assert.equal(a.readiness() & EV_OUT, EV_OUT);
  assert.equal(receive(b, 4), "1234");
  assert.equal(a.write(io("z".repeat(9000))), 4480, "two pieces of less than half the buffer");
});

test("what a message takes belongs to its sender until it is received, wherever it lies", () => {
  const [a, b] = pair(SOCK_DGRAM);
  a.write(io("one"));
  a.write(io("two"));
  a.disconnect();
  assert.equal(a.memory.used, 2 * 768);
  assert.equal(receive(b, 8), "one");
  assert.equal(a.memory.used, 768);
  b.decRef();
  assert.equal(a.memory.used, 0);
});

test("memory of messages and pieces, as Linux has it", () => {
  const messages = [
    0, 192, 193, 704, 705, 1728, 1729, 3776, 3777, 7872, 7873, 16064, 16065, 81600, 85696, 85697, 212960,
  ];
  assert.deepEqual(
    messages.map(messageMemory),
    [768, 768, 1280, 1280, 2304, 2304, 4352, 4352, 8448, 8448, 16640, 16640, 20736, 82176, 86272, 102656, 332032],
  );
  const pieces = [1, 3776, 3777, 4288, 4289, 5824, 5825, 7872, 7873, 36544];
  assert.deepEqual(pieces.map(pieceMemory), [768, 4352, 4864, 4864, 5376, 6400, 8448, 8448, 8960, 37120]);
});

test("a listener's or datagram socket's room is told to those who found none, not to its readers", () => {
  const [, b] = pair(SOCK_DGRAM);
  const names = b.names;
  b.disconnect();
  b.binding.toName(new UnixAddress(true, "busy"));
  const sender = new UnixSocket(SOCK_DGRAM, names);
  assert.equal(sender.connect(b), 0);
  for (let i = 0; i < 11; i++) assert.equal(sender.write(io("x")), 1);
  const woken: string[] = [];
  b.waitQueue().add(new WaitEntry({ onEvent: () => woken.push("reader") }), EV_OUT);
  sender.waitQueue().add(new WaitEntry({ onEvent: (events) => woken.push(`sender ${events & EV_OUT}`) }), EV_OUT);
  assert.equal(sender.write(io("x")), -EAGAIN);
  assert.equal(sender.readiness() & EV_OUT, 0);
  assert.equal(receive(b, 8), "x");
  assert.equal(sender.readiness() & EV_OUT, EV_OUT);
  assert.deepEqual(new Set(woken), new Set(["sender 4"]));
});

test("stream: closing gives end of file, and ECONNRESET when bytes were left unread", () => {
  const [a, b] = pair(SOCK_STREAM);
  a.write(io("bye"));
  a.decRef();
  assert.equal(b.readiness() & (EV_IN | EV_HUP | EV_RDHUP), EV_IN | EV_HUP | EV_RDHUP);
  assert.equal(receive(b, 8), "bye");
  assert.equal(receive(b, 8), "");
  assert.equal(b.write(io("x")), -EPIPE);
  const [c, d] = pair(SOCK_STREAM);
  c.write(io("unread"));
  d.decRef();
  assert.equal(receive(c, 8), -ECONNRESET);
  assert.equal(receive(c, 8), "");
});

test("seqpacket: one empty message is not left unread", () => {
  const [a, b] = pair(SOCK_SEQPACKET);
  assert.equal(a.send(io(""), new SendInfo()), 0);
  b.decRef();
  assert.equal(receive(a, 8), "");
  const [c, d] = pair(SOCK_SEQPACKET);
  c.send(io(""), new SendInfo());
  c.send(io("x"), new SendInfo());
  d.decRef();
  assert.equal(receive(c, 8), -ECONNRESET);
});

test("shutdown closes one direction", () => {
  const [a, b] = pair(SOCK_STREAM);
  assert.equal(a.shutdown(SHUT_WR), 0);
  assert.equal(a.write(io("x")), -EPIPE);
  assert.equal(receive(b, 4), "");
  assert.equal(b.write(io("still")), 5);
  assert.equal(receive(a, 8), "still");
  assert.equal(b.shutdown(SHUT_RD), 0);
});

test("datagrams and sequenced packets keep their boundaries", () => {
  for (const type of [SOCK_DGRAM, SOCK_SEQPACKET]) {
    const [a, b] = pair(type);
    a.write(io("one"));
    a.write(io("three"));
    const info = new ReceiveInfo();
    assert.equal(receive(b, 2, 0, info), "on");
    assert.equal(info.flags & MSG_TRUNC, MSG_TRUNC);
    assert.equal(receive(b, 16), "three");
    assert.equal(a.send(io("x".repeat(300000)), new SendInfo()), -EMSGSIZE);
  }
});

test("files travel with their bytes and are dropped when nobody takes them", () => {
  const [a, b] = pair(SOCK_STREAM);
  const kept = new CountedFile();
  const info = new SendInfo();
  info.rights = [kept];
  assert.equal(a.send(io("x"), info), 1);
  a.write(io("y"));
  const got = new ReceiveInfo();
  // Bytes behind the files' are not glued to them.
  assert.equal(receive(b, 8, 0, got), "x");
  assert.deepEqual(got.rights, [kept]);
  kept.decRef();
  assert.equal(kept.released, 1);
  const lost = new CountedFile();
  info.rights = [lost];
  a.send(io("z"), info);
  b.decRef();
  assert.equal(lost.released, 1);
});

test("connect, accept and the backlog", () => {
  const names = new UnixNames(
    () => 5e9,
    (cred) => cred.set(1, 0, 0),
    (collect) => collect(),
  );
  const listener = new UnixSocket(SOCK_STREAM, names);
  assert.equal(listener.binding.toName(new UnixAddress(true, "name")), 0);
  assert.equal(new UnixSocket(SOCK_STREAM, names).binding.toName(new UnixAddress(true, "name")), -98);
  const client = new UnixSocket(SOCK_STREAM, names);
  assert.equal(client.write(io("x")), -ENOTCONN);
  assert.equal(client.connect(listener), -ECONNREFUSED);
  assert.equal(listener.listen(0), 0);
  assert.equal(new UnixSocket(SOCK_DGRAM, names).connect(listener), -EPROTOTYPE);
  client.ownCred.set(7, 1000, 1000);
  assert.equal(client.connect(listener), 0);
  assert.equal(new UnixSocket(SOCK_STREAM, names).connect(listener), -EAGAIN);
  const server = listener.accept(true);
  assert.ok(server instanceof UnixSocket);
  // Linux looks at the listener first, and at the caller's own state only when there is room.
  assert.equal(client.connect(listener), -EISCONN);
  assert.equal(server.peerCred.pid, 7);
  assert.equal(listener.accept(true), -EAGAIN);
  client.write(io("ping"));
  assert.equal(receive(server, 8), "ping");
  listener.decRef();
  assert.equal(names.findAbstract(SOCK_STREAM, "name"), undefined);
});

test("a listener's end resets connections that nobody accepted", () => {
  const names = new UnixNames(
    () => 5e9,
    (cred) => cred.set(1, 0, 0),
    (collect) => collect(),
  );
  const listener = new UnixSocket(SOCK_STREAM, names);
  listener.binding.toName(new UnixAddress(true, "n"));
  listener.listen(5);
  const client = new UnixSocket(SOCK_STREAM, names);
  client.connect(listener);
  listener.decRef();
  assert.equal(receive(client, 4), -ECONNRESET);
});

test("parseUnixAddress() tells path, abstract and unnamed addresses apart", () => {
  const raw = (family: number, rest: string): Uint8Array =>
    Uint8Array.from([family, 0, ...Buffer.from(rest, "latin1")]);
  const path = parseUnixAddress(raw(1, "/tmp/x\0junk"), 13);
  assert.ok(path instanceof UnixAddress && !path.isAbstract && path.path === "/tmp/x");
  const abstract = parseUnixAddress(raw(1, "\0a\0b"), 6);
  assert.ok(abstract instanceof UnixAddress && abstract.isAbstract && abstract.path === "a\0b");
  assert.equal(parseUnixAddress(raw(1, ""), 2), null);
  assert.equal(parseUnixAddress(raw(2, "/x"), 4), -22);
  assert.equal(parseUnixAddress(raw(1, "/x"), 200), -22);
});
