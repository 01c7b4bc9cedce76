/** A client that does everything wrong. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import * as e from "../abi/errno.ts";
import { O_RDONLY, O_RDWR, O_TRUNC } from "../abi/fcntl.ts";
import { S_IFDIR, S_IFLNK, Stat } from "../abi/stat.ts";
import { Tattach, Twalk, Version } from "../p9/wire/base.ts";
import * as c from "../p9/wire/constants.ts";
import { Reader, Writer } from "../p9/wire/cursor.ts";
import { Numbers, Topenat, Twalkattr } from "../p9/wire/extension.ts";
import { Rlerror, Tlopen, Txattrcreate } from "../p9/wire/linux.ts";
import { Empty, FidOnly } from "../p9/wire/message.ts";
import type { Message } from "../p9/wire/message.ts";
import { MESSAGES } from "../p9/wire/table.ts";
import { Rig } from "./rig.testing.ts";

const buf = new Uint8Array(c.DEFAULT_MSIZE);
const reply = new Uint8Array(c.DEFAULT_MSIZE);
const w = new Writer();
const r = new Reader();
w.attach(buf);
r.attach(reply);

/** Sends one message to the rig's server. The errno of its Rlerror (negative), or the reply's type. */
function send(rig: Rig, type: number, message: Message, tag = 3): number {
  w.begin(type, tag);
  message.encode(w);
  return deliver(rig, w.end());
}

function deliver(rig: Rig, len: number): number {
  const n = rig.server.handle(buf, len, reply);
  rig.server.closeDonated();
  if (n < 0) return n;
  r.reset(c.HEADER_SIZE, n);
  if (reply[4] !== c.RLERROR) return reply[4]!;
  const error = new Rlerror();
  assert.equal(error.decode(r), 0);
  return -error.ecode;
}

function withRig(run: (rig: Rig) => void, options = {}): void {
  const before = fs.readdirSync("/proc/self/fd").length;
  const rig = new Rig(options);
  fs.writeFileSync(join(rig.path, "file"), "x");
  fs.mkdirSync(join(rig.path, "dir"));
  try {
    run(rig);
  } finally {
    rig.close();
  }
  assert.equal(fs.readdirSync("/proc/self/fd").length, before, "host fds");
}

test("nothing works before the version, and the extension only when it was negotiated", () => {
  withRig((rig) => {
    rig.server.reset();
    rig.server.msize = 0;
    for (const { type, create, name } of MESSAGES) {
      if (type === c.TVERSION || type % 2 === 1) continue;
      assert.equal(send(rig, type, new create()), -e.EPROTO, name);
    }
    const version = new Version();
    version.msize = 8192;
    version.version = "9P2000.u";
    assert.equal(send(rig, c.TVERSION, version), c.TVERSION + 1);
    assert.equal(version.decode(r), 0);
    assert.equal(version.version, "unknown");
    version.version = "9P2000.L.other";
    assert.equal(send(rig, c.TVERSION, version), c.TVERSION + 1);
    assert.equal(version.decode(r), 0);
    assert.equal(version.version, "9P2000.L");
    for (const { type, create, name } of MESSAGES) {
      if (type < c.FIRST_EXTENSION || type % 2 === 1) continue;
      assert.equal(send(rig, type, new create()), -e.EOPNOTSUPP, name);
    }
    version.msize = 100;
    assert.equal(send(rig, c.TVERSION, version), -e.EMSGSIZE);
    version.msize = 0xffffffff;
    assert.equal(send(rig, c.TVERSION, version), c.TVERSION + 1);
    assert.equal(version.decode(r), 0);
    assert.equal(version.msize, c.DEFAULT_MSIZE);
  });
});

test("every request on a fid that is not there is EBADF", () => {
  withRig((rig) => {
    for (const { type, create, name } of MESSAGES) {
      if (type % 2 === 1 || type === c.TVERSION || type === c.TAUTH || type === c.TATTACH) continue;
      if (type === c.TFLUSH || type === c.TCLUNKBATCH || type === c.TNOTIFY || type === c.TUNWATCH) continue;
      if (type === c.TCHANNEL) continue;
      const message = new create() as unknown as Record<string, unknown>;
      for (const key of Object.keys(message)) {
        if (/fid$/i.test(key) && typeof message[key] === "number") message[key] = 4711;
      }
      assert.equal(send(rig, type, message as unknown as Message), -e.EBADF, name);
    }
  });
});

