import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ECONNRESET, EOPNOTSUPP } from "../abi/errno.ts";
import { AT_REMOVEDIR, O_RDONLY, O_RDWR, RENAME_NOREPLACE } from "../abi/fcntl.ts";
import { S_IFDIR, S_IFIFO, S_IFLNK, Stat } from "../abi/stat.ts";
import { StatFs } from "../abi/statfs.ts";
import { linuxHost } from "../host/linux.unsafe.ts";
import { P9Client } from "../p9/client/client.ts";
import {
  NOUID,
  SETATTR_ATIME,
  SETATTR_MODE,
  SETATTR_MTIME,
  SETATTR_MTIME_SET,
  SETATTR_SIZE,
  SETATTR_UID,
} from "../p9/wire/constants.ts";
import { SetAttr } from "../p9/wire/records.ts";
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
      const fd = client.createFd(root, "file", O_RDWR, 0o666, NOUID, NOUID, true, stat);
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

test("the system call filter lets through all that the server does", () => {
  const path = fs.mkdtempSync(join(tmpdir(), "tsvisor-gofer-"));
  const gofer = startGofer(host, path);
  try {
    const client = new P9Client(gofer.transport);
    assert.equal(client.negotiate(true), 0);
    const root = client.attach("", "root", NOUID);
    const stat = new Stat();
    const ok = (result: number | Uint8Array | string): void => {
      if (typeof result === "number") assert.ok(result >= 0, `errno ${-result}`);
    };
    ok(client.make(root, "dir", S_IFDIR | 0o1755, NOUID, NOUID, 0, "", stat));
    const dir = client.newFid;
    ok(client.make(dir, "link", S_IFLNK | 0o777, NOUID, NOUID, 0, "target", stat));
    ok(client.readlink(client.newFid));
    ok(client.make(dir, "fifo", S_IFIFO | 0o644, NOUID, NOUID, 0, "", stat));
    const uid = process.getuid!() === 0 ? 5 : NOUID;
    const fd = client.createFd(dir, "file", O_RDWR, 0o4755, uid, uid, true, stat);
    ok(fd);
    host.close(fd);
    const file = client.newFid;
    const set = new SetAttr();
    set.valid = SETATTR_MODE | SETATTR_UID | SETATTR_SIZE | SETATTR_ATIME | SETATTR_MTIME | SETATTR_MTIME_SET;
    set.mode = 0o600;
    set.uid = stat.uid;
    set.size = 10;
    ok(client.setattr(file, set, stat));
    ok(client.allocate(file, 0, 0, 4096, stat));
    ok(client.fsync(file, true));
    ok(client.fsync(file, false));
    ok(client.fsync(dir, false));
    ok(client.link(root, file, "twin", stat));
    ok(client.rename(root, "twin", dir, "moved", 0, stat));
    ok(client.rename(dir, "moved", dir, "again", RENAME_NOREPLACE, stat));
    ok(client.unlink(dir, "again", 0));
    ok(client.statfs(root, new StatFs()));
    const err = client.setxattr(file, "user.x", new Uint8Array(3), 0);
    if (err !== -EOPNOTSUPP) {
      ok(err);
      ok(client.getxattr(file, "user.x"));
      ok(client.listxattr(file));
      ok(client.removexattr(file, "user.x"));
    }
    assert.equal(client.walk(dir, ["file"], 1), 1);
    const [plain] = client.walkFids;
    ok(client.lopen(plain!, O_RDWR));
    assert.equal(client.write(plain!, 0, new Uint8Array(100), 0, 100), 100);
    assert.equal(client.read(plain!, 0, new Uint8Array(100), 0, 100), 100);
    assert.equal(client.readdir(dir, { entry() {} }), 0);
    assert.equal(client.readdir(dir, { entry() {} }), 0);
    for (const name of ["link", "fifo", "file"]) ok(client.unlink(dir, name, 0));
    ok(client.unlink(root, "dir", AT_REMOVEDIR));
  } finally {
    assert.equal(gofer.stop(), 0);
    fs.rmSync(path, { recursive: true });
  }
});

test("a gofer that rests gives the pages of its program back, and serves on", () => {
  const path = fs.mkdtempSync(join(tmpdir(), "tsvisor-gofer-"));
  const gofer = startGofer(host, path);
  try {
    const client = new P9Client(gofer.transport);
    assert.equal(client.negotiate(true), 0);
    const root = client.attach("", "root", NOUID);
    assert.ok(root >= 0);
    const programPages = (): number =>
      Number(/^RssFile:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${gofer.pid}/status`, "latin1"))![1]);
    const before = programPages();
    const end = Date.now() + 20_000;
    while (programPages() > before / 2 && Date.now() < end)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    assert.ok(programPages() <= before / 2, `${before} KiB before, ${programPages()} now`);
    assert.equal(client.make(root, "dir", S_IFDIR | 0o755, NOUID, NOUID, 0, "", new Stat()), 0);
  } finally {
    assert.equal(gofer.stop(), 0);
    fs.rmSync(path, { recursive: true });
  }
});
