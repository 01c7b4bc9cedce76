/** A reference model of a file tree, and random operations that run against it and a real one. */
import fc from "fast-check";
import { EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EPERM } from "../../../abi/errno.ts";
import {
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_EXCL,
  O_RDWR,
  O_TRUNC,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
} from "../../../abi/fcntl.ts";
import { Stat } from "../../../abi/stat.ts";
import { chmodAt, statAt, truncateAt } from "../../vfs/attributes.ts";
import { openAt } from "../../vfs/open.ts";
import { linkAt, mkdirAt, readlinkAt, renameAt2, rmdirAt, symlinkAt, unlinkAt } from "../../vfs/operations.ts";
import { readText, seqOf } from "../tmpfs/harness.testing.ts";
import type { TestContext } from "../tmpfs/harness.testing.ts";

/** A file of the model. */
export class Node {
  readonly kind: "dir" | "file" | "link";
  children: Map<string, Node> = new Map();
  data = "";
  mode: number;
  links = 0;
  constructor(kind: "dir" | "file" | "link", mode: number) {
    this.kind = kind;
    this.mode = mode;
  }
}

/** One operation; paths are lists of names. */
export type Op =
  | { op: "mkdir" | "unlink" | "rmdir" | "symlink" | "read" | "list"; path: string[] }
  | { op: "create"; path: string[]; excl: boolean; trunc: boolean }
  | { op: "write"; path: string[]; at: number; text: string }
  | { op: "truncate"; path: string[]; size: number }
  | { op: "chmod"; path: string[]; mode: number }
  | { op: "link"; path: string[]; to: string[] }
  | { op: "rename"; path: string[]; to: string[]; flags: number }
  | { op: "shrink" };

const TARGET = "zz";

function pathText(p: readonly string[]): string {
  return `/${p.join("/")}`;
}

const name = fc.constantFrom("a", "b", "c", "d");
const path = fc.array(name, { minLength: 1, maxLength: 3 });
const modes = fc.constantFrom(0o644, 0o600, 0o755);

/** Random operations. */
export const operations: fc.Arbitrary<Op[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ op: fc.constantFrom("mkdir", "unlink", "rmdir", "symlink", "read", "list"), path }),
    },
    { weight: 3, arbitrary: fc.record({ op: fc.constant("create"), path, excl: fc.boolean(), trunc: fc.boolean() }) },
    {
      weight: 3,
      arbitrary: fc.record({
        op: fc.constant("write"),
        path,
        at: fc.constantFrom(0, 1, 3, 4094, 4096, 9000),
        text: fc.string({ unit: fc.constantFrom("x", "y", "z"), minLength: 1, maxLength: 9 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("truncate"), path, size: fc.constantFrom(0, 2, 4095, 5000) }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("chmod"), path, mode: modes }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant("link"), path, to: path }) },
    {
      weight: 4,
      arbitrary: fc.record({
        op: fc.constant("rename"),
        path,
        to: path,
        flags: fc.constantFrom(0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ op: "shrink" }) },
  ) as fc.Arbitrary<Op>,
  { minLength: 1, maxLength: 40 },
);

/** The model's file tree. */
export class Model {
  readonly root: Node = new Node("dir", 0o755);

  /** The directory of the last component, or -errno. */
  private parent(p: readonly string[]): Node | number {
    let d = this.root;
    for (const n of p.slice(0, -1)) {
      const c = d.children.get(n);
      if (c === undefined || c.kind === "link") return -ENOENT;
      if (c.kind === "file") return -ENOTDIR;
      d = c;
    }
    return d;
  }

