import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ECONNRESET } from "../abi/errno.ts";
import { O_RDONLY, O_RDWR } from "../abi/fcntl.ts";
import { S_IFDIR, Stat } from "../abi/stat.ts";
import { linuxHost } from "../host/linux.unsafe.ts";
import { P9Client } from "../p9/client/client.ts";
import { NOUID } from "../p9/wire/constants.ts";
import { SOCK_SEQPACKET, SOCK_STREAM, startGofer } from "./process.testing.ts";

const host = linuxHost();

for (const [name, socketType] of [
  ["SOCK_SEQPACKET", SOCK_SEQPACKET],
  ["SOCK_STREAM", SOCK_STREAM],
] as const) {
  test(`a gofer process serves files and descriptors on ${name}, under its system call filter`, () => {
    const path = fs.mkdtempSync(join(tmpdir(), "tsvisor-gofer-"));
    const gofer = startGofer(host, path, { socketType });
    try {
      const client = new P9Client(gofer.transport);
      const stat = new Stat();
      assert.equal(client.negotiate(true), 0);
      assert.equal(client.isExtended, true);
      const root = client.attach("", "root", NOUID);
      assert.ok(root >= 0);
      const fd = client.createFd(root, "file", O_RDWR, 0o666, NOUID, NOUID, stat);
      assert.ok(fd >= 0);
      assert.equal(stat.mode & 0o777, 0o666, "no umask of its own");
      assert.equal(host.pwrite(fd, new Uint8Array([104, 105]), 0, 2, 0), 2);
      host.close(fd);
      assert.equal(fs.readFileSync(join(path, "file"), "latin1"), "hi");
      for (let i = 0; i < 300; i++) {
        assert.equal(client.make(root, `dir${i}`, S_IFDIR | 0o755, NOUID, NOUID, 0, "", stat), 0);
        client.clunk(client.newFid);
        const again = client.openFd(root, "file", O_RDONLY, true, stat);
        assert.ok(again >= 0);
        host.close(again);
        client.clunk(client.newFid);
      }
      let count = 0;
      assert.equal(client.readdir(root, { entry: () => void count++ }), 0);
      assert.equal(count, 301);
    } finally {
      assert.equal(gofer.stop(), 0);
      fs.rmSync(path, { recursive: true });
    }
  });
}

test("a gofer ends when its connection is closed, and a client when its gofer is", () => {
  const gofer = startGofer(host, tmpdir());
  const client = new P9Client(gofer.transport);
  assert.equal(client.negotiate(true), 0);
  gofer.kill();
  assert.ok(client.attach("", "root", NOUID) < 0);
  assert.equal(client.isDead, true);
  gofer.transport.close();
});

test("a gofer gives up a client that does not speak the protocol", () => {
  const gofer = startGofer(host, tmpdir(), { socketType: SOCK_STREAM });
  const client = new P9Client(gofer.transport);
  assert.equal(client.negotiate(true), 0);
  const junk = new Uint8Array(16).fill(0xff);
  assert.equal(gofer.transport.request(junk, junk.length), -ECONNRESET);
  assert.equal(gofer.stop(), 0);
});