test("fid numbers in use are not given twice", () => {
  withRig((rig) => {
    const attach = new Tattach();
    attach.fid = rig.root;
    attach.afid = c.NOFID;
    assert.equal(send(rig, c.TATTACH, attach), -e.EBADF);
    attach.fid = c.NOFID;
    assert.equal(send(rig, c.TATTACH, attach), -e.EBADF);
    attach.fid = 9;
    attach.afid = 1;
    assert.equal(send(rig, c.TATTACH, attach), -e.EINVAL);
    attach.afid = c.NOFID;
    attach.aname = "/etc";
    assert.equal(send(rig, c.TATTACH, attach), -e.ENOENT);
    const walk = new Twalk();
    walk.fid = rig.root;
    walk.newFid = 20;
    assert.equal(send(rig, c.TWALK, walk), c.TWALK + 1);
    assert.equal(send(rig, c.TWALK, walk), -e.EBADF);
    walk.newFid = c.NOFID;
    assert.equal(send(rig, c.TWALK, walk), -e.EBADF);
    const walkattr = new Twalkattr();
    walkattr.fid = rig.root;
    walkattr.count = 2;
    walkattr.names.push("dir", "x");
    walkattr.newFids.push(30, 30);
    assert.equal(send(rig, c.TWALKATTR, walkattr), -e.EBADF);
    walkattr.newFids[1] = 20;
    assert.equal(send(rig, c.TWALKATTR, walkattr), -e.EBADF);
    assert.equal(rig.server.fids.size, 2);
    const openat = new Topenat();
    openat.fid = rig.root;
    openat.newFid = 20;
    openat.name = "file";
    assert.equal(send(rig, c.TOPENAT, openat), -e.EBADF);
    const batch = new Numbers();
    for (const fid of [20, 20, 99, c.NOFID]) batch.add(fid);
    assert.equal(send(rig, c.TCLUNKBATCH, batch), c.TCLUNKBATCH + 1);
    assert.equal(rig.server.fids.size, 1);
  });
});

test("a size field that is not the message's length ends the connection", () => {
  withRig((rig) => {
    const clunk = new FidOnly();
    w.begin(c.TCLUNK, 1);
    clunk.encode(w);
    const len = w.end();
    assert.equal(deliver(rig, len - 1), -e.EBADMSG);
    buf[0] = 200;
    assert.equal(deliver(rig, len), -e.EBADMSG);
    assert.equal(deliver(rig, 3), -e.EBADMSG);
    assert.equal(send(rig, 250, new Empty()), -e.EOPNOTSUPP);
    assert.equal(send(rig, c.RLERROR, new Empty()), -e.EOPNOTSUPP);
    assert.equal(send(rig, c.TCLUNK, new Empty()), -e.EBADMSG);
  });
});

test("a directory that is moved away during a walk does not lead out of the tree", () => {
  withRig((rig) => {
    const { client, root, path } = rig;
    fs.mkdirSync(join(path, "dir/inner"));
    assert.equal(client.walk(root, ["dir", "inner"], 2), 2);
    const inner = client.walkFids[1]!;
    const outside = `${path}-outside`;
    fs.renameSync(join(path, "dir"), outside);
    try {
      const walk = new Twalk();
      walk.fid = inner;
      walk.newFid = 50;
      walk.count = 6;
      for (let i = 0; i < 6; i++) walk.names[i] = "..";
      assert.equal(send(rig, c.TWALK, walk), c.TWALK + 1);
      const stat = new Stat();
      assert.equal(client.getattr(50, stat), 0);
      assert.equal(stat.ino, Number(fs.statSync(path, { bigint: true }).ino));
    } finally {
      fs.rmSync(outside, { recursive: true });
    }
  });
});

test("a directory that becomes a symbolic link is not followed", () => {
  withRig((rig) => {
    const { client, root, path } = rig;
    const stat = new Stat();
    fs.mkdirSync(join(path, "swap"));
    assert.equal(client.walk(root, ["swap"], 1), 1);
    const swap = client.walkFids[0]!;
    fs.rmdirSync(join(path, "swap"));
    fs.symlinkSync("/etc", join(path, "swap"));
    assert.equal(client.walk(swap, ["passwd"], 1), 0);
    assert.equal(client.walkStatus, e.ENOENT);
    assert.equal(client.walk(root, ["swap", "passwd"], 2), 1);
    assert.equal(client.walkAttrs[0]!.mode & S_IFLNK, S_IFLNK);
    assert.equal(client.make(swap, "new", S_IFDIR | 0o755, c.NOUID, c.NOUID, 0, "", stat), -e.ENOENT);
    assert.equal(client.openFd(root, "swap", O_RDONLY, false, stat), -e.ELOOP);
    fs.symlinkSync(join(path, "victim"), join(path, "trap"));
    assert.equal(client.createFd(root, "trap", O_RDWR | O_TRUNC, 0o644, c.NOUID, c.NOUID, true, stat), -e.EEXIST);
    assert.equal(fs.existsSync(join(path, "victim")), false);
  });
});