  /** 0 / text / -errno, as the real operations give. */
  run(o: Op): number | string {
    if (o.op === "shrink") return 0;
    const dir = this.parent(o.path);
    if (typeof dir === "number" && o.op !== "link" && o.op !== "rename") return dir;
    const last = o.path.at(-1)!;
    const it = typeof dir === "number" ? undefined : dir.children.get(last);
    switch (o.op) {
      case "mkdir":
        if (it !== undefined) return -EEXIST;
        (dir as Node).children.set(last, new Node("dir", 0o755));
        return 0;
      case "symlink": {
        if (it !== undefined) return -EEXIST;
        const l = new Node("link", 0o777);
        l.links = 1;
        (dir as Node).children.set(last, l);
        return 0;
      }
      case "create": {
        if (it === undefined) {
          const f = new Node("file", 0o644);
          f.links = 1;
          (dir as Node).children.set(last, f);
          return 0;
        }
        if (o.excl) return -EEXIST;
        if (it.kind === "dir") return -EISDIR;
        // The link's target is made; the model has no such names, so the runner removes it again.
        if (it.kind === "link") return 0;
        if (o.trunc) it.data = "";
        return 0;
      }
      case "unlink":
        if (it === undefined) return -ENOENT;
        if (it.kind === "dir") return -EISDIR;
        it.links--;
        (dir as Node).children.delete(last);
        return 0;
      case "rmdir":
        if (it === undefined) return -ENOENT;
        if (it.kind !== "dir") return -ENOTDIR;
        if (it.children.size > 0) return -ENOTEMPTY;
        (dir as Node).children.delete(last);
        return 0;
      case "read":
        if (it === undefined || it.kind === "link") return -ENOENT;
        return it.kind === "dir" ? -EISDIR : it.data;
      case "list":
        if (it === undefined || it.kind === "link") return -ENOENT;
        return it.kind === "dir" ? [...it.children.keys()].sort().join(",") : -ENOTDIR;
      case "write":
        if (it === undefined || it.kind === "link") return -ENOENT;
        if (it.kind === "dir") return -EISDIR;
        it.data = it.data.padEnd(o.at, "\0").slice(0, o.at) + o.text + it.data.slice(o.at + o.text.length);
        return o.text.length;
      case "truncate":
        if (it === undefined || it.kind === "link") return -ENOENT;
        if (it.kind === "dir") return -EISDIR;
        it.data = it.data.slice(0, o.size).padEnd(o.size, "\0");
        return 0;
      case "chmod":
        if (it === undefined || it.kind === "link") return -ENOENT;
        it.mode = o.mode | (it.kind === "dir" ? 0o111 : 0);
        return 0;
      case "link": {
        if (typeof dir === "number") return dir;
        if (it === undefined) return -ENOENT;
        const to = this.parent(o.to);
        if (typeof to === "number") return to;
        if (to.children.has(o.to.at(-1)!)) return -EEXIST;
        if (it.kind === "dir") return -EPERM;
        it.links++;
        to.children.set(o.to.at(-1)!, it);
        return 0;
      }
      case "rename":
        return this.rename(dir, o.path, o.to, o.flags);
    }
  }

  private rename(dir: Node | number, path: string[], toPath: string[], flags: number): number {
    if (typeof dir === "number") return dir;
    const to = this.parent(toPath);
    if (typeof to === "number") return to;
    const a = path.at(-1)!;
    const b = toPath.at(-1)!;
    const src = dir.children.get(a);
    if (src === undefined) return -ENOENT;
    const dst = to.children.get(b);
    if ((flags & RENAME_NOREPLACE) !== 0 && dst !== undefined) return -EEXIST;
    if ((flags & RENAME_EXCHANGE) !== 0 && dst === undefined) return -ENOENT;
    if (isPrefix(path, toPath.slice(0, -1))) return -EINVAL;
    if (dst !== undefined && isPrefix(toPath, path.slice(0, -1))) {
      return (flags & RENAME_EXCHANGE) !== 0 ? -EINVAL : -ENOTEMPTY;
    }
    if (src === dst) return 0;
    if ((flags & RENAME_EXCHANGE) !== 0) {
      dir.children.set(a, dst!);
      to.children.set(b, src);
      return 0;
    }
    if (dst !== undefined) {
      if (src.kind === "dir" && dst.kind !== "dir") return -ENOTDIR;
      if (src.kind !== "dir" && dst.kind === "dir") return -EISDIR;
      if (dst.children.size > 0) return -ENOTEMPTY;
      dst.links--;
    }
    dir.children.delete(a);
    to.children.set(b, src);
    return 0;
  }

