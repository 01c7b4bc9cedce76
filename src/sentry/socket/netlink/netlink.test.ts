import assert from "node:assert/strict";
import { test } from "node:test";
import { EADDRINUSE, EAGAIN, ECONNREFUSED, EINVAL, ENODEV, EPERM } from "../../../abi/errno.ts";
import { NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, RTM_GETADDR, RTM_GETLINK } from "../../../abi/netlink.ts";
import { AF_NETLINK, MSG_PEEK, MSG_TRUNC, SOCK_RAW } from "../../../abi/socket.ts";
import { EV_IN } from "../../../base/waiter.ts";
import { IoSequence } from "../../usermem/io.ts";
import { UnixNames } from "../unix/address.ts";
import { ReceiveInfo, SendInfo } from "../unix/messages.ts";
import { NetlinkPorts, NetlinkSocket } from "./netlink.ts";

function message(type: number, flags: number, body: readonly number[]): Uint8Array {
  const b = new Uint8Array(16 + body.length);
  const v = new DataView(b.buffer);
  v.setUint32(0, b.length, true);
  v.setUint16(4, type, true);
  v.setUint16(6, flags, true);
  v.setUint32(8, 77, true);
  b.set(body, 16);
  return b;
}

function send(s: NetlinkSocket, data: Uint8Array): number {
  const q = new IoSequence();
  q.push(data, 0, data.length);
  const info = new SendInfo();
  info.cred.set(42, 0, 0);
  return s.send(q, info);
}

interface Answer {
  type: number;
  seq: number;
  body: DataView;
}

function answers(s: NetlinkSocket): Answer[] {
  const out: Answer[] = [];
  for (;;) {
    const b = new Uint8Array(8192);
    const q = new IoSequence();
    q.push(b, 0, b.length);
    const n = s.receive(q, 0, new ReceiveInfo());
    if (n === -EAGAIN) return out;
    const v = new DataView(b.buffer);
    for (let at = 0; at < n;) {
      const len = v.getUint32(at, true);
      assert.ok(len >= 16 && at + len <= n);
      out.push({
        type: v.getUint16(at + 4, true),
        seq: v.getUint32(at + 8, true),
        body: new DataView(b.buffer, at + 16),
      });
      at += (len + 3) & ~3;
    }
  }
}

const make = (ports: NetlinkPorts, admin = false): NetlinkSocket =>
  new NetlinkSocket(
    SOCK_RAW,
    new UnixNames(
      () => 5e9,
      (cred) => cred.set(1, 0, 0),
      (collect) => collect(),
    ),
    ports,
    admin,
  );

function sockaddr(pid: number): Uint8Array {
  const b = new Uint8Array(128);
  new DataView(b.buffer).setUint16(0, AF_NETLINK, true);
  new DataView(b.buffer).setUint32(4, pid, true);
  return b;
}

test("netlink: dumps of links and addresses, errors", () => {
  const s = make(new NetlinkPorts());
  assert.equal(send(s, message(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, [0])), 17);
  assert.ok((s.readiness() & EV_IN) !== 0);
  assert.deepEqual(
    answers(s).map((m) => [m.type, m.seq]),
    [
      [16, 77],
      [NLMSG_DONE, 77],
    ],
  );
  send(s, message(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, [0]));
  assert.deepEqual(
    answers(s).map((m) => m.type),
    [20, 20, NLMSG_DONE],
  );
  send(s, message(RTM_GETLINK, NLM_F_REQUEST, [0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
  const missing = answers(s);
  assert.equal(missing[0]!.type, NLMSG_ERROR);
  assert.equal(missing[0]!.body.getInt32(0, true), -ENODEV);
  send(s, message(20, NLM_F_REQUEST, [0]));
  assert.equal(answers(s)[0]!.body.getInt32(0, true), -EPERM);
});

test("netlink: malformed messages are dropped", () => {
  const s = make(new NetlinkPorts());
  const short = message(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, [0]);
  new DataView(short.buffer).setUint32(0, 4000, true);
  assert.equal(send(s, short), short.length);
  assert.equal(send(s, new Uint8Array(7)), 7);
  new DataView(short.buffer).setUint32(0, 3, true);
  send(s, short);
  assert.deepEqual(answers(s), []);
  send(s, message(RTM_GETLINK, NLM_F_REQUEST, [0]));
  assert.equal(answers(s)[0]!.body.getInt32(0, true), -EINVAL);
});

test("netlink: addresses", () => {
  const ports = new NetlinkPorts();
  const a = make(ports);
  const b = make(ports);
  assert.equal(a.bindTo(sockaddr(0), 12, 42), 0);
  assert.equal(b.bindTo(sockaddr(42), 12, 43), -EADDRINUSE);
  assert.equal(b.bindTo(sockaddr(0), 12, 42), 0);
  assert.equal(b.bindTo(sockaddr(0), 11, 42), -EINVAL);
  assert.equal(a.checkTarget(sockaddr(9), 12), -ECONNREFUSED);
  assert.equal(a.checkTarget(sockaddr(0), 12), 0);
  a.decRef();
  const c = make(ports);
  assert.equal(c.bindTo(sockaddr(42), 12, 1), 0);
});

test("netlink: peeking tells the true length", () => {
  const s = make(new NetlinkPorts());
  send(s, message(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, [0]));
  const q = new IoSequence();
  q.push(new Uint8Array(8), 0, 8);
  const info = new ReceiveInfo();
  assert.ok(s.receive(q, MSG_PEEK | MSG_TRUNC, info) > 300);
  assert.equal(info.flags & MSG_TRUNC, MSG_TRUNC);
  assert.equal(answers(s).length, 2);
});
