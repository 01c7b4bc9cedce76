import assert from "node:assert/strict";
import { test } from "node:test";
import { EAGAIN, EINVAL, EISCONN } from "../../../abi/errno.ts";
import { MSG_PEEK, SHUT_WR } from "../../../abi/socket.ts";
import { EV_IN, EV_OUT, WaitQueue } from "../../../base/waiter.ts";
import { IoSequence } from "../../usermem/io.ts";
import { FileDescription } from "../../vfs/file.ts";
import { UnixAddress, UnixNames } from "./address.ts";
import { OuterSocket } from "./outer-socket.ts";
import type { OuterStream } from "./outer-socket.ts";
import { ReceiveInfo, SendInfo } from "./messages.ts";
import { UnixSocket } from "./socket.ts";

/** A far end in memory. */
class FakeStream extends FileDescription implements OuterStream {
  input = "";
  output = "";
  shut = -1;
  isReleased = false;
  readonly queue: WaitQueue = new WaitQueue();
  override read(seq: IoSequence): number {
    const n = this.peek(seq);
    if (n > 0) this.input = this.input.slice(n);
    return n;
  }
  peek(seq: IoSequence): number {
    if (this.input === "") return -EAGAIN;
    return seq.write(Buffer.from(this.input, "latin1"), 0, Math.min(seq.remaining, this.input.length));
  }
  override write(seq: IoSequence): number {
    const data = new Uint8Array(seq.remaining);
    const n = seq.read(data, 0, data.length);
    this.output += Buffer.from(data).toString("latin1");
    return n;
  }
  override readiness(): number {
    return EV_OUT | (this.input === "" ? 0 : EV_IN);
  }
  override waitQueue(): WaitQueue {
    return this.queue;
  }
  override bytesReadable(): number {
    return this.input.length;
  }
  shutdown(how: number): number {
    this.shut = how;
    return 0;
  }
  protected override release(): void {
    this.isReleased = true;
  }
}

function sequence(bytes: Uint8Array): IoSequence {
  const seq = new IoSequence();
  seq.push(bytes, 0, bytes.length);
  return seq;
}

test("a standard stream that is a socket outside is a connected, unnamed socket inside", () => {
  const stream = new FakeStream();
  const names = new UnixNames(
    () => 5e9,
    (cred) => cred.set(1, 0, 0),
    (collect) => collect(),
  );
  const socket = new OuterSocket(names, stream);
  assert.equal(socket.address, null);
  assert.notEqual(socket.peer, null, "getpeername finds somebody");
  const listener = new UnixSocket(socket.type, names);
  listener.binding.toName(new UnixAddress(true, "listener"));
  assert.equal(listener.listen(1), 0);
  assert.equal(socket.connect(listener), -EISCONN);
  assert.equal(socket.write(sequence(Buffer.from("out"))), 3);
  assert.equal(socket.send(sequence(Buffer.from("put")), new SendInfo()), 3);
  assert.equal(stream.output, "output");

  const buf = Buffer.alloc(8);
  const info = new ReceiveInfo();
  assert.equal(socket.read(sequence(buf)), -EAGAIN);
  assert.equal(socket.readiness(), EV_OUT);
  assert.equal(socket.waitQueue(), stream.queue);
  stream.input = "hello";
  assert.equal(socket.bytesReadable(), 5);
  assert.equal(socket.receive(sequence(buf), MSG_PEEK, info), 5);
  assert.equal(socket.receive(sequence(buf), 0, info), 5);
  assert.equal(buf.toString("latin1", 0, 5), "hello");

  assert.equal(socket.shutdown(SHUT_WR), 0);
  assert.equal(stream.shut, SHUT_WR);
  assert.equal(socket.shutdown(7), -EINVAL);
  socket.decRef();
  assert.ok(stream.isReleased);
});

test("no descriptors go outside", () => {
  const stream = new FakeStream();
  const socket = new OuterSocket(
    new UnixNames(
      () => 5e9,
      (cred) => cred.set(1, 0, 0),
      (collect) => collect(),
    ),
    stream,
  );
  const info = new SendInfo();
  info.rights = [new FakeStream()];
  assert.equal(socket.send(sequence(Buffer.from("x")), info), -EINVAL);
  assert.equal(stream.output, "");
  socket.decRef();
});