  /** The whole tree as lines, sorted. */
  dump(withLinks: boolean): string[] {
    const out: string[] = [];
    const visit = (d: Node, at: string): void => {
      for (const [n, c] of d.children) {
        const p = `${at}/${n}`;
        if (c.kind === "dir") {
          out.push(`${p} d ${c.mode.toString(8)}`);
          visit(c, p);
        } else if (c.kind === "link") out.push(`${p} l`);
        else out.push(`${p} f ${c.mode.toString(8)} ${c.data.length} ${hash(c.data)}${withLinks ? ` ${c.links}` : ""}`);
      }
    };
    visit(this.root, "");
    return out.sort();
  }
}

function isPrefix(a: readonly string[], b: readonly string[]): boolean {
  return a.length <= b.length && a.every((x, i) => x === b[i]);
}

function hash(s: string): number {
  let h = 0;
  for (let i = 0; i < s.length; i++) h = (Math.imul(h, 31) + s.charCodeAt(i)) | 0;
  return h;
}

/** Runs an operation on the real tree. Same results as {@link Model.run}. */
export function runReal(c: TestContext, o: Op): number | string {
  if (o.op === "shrink") {
    c.root.mount.fs.shrink();
    return 0;
  }
  const p = pathText(o.path);
  switch (o.op) {
    case "mkdir":
      return mkdirAt(c, null, p, 0o755);
    case "symlink":
      return symlinkAt(c, TARGET, null, p);
    case "unlink":
      return unlinkAt(c, null, p);
    case "rmdir":
      return rmdirAt(c, null, p);
    case "create": {
      const f = openAt(c, null, p, O_CREAT | O_RDWR | (o.excl ? O_EXCL : 0) | (o.trunc ? O_TRUNC : 0), 0o644);
      if (typeof f === "number") return f;
      f.decRef();
      const target = pathText([...o.path.slice(0, -1), TARGET]);
      unlinkAt(c, null, target);
      return 0;
    }
    case "read": {
      const f = openAt(c, null, p, 0, 0);
      if (typeof f === "number") return f;
      const probe = f.read(seqOf(new Uint8Array(1)));
      f.seek(0, 0);
      const s = probe < 0 ? probe : readText(f, 20000);
      f.decRef();
      return s;
    }
    case "list": {
      const st = new Stat();
      const r = statAt(c, null, p, 0, st);
      if (r < 0) return r;
      return (st.mode & 0o170000) === 0o040000 ? c.list(p).join(",") : -ENOTDIR;
    }
    case "write": {
      const f = openAt(c, null, p, O_RDWR, 0);
      if (typeof f === "number") return f;
      const n = f.pwrite(seqOf(Buffer.from(o.text)), o.at);
      f.decRef();
      return n;
    }
    case "truncate":
      return truncateAt(c, null, p, o.size);
    case "chmod": {
      const st = new Stat();
      const r = statAt(c, null, p, 0, st);
      if (r < 0) return r;
      return chmodAt(c, null, p, o.mode | ((st.mode & 0o170000) === 0o040000 ? 0o111 : 0), 0);
    }
    case "link":
      return linkAt(c, null, p, null, pathText(o.to), 0);
    case "rename":
      return renameAt2(c, null, p, null, pathText(o.to), o.flags);
  }
}

/** The real tree as the model dumps it. */
export function dumpReal(c: TestContext, withLinks: boolean): string[] {
  const out: string[] = [];
  const visit = (at: string): void => {
    for (const n of c.list(at === "" ? "/" : at)) {
      const p = `${at}/${n}`;
      const st = c.stat(p, AT_SYMLINK_NOFOLLOW);
      const mode = (st.mode & 0o7777).toString(8);
      switch (st.mode & 0o170000) {
        case 0o040000:
          out.push(`${p} d ${mode}`);
          visit(p);
          break;
        case 0o120000:
          out.push(readlinkAt(c, null, p) === TARGET ? `${p} l` : `${p} bad link`);
          break;
        default: {
          const data = c.text(p);
          out.push(`${p} f ${mode} ${st.size} ${hash(data)}${withLinks ? ` ${st.nlink}` : ""}`);
        }
      }
    }
  };
  visit("");
  return out.sort();
}