test("extended attributes are bounded, and fids of them are nothing else", () => {
  withRig((rig) => {
    const { client, root } = rig;
    assert.equal(client.walk(root, ["file"], 1), 1);
    const create = new Txattrcreate();
    create.fid = client.walkFids[0]!;
    create.name = "user.x";
    create.size = 65537;
    assert.equal(send(rig, c.TXATTRCREATE, create), -e.E2BIG);
    create.size = 2 ** 40;
    assert.equal(send(rig, c.TXATTRCREATE, create), -e.E2BIG);
    create.size = 10;
    create.name = "a\0b";
    assert.equal(send(rig, c.TXATTRCREATE, create), -e.EINVAL);
    create.name = "user.x";
    assert.equal(send(rig, c.TXATTRCREATE, create), c.TXATTRCREATE + 1);
    const open = new Tlopen();
    open.fid = create.fid;
    assert.equal(send(rig, c.TLOPEN, open), -e.EBADF);
    assert.equal(client.write(create.fid, 5, new Uint8Array(3), 0, 3), -e.EINVAL);
    assert.equal(client.write(create.fid, 0, new Uint8Array(11), 0, 11), -e.EINVAL);
    const clunk = new FidOnly();
    clunk.fid = create.fid;
    assert.equal(send(rig, c.TCLUNK, clunk), -e.EINVAL);
    assert.equal(send(rig, c.TCLUNK, clunk), -e.EBADF);
  });
});

test("random requests neither throw nor leak, and never touch what lies outside", () => {
  const outside = fs.mkdtempSync("/tmp/tsvisor-outside-");
  fs.writeFileSync(join(outside, "secret"), "untouched");
  const names = fc.constantFrom(
    "",
    ".",
    "..",
    "file",
    "dir",
    "link",
    "new",
    "a/b",
    "../x",
    "secret",
    "x".repeat(300),
    "\0",
  );
  const small = fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, c.NOFID);
  const requests = MESSAGES.filter(({ type }) => type % 2 === 0);
  for (const hasExtension of [true, false]) {
    withRig(
      (rig) => {
        fs.symlinkSync(outside, join(rig.path, "link"));
        fc.assert(
          fc.property(fc.constantFrom(...requests), fc.gen(), (info, rng) => {
            if (info.type === c.TVERSION) return;
            const message = new info.create() as unknown as Record<string, unknown>;
            for (const key of Object.keys(message)) {
              const value = message[key];
              if (typeof value === "string") message[key] = rng(() => names);
              else if (typeof value === "number") {
                // fallocate of petabytes and reads of gigabytes only waste the test's time.
                message[key] =
                  key === "mode"
                    ? rng(() => fc.constantFrom(0o644, 0o40755, 0o100600, 0o10600, 0o120777, 0o20600))
                    : rng(() => small);
              }
            }
            if (message.names instanceof Array) {
              message.count = rng(() => fc.integer({ min: 0, max: 3 }));
              for (let i = 0; i < 3; i++) {
                message.names.push(rng(() => names));
                (message.newFids as number[] | undefined)?.push(rng(() => small));
              }
            } else if (message.numbers instanceof Array) {
              message.count = 1;
              message.numbers.push(rng(() => small));
            } else if ("buf" in message) message.count = 0;
            const result = send(rig, info.type, message as unknown as Message);
            assert.ok(result === info.type + 1 || (result < 0 && result > -200), `${info.name}: ${result}`);
          }),
          { numRuns: 4000, endOnFailure: true },
        );
        assert.ok(rig.server.fids.size <= 8);
      },
      { hasExtension },
    );
  }
  assert.deepEqual(fs.readdirSync(outside), ["secret"]);
  assert.equal(fs.readFileSync(join(outside, "secret"), "latin1"), "untouched");
  assert.equal(fs.statSync(join(outside, "secret")).nlink, 1);
  fs.rmSync(outside, { recursive: true });
});
