/** Our server with diod's clients, and our client with diod's server: both ends speak plain 9P2000.L. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import * as e from "../abi/errno.ts";
import { AT_REMOVEDIR, O_RDONLY, O_RDWR } from "../abi/fcntl.ts";
import * as m from "../abi/stat.ts";
import { Stat } from "../abi/stat.ts";
import { StatFs } from "../abi/statfs.ts";
import { linuxHost } from "../host/linux.unsafe.ts";
import { P9Client } from "../p9/client/client.ts";
import { SocketTransport } from "../p9/client/socket-transport.ts";
import { NOUID, SETATTR_MODE, SETATTR_SIZE } from "../p9/wire/constants.ts";
import { SetAttr } from "../p9/wire/records.ts";

const hasDiod = ["diod", "diodcat", "diodls", "dioddate"].every((name) => fs.existsSync(`/usr/sbin/${name}`));
const skip = !hasDiod ? "the Debian package diod is not installed" : process.getuid!() !== 0 ? "needs root" : false;

function tempDir(): string {
  const path = fs.mkdtempSync(join(tmpdir(), "tsvisor-diod-"));
  fs.mkdirSync(join(path, "tree/sub"), { recursive: true });
  fs.writeFileSync(join(path, "tree/hello"), "hello from the host\n");
  fs.writeFileSync(join(path, "tree/sub/big"), "0123456789abcdef".repeat(20_000));
  fs.symlinkSync("hello", join(path, "tree/link"));
  return path;
}

function ended(child: ChildProcess): Promise<unknown> {
  return child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once("exit", resolve));
}

describe("diod's clients with our server", { skip }, () => {
  const dir = skip === false ? tempDir() : "";
  const socket = join(dir, "socket");
  const tree = join(dir, "tree");
  let server: ChildProcess;

  before(async () => {
    server = spawn(process.execPath, [join(import.meta.dirname, "listen.testing.ts"), socket, tree, "ctl"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => server.stdout!.once("data", resolve));
  });

  after(async () => {
    server.kill("SIGKILL");
    await ended(server);
    fs.rmSync(dir, { recursive: true });
  });

  function run(program: string, ...args: string[]): string {
    return execFileSync(`/usr/sbin/${program}`, ["-s", socket, "-t", "20", ...args], {
      encoding: "latin1",
      timeout: 30_000,
    });
  }

  test("diodcat reads files, small and larger than a message", () => {
    assert.equal(run("diodcat", "-a", "/", "hello"), "hello from the host\n");
    assert.equal(run("diodcat", "-a", "ctl", "sub/big"), "0123456789abcdef".repeat(20_000));
    assert.equal(run("diodcat", "-m", "8192", "-a", "/", "sub/big", "hello").length, 320_020);
  });

  test("diodls lists directories", () => {
    assert.deepEqual(run("diodls", "-a", "/").trim().split(/\s+/).sort(), ["hello", "link", "sub"]);
    const long = run("diodls", "-l", "-a", "/");
    assert.match(long, /^-rw-r--r--\.\s+1 root\s+root\s+20 .* hello$/m);
    assert.match(long, /^drwxr-xr-x\.\s+2 root\s+root .* sub$/m);
    assert.match(run("diodls", "-l", "-a", "/", "sub"), /320000 .* big$/m);
  });

  test("dioddate reads a file called date in the tree called ctl", () => {
    // As diod's own writes it: seconds, microseconds, minutes west, daylight saving.
    fs.writeFileSync(join(tree, "date"), "1700000000.0 0.0\n");
    assert.match(run("dioddate"), /2023/);
  });

  test("errors arrive as errors", () => {
    assert.throws(() => run("diodcat", "-a", "/", "missing"), /No such file or directory/);
    assert.throws(() => run("diodcat", "-a", "/", "link"), /symbolic links/);
    assert.throws(() => run("diodcat", "-a", "/etc", "passwd"), /No such file or directory/);
    assert.throws(() => run("diodcat", "-a", "/", "../../etc/passwd"), /No such file or directory/);
  });
});

describe("our client with diod's server", { skip }, () => {
  const dir = skip === false ? tempDir() : "";
  const tree = join(dir, "tree");
  const socket = join(dir, "socket");
  const host = linuxHost();
  const stat = new Stat();
  let server: ChildProcess;
  let client: P9Client;
  let root = -1;

  before(async () => {
    server = spawn("/usr/sbin/diod", ["-f", "-n", "-c", "/dev/null", "-l", socket, "-e", tree, "-L", "stderr"], {
      stdio: ["ignore", "ignore", "ignore"],
      cwd: dir,
    });
    let fd = -1;
    for (let i = 0; i < 200 && fd < 0; i++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      fd = host.unixConnect(socket, 1);
    }
    assert.ok(fd >= 0, "diod did not come up");
    client = new P9Client(new SocketTransport(host, fd));
    assert.equal(client.negotiate(true), 0);
    root = client.attach(tree, "root", 0);
    assert.ok(root >= 0, `attach: ${root}`);
  });

  after(async () => {
    client.transport.close();
    server.kill("SIGKILL");
    await ended(server);
    fs.rmSync(dir, { recursive: true });
  });

  test("falls back to the plain protocol", () => {
    assert.equal(client.isExtended, false);
    assert.equal(client.openFd(root, "hello", O_RDONLY, true, stat), -e.EOPNOTSUPP);
  });

  test("walk, getattr, read, readlink, statfs", () => {
    assert.equal(client.walk(root, ["sub", "big"], 2), 2);
    assert.equal(client.walkAttrs[1]!.size, 320_000);
    assert.equal(client.walkAttrs[1]!.ino, Number(fs.statSync(join(tree, "sub/big"), { bigint: true }).ino));
    const fid = client.walkFids[1]!;
    assert.equal(client.lopen(fid, O_RDONLY), 0);
    const buf = new Uint8Array(320_000);
    let done = 0;
    for (;;) {
      const n = client.read(fid, done, buf, done, buf.length - done);
      assert.ok(n >= 0);
      if (n === 0) break;
      done += n;
    }
    assert.equal(done, 320_000);
    assert.equal(Buffer.from(buf.subarray(319_984)).toString(), "0123456789abcdef");
    client.clunk(fid);
    assert.equal(client.walk(root, ["link"], 1), 1);
    assert.equal(client.readlink(client.walkFids[0]!), "hello");
    assert.equal(client.walk(root, ["none"], 1), 0);
    assert.equal(client.walkStatus, e.ENOENT);
    const out = new StatFs();
    assert.equal(client.statfs(root, out), 0);
    // diod says V9FS_MAGIC, whatever is below.
    assert.equal(out.type, 0x01021997);
    assert.equal(out.bsize, fs.statfsSync(tree).bsize);
  });

  test("make, write, setattr, link, rename, readdir, unlink", () => {
    assert.equal(client.make(root, "made", m.S_IFDIR | 0o750, NOUID, 0, 0, "", stat), 0);
    assert.equal(stat.mode, m.S_IFDIR | 0o750);
    const dirFid = client.newFid;
    assert.equal(client.make(dirFid, "node", m.S_IFREG | 0o640, NOUID, 0, 0, "", stat), 0);
    const node = client.newFid;
    assert.equal(client.lopen(node, O_RDWR), 0);
    assert.equal(client.write(node, 3, new Uint8Array([65, 66]), 0, 2), 2);
    assert.equal(client.fsync(node, false), 0);
    assert.equal(fs.readFileSync(join(tree, "made/node"), "latin1"), "\0\0\0AB");
    const set = new SetAttr();
    set.valid = SETATTR_MODE | SETATTR_SIZE;
    set.mode = 0o600;
    set.size = 4;
    assert.equal(client.setattr(node, set, stat), 0);
    assert.deepEqual([stat.size, stat.mode & 0o777], [4, 0o600]);
    assert.equal(client.link(dirFid, node, "twin", stat), 0);
    assert.equal(stat.nlink, 2);
    assert.equal(client.make(dirFid, "soft", m.S_IFLNK | 0o777, NOUID, 0, 0, "twin", stat), 0);
    assert.equal(client.rename(dirFid, "twin", root, "moved", 0, stat), 0);
    const names = new Map<string, number>();
    const sink = { entry: (name: string, attr: Stat) => void names.set(name, attr.mode & m.S_IFMT) };
    assert.equal(client.readdir(dirFid, sink), 0);
    assert.deepEqual(Object.fromEntries(names), { node: m.S_IFREG, soft: m.S_IFLNK });
    assert.equal(client.unlink(root, "made", AT_REMOVEDIR), -e.ENOTEMPTY);
    assert.equal(client.unlink(dirFid, "node", 0), 0);
    assert.equal(client.unlink(dirFid, "soft", 0), 0);
    assert.equal(client.unlink(root, "made", AT_REMOVEDIR), 0);
    assert.equal(client.unlink(root, "moved", 0), 0);
  });

  test("a directory that takes several messages", () => {
    fs.mkdirSync(join(tree, "many"));
    for (let i = 0; i < 4000; i++) fs.writeFileSync(join(tree, `many/a-rather-long-name-of-a-file-${i}`), "");
    assert.equal(client.walk(root, ["many"], 1), 1);
    const names = new Set<string>();
    assert.equal(client.readdir(client.walkFids[0]!, { entry: (name) => void names.add(name) }), 0);
    assert.equal(names.size, 4000);
  });

  test("extended attributes", () => {
    assert.equal(client.walk(root, ["hello"], 1), 1);
    const fid = client.walkFids[0]!;
    const err = client.setxattr(fid, "user.note", new Uint8Array([1, 2, 3]), 0);
    if (err === -e.EOPNOTSUPP) return;
    assert.equal(err, 0);
    assert.deepEqual(client.getxattr(fid, "user.note"), new Uint8Array([1, 2, 3]));
    assert.equal(client.removexattr(fid, "user.note"), 0);
    assert.equal(client.getxattr(fid, "user.note"), -e.ENODATA);
  });
});
