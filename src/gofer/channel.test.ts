/** Requests through shared memory: a real gofer process, and what it does when its memory is written to by others. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ECONNRESET, EIO } from "../abi/errno.ts";
import { O_RDWR } from "../abi/fcntl.ts";
import { Stat } from "../abi/stat.ts";
import { CHANNEL_CONNECTION, CHANNEL_HEADER } from "../host/host.ts";
import type { Host } from "../host/host.ts";
import { linuxHost } from "../host/linux.unsafe.ts";
import { P9Client } from "../p9/client/client.ts";
import { NOUID } from "../p9/wire/constants.ts";
import { startGofer } from "./process.testing.ts";
import type { GoferProcess } from "./process.testing.ts";

const real = linuxHost();
/** Messages sent on sockets, requests through the channel, and its memory. */
const seen: { sent: number; channel: number; memory: Uint8Array | null } = { sent: 0, channel: 0, memory: null };
const host: Host = {
  ...real,
  sendmsg(...args) {
    seen.sent++;
    return real.sendmsg(...args);
  },
  channelRequest(memory, ...rest) {
    seen.memory = memory;
    const n = real.channelRequest(memory, ...rest);
    if (n >= 0) seen.channel++;
    return n;
  },
};

function withGofer(run: (gofer: GoferProcess, client: P9Client, root: number, dir: string) => void): void {
  const dir = mkdtempSync(join(tmpdir(), "tsvisor-channel-"));
  const gofer = startGofer(host, dir);
  const client = new P9Client(gofer.transport);
  try {
    assert.equal(client.negotiate(true), 0);
    client.openChannel();
    const root = client.attach("", "root", NOUID);
    assert.ok(root >= 0);
    seen.sent = 0;
    seen.channel = 0;
    run(gofer, client, root, dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Asks until one goes through the channel alone: a gofer waits there for a moment, which may be over before the next is sent. */
function throughChannel(ask: (i: number) => void): void {
  for (let i = 0; i < 100; i++) {
    const { sent, channel } = seen;
    ask(i);
    assert.equal(seen.sent + seen.channel, sent + channel + 1, "each goes one way");
    if (seen.channel > channel) return;
  }
  assert.fail("none goes through the channel");
}

test("requests go through shared memory, descriptors by the socket; after a pause everything by the socket", () => {
  withGofer((gofer, client, root, dir) => {
    const stat = new Stat();
    throughChannel(() => assert.equal(client.getattr(root, stat), 0));
    throughChannel((i) => {
      const fd = client.createFd(root, `made${i}`, O_RDWR, 0o600, NOUID, NOUID, false, stat);
      assert.ok(fd >= 0);
      assert.equal(host.pwrite(fd, Buffer.from("contents"), 0, 8, 0), 8);
      host.close(fd);
      assert.equal(readFileSync(join(dir, `made${i}`), "latin1"), "contents");
    });
    const { sent } = seen;
    for (let i = 0; i < 100 && seen.sent === sent; i++) {
      sleep(200);
      assert.equal(client.getattr(root, stat), 0);
    }
    assert.equal(seen.sent, sent + 1, "nobody waits at the channel for long");
    throughChannel(() => assert.equal(client.getattr(root, stat), 0));
    assert.equal(client.unlink(root, "made0", 0), 0);
    assert.equal(gofer.stop(), 0);
  });
});

test("nobody waits at the channel while a connection has only its socket", () => {
  const dir = mkdtempSync(join(tmpdir(), "tsvisor-channel-"));
  const gofer = startGofer(host, dir, { hasSecond: true });
  try {
    const stat = new Stat();
    const clients = [gofer.transport, gofer.second!].map((transport) => new P9Client(transport));
    for (const client of clients) assert.equal(client.negotiate(true), 0);
    const roots = clients.map((client) => client.attach("", "root", NOUID));
    clients[0]!.openChannel();
    seen.channel = 0;
    for (let i = 0; i < 3; i++) assert.equal(clients[0]!.getattr(roots[0]!, stat), 0);
    assert.equal(seen.channel, 0, "the second one would have to wait for the end of a pause");
    clients[1]!.openChannel();
    seen.sent = 0;
    for (const [k, client] of clients.entries()) throughChannel(() => client.getattr(roots[k]!, stat));
    assert.equal(gofer.stop(), 0);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("a gofer that dies while it is asked is noticed", () => {
  withGofer((gofer, client, root) => {
    const stat = new Stat();
    assert.equal(client.getattr(root, stat), 0);
    gofer.kill();
    const request = new Uint8Array(64);
    assert.equal(gofer.transport.request(request, 64), -ECONNRESET);
    assert.equal(client.getattr(root, stat), -EIO);
    gofer.transport.close();
  });
});

test("lengths and connections that cannot be end the gofer, not more", () => {
  for (const word of [CHANNEL_CONNECTION, CHANNEL_CONNECTION + 2]) {
    withGofer((gofer, client, root) => {
      const stat = new Stat();
      let state = 0;
      for (let i = 0; i < 100 && state === 0; i++) {
        throughChannel(() => assert.equal(client.getattr(root, stat), 0));
        const memory = seen.memory!;
        const words = new Int32Array(memory.buffer, 0, CHANNEL_HEADER / 4);
        // As channelRequest does it, but for the wake-up: the gofer looks after its pause.
        words[CHANNEL_CONNECTION] = 0;
        words[CHANNEL_CONNECTION + 2] = 11;
        words[word] = 0x7fffffff;
        state = Atomics.compareExchange(words, 0, 1, 2);
      }
      assert.equal(state, 1, "it waits");
      assert.equal(gofer.stop(), 0);
    });
  }
});
