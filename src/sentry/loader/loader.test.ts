import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import * as AT from "../../abi/auxv.ts";
import { E2BIG, EACCES, EIO, ELIBBAD, ELOOP, ENOENT, ENOEXEC } from "../../abi/errno.ts";
import type { Mappable } from "../memmap/memmap.ts";
import type { VmaFile } from "../memmap/vma-file.ts";
import { checkMm, FakeHostFile, FakeWorld, guestAccess } from "../mm/fake.testing.ts";
import type { MemoryManager } from "../mm/mm.ts";
import { HeadSource, parseElf } from "./elf.ts";
import { type ExecIdentity, type ExecutableFile, loadExecutable, type LoadedProgram, type LoadEnv } from "./loader.ts";
import { HEAD_SIZE, parseScript } from "./script.ts";
import { VdsoImage } from "./vdso.ts";

/** A file with given bytes that can be executed. */
class TestFile implements ExecutableFile {
  readonly host: FakeHostFile;
  readonly vmaFile: VmaFile;
  closed = 0;
  constructor(bytes: Uint8Array, path: string) {
    this.host = new FakeHostFile(bytes.length);
    this.host.backing.bytes.fill(0);
    this.host.backing.bytes.set(bytes);
    this.host.path = path;
    this.vmaFile = this.host;
  }
  pread(buf: Uint8Array, off: number, len: number, pos: number): number {
    return this.host.readAt(buf, off, len, pos);
  }
  size(): number {
    return this.host.size;
  }
  mappable(): Mappable | number {
    return this.host;
  }
  close(): void {
    this.closed++;
  }
}

/** Files by path, a world for address spaces. */
class TestEnv implements LoadEnv {
  readonly world: FakeWorld;
  readonly files: Map<string, Uint8Array> = new Map();
  readonly opened: TestFile[] = [];
  readonly mms: MemoryManager[] = [];
  readonly random: { fill(buf: Uint8Array, off: number, len: number): void };
  vdso: VdsoImage | null = null;
  readonly hwcap = 0xbfebfbff;
  readonly hwcap2 = 2;
  readonly minSigStackSize = 3632;

  constructor(aslr = false) {
    this.world = new FakeWorld(4096, aslr);
    this.random = this.world.env.random;
  }
  newMm(): MemoryManager | number {
    const mm = this.world.newMm();
    this.mms.push(mm);
    return mm;
  }
  openInterpreter(path: string): ExecutableFile | number {
    const b = this.files.get(path);
    if (path === "/forbidden") return -EACCES;
    if (b === undefined) return -ENOENT;
    return this.open(b, path);
  }
  open(b: Uint8Array, path: string): TestFile {
    const f = new TestFile(b, path);
    this.opened.push(f);
    return f;
  }
  identify(_file: ExecutableFile, out: ExecIdentity): number {
    out.uid = 1000;
    out.euid = 1001;
    out.gid = 1002;
    out.egid = 1003;
    out.secure = true;
    return 0;
  }
  load(path: string, argv: string[] = [path], envp: string[] = []): LoadedProgram | number {
    return loadExecutable(this, this.open(this.files.get(path)!, path), path, argv, envp);
  }
  loadOk(path: string, argv: string[] = [path], envp: string[] = []): LoadedProgram {
    const r = this.load(path, argv, envp);
    assert.ok(typeof r !== "number", "the program does not load");
    return r;
  }
  /** Nothing is left of failed or ended loads. */
  end(...programs: LoadedProgram[]): void {
    for (const p of programs) {
      p.mm.decUsers();
      p.file.close();
    }
    for (const f of this.opened) {
      assert.equal(f.closed, 1, f.host.path);
      assert.deepEqual([f.host.refs, f.host.mappings, f.host.pageRefs], [0, 0, 0]);
    }
    for (const mm of this.mms) assert.equal((mm.as as unknown as { released: boolean }).released, true);
  }
}

interface Seg {
  type: number;
  flags: number;
  offset: number;
  vaddr: number;
  filesz: number;
  memsz: number;
  align?: number;
}

/** An ELF file with these program headers and `size` bytes of recognisable contents. */
function elf(type: number, entry: number, segs: Seg[], size = 0x3000): Uint8Array {
  const b = new Uint8Array(size);
  for (let i = 0; i < size; i++) b[i] = (i % 251) + 1;
  const v = new DataView(b.buffer);
  b.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  v.setUint16(16, type, true);
  v.setUint16(18, 62, true);
  v.setUint32(20, 1, true);
  v.setBigUint64(24, BigInt(entry), true);
  v.setBigUint64(32, 64n, true);
  v.setUint16(52, 64, true);
  v.setUint16(54, 56, true);
  v.setUint16(56, segs.length, true);
  segs.forEach((s, i) => {
    const at = 64 + i * 56;
    v.setUint32(at, s.type, true);
    v.setUint32(at + 4, s.flags, true);
    v.setBigUint64(at + 8, BigInt(s.offset), true);
    v.setBigUint64(at + 16, BigInt(s.vaddr), true);
    v.setBigUint64(at + 24, BigInt(s.vaddr), true);
    v.setBigUint64(at + 32, BigInt(s.filesz), true);
    v.setBigUint64(at + 40, BigInt(s.memsz), true);
    v.setBigUint64(at + 48, BigInt(s.align ?? 4096), true);
  });
  return b;
}

const TEXT: Seg = { type: 1, flags: 5, offset: 0, vaddr: 0x400000, filesz: 0x1000, memsz: 0x1000 };
const DATA: Seg = { type: 1, flags: 6, offset: 0x1100, vaddr: 0x402100, filesz: 0x200, memsz: 0x3000 };

/** The stack as the program sees it. */
function readStack(p: LoadedProgram): { argv: string[]; envp: string[]; aux: Map<number, number>; strings: number[] } {
  const { mm } = p;
  let at = p.sp;
  const word = (): number => {
    const w = mm.readPtr(at);
    assert.ok(w >= 0);
    at += 8;
    return w;
  };
  const argc = word();
  const strings: number[] = [];
  const list = (): string[] => {
    const out: string[] = [];
    for (let w = word(); w !== 0; w = word()) {
      strings.push(w);
      const s = mm.copyInString(w, 200000);
      assert.ok(typeof s === "string");
      out.push(s);
    }
    return out;
  };
  const argv = list();
  assert.equal(argv.length, argc);
  const envp = list();
  const aux = new Map<number, number>();
  for (let k = word(); k !== AT.AT_NULL; k = word()) aux.set(k, word());
  return { argv, envp, aux, strings };
}

test("a static program: segments, bss, protections, heap, stack and auxiliary vector", () => {
  const env = new TestEnv();
  const bytes = elf(2, 0x400200, [TEXT, DATA]);
  env.files.set("/bin/prog", bytes);
  const p = env.loadOk("/bin/prog", ["prog", "", "b c", "\xff\xe4"], ["A=1", "B="]);
  const { mm } = p;
  checkMm(mm);
  assert.equal(p.entry, 0x400200);
  assert.equal(p.sp % 16, 0);
  assert.equal(guestAccess(mm, 0x400200, false, 0), bytes[0x200]);
  assert.equal(guestAccess(mm, 0x400200, true, 0), -EACCES);
  assert.equal(guestAccess(mm, 0x402100, false, 0), bytes[0x1100]);
  assert.equal(guestAccess(mm, 0x4022ff, false, 0), bytes[0x12ff]);
  for (const a of [0x402300, 0x402fff, 0x403000, 0x4050ff]) assert.equal(guestAccess(mm, a, false, 0), 0);
  assert.equal(guestAccess(mm, 0x402000, false, 0), bytes[0x1000]);
  assert.equal(guestAccess(mm, 0x405fff, true, 9), 9);
  assert.equal(guestAccess(mm, 0x406000, false, 0), -14);
  assert.equal(mm.brkStart, 0x406000);
  assert.deepEqual([mm.startCode, mm.endCode, mm.startData, mm.endData], [0x400000, 0x401000, 0x402100, 0x402300]);
  assert.equal(env.opened[0]!.host.backing.bytes[0x1300], bytes[0x1300], "the file itself is not changed");

  const s = readStack(p);
  assert.deepEqual(s.argv, ["prog", "", "b c", "\xff\xe4"]);
  assert.deepEqual(s.envp, ["A=1", "B="]);
  for (let i = 1; i < s.strings.length; i++) {
    const before = i <= 4 ? [...s.argv, ...s.envp][i - 1]! : s.envp[i - 5]!;
    assert.equal(s.strings[i], s.strings[i - 1]! + before.length + 1, "strings are adjacent");
  }
  assert.equal(mm.argStart, s.strings[0]);
  assert.equal(mm.argEnd, s.strings[4]);
  assert.equal(mm.envStart, s.strings[4]);
  assert.equal(mm.envEnd, s.strings[5]! + 3);
  const aux = s.aux;
  assert.equal(aux.get(AT.AT_PHDR), 0x400040);
  assert.equal(aux.get(AT.AT_PHNUM), 2);
  assert.equal(aux.get(AT.AT_PHENT), 56);
  assert.equal(aux.get(AT.AT_PAGESZ), 4096);
  assert.equal(aux.get(AT.AT_BASE), 0);
  assert.equal(aux.get(AT.AT_ENTRY), 0x400200);
  assert.deepEqual(
    [11, 12, 13, 14].map((k) => aux.get(k)),
    [1000, 1001, 1002, 1003],
  );
  assert.equal(aux.get(AT.AT_SECURE), 1);
  assert.equal(aux.get(AT.AT_HWCAP), 0xbfebfbff);
  assert.equal(aux.get(AT.AT_CLKTCK), 100);
  assert.equal(mm.copyInString(aux.get(AT.AT_EXECFN)!, 100), "/bin/prog");
  assert.equal(mm.copyInString(aux.get(AT.AT_PLATFORM)!, 100), "x86_64");
  assert.equal(mm.auxv.length, (aux.size + 1) * 16);
  assert.equal(mm.exe, env.opened[0]!.host);
  // The stack grows, and is not executable.
  assert.equal(guestAccess(mm, mm.stackTop - 1024 * 1024, true, 5), 5);
  assert.equal(mm.handleFault(p.sp, 4), -EACCES);
  env.end(p);
});

test("argv is never empty", () => {
  const env = new TestEnv();
  env.files.set("/p", elf(2, 0x400000, [TEXT]));
  const p = env.loadOk("/p", [], []);
  assert.deepEqual(readStack(p).argv, [""]);
  env.end(p);
});

test("a position-independent program with an interpreter, and the vDSO", () => {
  const env = new TestEnv(true);
  const vdso = VdsoImage.create(env.world.memory, readFileOr("build/vdso.so"));
  assert.ok(typeof vdso !== "number");
  env.vdso = vdso;
  const interp: Seg = { type: 3, flags: 4, offset: 0x2f00, vaddr: 0, filesz: 7, memsz: 7 };
  const prog = elf(3, 0x300, [interp, { ...TEXT, vaddr: 0, align: 0x10000 }, { ...DATA, vaddr: 0x2100 }]);
  prog.set([...Buffer.from("/ld.so\0")], 0x2f00);
  env.files.set("/prog", prog);
  env.files.set(
    "/ld.so",
    elf(3, 0x123, [
      { ...TEXT, vaddr: 0 },
      { ...DATA, vaddr: 0x2100 },
    ]),
  );
  const a = env.loadOk("/prog");
  const b = env.loadOk("/prog");
  for (const p of [a, b]) {
    checkMm(p.mm);
    const { aux } = readStack(p);
    const base = aux.get(AT.AT_BASE)!;
    assert.equal(p.entry, base + 0x123);
    const bias = aux.get(AT.AT_ENTRY)! - 0x300;
    assert.equal(bias % 0x10000, 0);
    assert.equal(aux.get(AT.AT_PHDR), bias + 64);
    assert.equal(guestAccess(p.mm, base, false, 0), 0x7f);
    assert.ok(p.mm.brkStart >= bias + 0x6000);
    const at = aux.get(AT.AT_SYSINFO_EHDR)!;
    assert.equal(guestAccess(p.mm, at, false, 0), 0x7f);
    assert.equal(guestAccess(p.mm, at, true, 0), -EACCES);
    assert.equal(guestAccess(p.mm, at - 4096, false, 0), 0);
    assert.equal(p.mm.mprotect(at - 4096, 4096, 3), -EACCES);
    const names: string[] = [];
    p.mm.forEachVma((v) => {
      if (v.name !== "") names.push(v.name);
      return true;
    });
    assert.deepEqual(names.sort(), ["[stack]", "[vdso]", "[vvar]"]);
  }
  assert.notEqual(a.sp, b.sp);
  assert.notEqual(readStack(a).aux.get(AT.AT_BASE), readStack(b).aux.get(AT.AT_BASE));
  env.end(a, b);
});

/** A file of the build, or something that looks like it when that has not run. */
function readFileOr(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch {
    return elf(3, 0, [TEXT], 4096);
  }
}

test("real programs of this machine load", () => {
  const env = new TestEnv(true);
  for (const path of ["/bin/true", "/bin/sh", "/lib64/ld-linux-x86-64.so.2"]) {
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(path);
    } catch {
      continue;
    }
    env.files.set(path, bytes);
  }
  for (const path of env.files.keys()) {
    const p = env.loadOk(path);
    checkMm(p.mm);
    const head = new Uint8Array(4);
    assert.equal(p.mm.copyInExact(readStack(p).aux.get(AT.AT_PHDR)! - 64, head, 0, 4), 0);
    assert.deepEqual([...head], [0x7f, 0x45, 0x4c, 0x46]);
    p.mm.decUsers();
    p.file.close();
  }
});

test("errors of programs and interpreters", () => {
  const env = new TestEnv();
  const good = elf(2, 0x400000, [TEXT]);
  const withInterp = (path: string, len = path.length): Uint8Array => {
    const b = elf(2, 0x400000, [TEXT, { type: 3, flags: 4, offset: 0x2000, vaddr: 0, filesz: len, memsz: len }]);
    b.set([...Buffer.from(path)], 0x2000);
    return b;
  };
  const patched = (at: number, value: number): Uint8Array => {
    const b = good.slice();
    b[at] = value;
    return b;
  };
  env.files.set("/text", new Uint8Array(100).fill(65));
  env.files.set("/short", good.slice(0, 40));
  const cases: [string, Uint8Array, number][] = [
    ["empty", new Uint8Array(0), ENOEXEC],
    ["magic", patched(0, 0), ENOEXEC],
    ["cut", good.slice(0, 63), ENOEXEC],
    ["header only", good.slice(0, 64), ENOEXEC],
    ["32 bit", patched(4, 1), ENOEXEC],
    ["machine", patched(18, 183), ENOEXEC],
    ["type", patched(16, 1), ENOEXEC],
    ["phentsize", patched(54, 55), ENOEXEC],
    ["phnum", patched(56, 0), ENOEXEC],
    ["no interpreter", withInterp("/nowhere\0"), ENOENT],
    ["forbidden interpreter", withInterp("/forbidden\0"), EACCES],
    ["text interpreter", withInterp("/text\0"), ELIBBAD],
    ["short interpreter", withInterp("/short\0"), EIO],
    ["no NUL", withInterp("/text", 5), ENOEXEC],
    ["interpreter too short", withInterp("\0", 1), ENOEXEC],
    ["text", new Uint8Array(500).fill(66), ENOEXEC],
  ];
  for (const [name, bytes, err] of cases) {
    env.files.set("/x", bytes);
    assert.equal(env.load("/x"), -err, name);
  }
  env.files.set("/x", good);
  assert.equal(env.load("/x", ["x", "a".repeat(131072)]), -E2BIG);
  assert.equal(env.load("/x", new Array<string>(60).fill("a".repeat(100000))), -E2BIG);
  const fits = env.loadOk("/x", ["x", "a".repeat(131071)], new Array<string>(15).fill("b".repeat(100000)));
  assert.equal(readStack(fits).argv[1]!.length, 131071);
  env.end(fits);
});

function script(line: string): Uint8Array {
  return Buffer.from(line, "latin1");
}

test("scripts: arguments, nesting, depth", () => {
  const env = new TestEnv();
  env.files.set("/interp", elf(2, 0x400000, [TEXT]));
  env.files.set("./s", script("#! \t /interp  one arg  \nbody"));
  const p = env.loadOk("./s", ["given", "x"]);
  assert.deepEqual(readStack(p).argv, ["/interp", "one arg", "./s", "x"]);
  assert.equal(p.mm.copyInString(readStack(p).aux.get(AT.AT_EXECFN)!, 100), "./s");
  env.files.set("./n", script("#!./s second\n"));
  const q = env.loadOk("./n", ["given", "x"]);
  assert.deepEqual(readStack(q).argv, ["/interp", "one arg", "./s", "second", "./n", "x"]);
  env.files.set("chain0", script("#!/interp\n"));
  for (let i = 1; i < 7; i++) env.files.set(`chain${i}`, script(`#!chain${i - 1}\n`));
  const deep = env.loadOk("chain4");
  assert.equal(env.load("chain5"), -ELOOP);
  env.files.set("loop", script("#!loop\n"));
  assert.equal(env.load("loop"), -ELOOP);
  env.files.set("missing", script("#!/nope\n"));
  assert.equal(env.load("missing"), -ENOENT);
  env.files.set("t", script("#!./plain\n"));
  env.files.set("./plain", script("echo"));
  assert.equal(env.load("t"), -ENOEXEC);
  env.end(p, q, deep);
});

test("the first line of a script", () => {
  const parse = (s: string): unknown => {
    const head = new Uint8Array(HEAD_SIZE);
    head.set(Buffer.from(s, "latin1").subarray(0, HEAD_SIZE));
    return parseScript(head);
  };
  const line = (interpreter: string, argument: string | null = null): unknown => ({ interpreter, argument });
  assert.deepEqual(parse("#!/bin/sh\n"), line("/bin/sh"));
  assert.deepEqual(parse("#!/bin/sh"), line("/bin/sh"));
  assert.deepEqual(parse("#!/bin/sh tail"), line("/bin/sh", "tail"));
  assert.deepEqual(parse("#!/bin/sh\t-x\t\n"), line("/bin/sh", "-x"));
  assert.deepEqual(parse("#!/bin/sh\r\n"), line("/bin/sh\r"));
  assert.equal(parse("#!   \n"), -ENOEXEC);
  assert.equal(parse("#!\n"), -ENOEXEC);
  assert.equal(parse(`#!/${"a".repeat(300)}\n`), -ENOEXEC);
  assert.equal(parse(`#!${" ".repeat(300)}`), -ENOEXEC);
  assert.deepEqual(parse(`#!/i ${"a".repeat(300)}\n`), line("/i", "a".repeat(250)));
  assert.deepEqual(parse("#!"), line(""));
});

test("the beginning of a file is read once, and says what the file says", () => {
  const bytes = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7) & 255);
  for (const size of [0, 1, 255, 4095, 4096, 4097, 5000]) {
    const file = new TestFile(bytes.slice(0, size), "/x");
    let reads = 0;
    const counting = {
      pread(buf: Uint8Array, off: number, len: number, pos: number): number {
        reads++;
        return file.pread(buf, off, len, pos);
      },
    };
    const source = new HeadSource(counting, new Uint8Array(4096).fill(0xaa));
    fc.assert(
      fc.property(fc.nat({ max: 5200 }), fc.nat({ max: 600 }), (pos, len) => {
        const expected = new Uint8Array(610);
        const got = new Uint8Array(610);
        reads = 0;
        assert.equal(source.pread(got, 5, len, pos), file.pread(expected, 5, len, pos));
        assert.deepEqual(got, expected);
        if (pos + len <= Math.min(size, 4096)) assert.equal(reads, 0);
      }),
      { numRuns: 100 },
    );
  }
  const failing = { pread: (): number => -EIO };
  assert.equal(new HeadSource(failing, new Uint8Array(4096)).pread(new Uint8Array(8), 0, 8, 0), -EIO);
});

test("no ELF header, however damaged, does more than fail", () => {
  const segs: Seg[] = [
    { type: 3, flags: 4, offset: 0x2f00, vaddr: 0, filesz: 7, memsz: 7 },
    TEXT,
    DATA,
    { type: 0x6474e551, flags: 6, offset: 0, vaddr: 0, filesz: 0, memsz: 0 },
  ];
  const base = elf(3, 0x300, segs);
  base.set([...Buffer.from("/ld.so\0")], 0x2f00);
  const span = 64 + segs.length * 56;
  const damage = fc.array(fc.tuple(fc.integer({ min: 4, max: span - 1 }), fc.nat({ max: 255 })), {
    minLength: 1,
    maxLength: 6,
  });
  const ld = elf(3, 0x123, [{ ...TEXT, vaddr: 0 }]);
  fc.assert(
    fc.property(damage, (d) => {
      const b = base.slice();
      for (const [at, v] of d) b[at] = v;
      const src = new TestFile(b, "/x");
      const image = parseElf(src, 2 ** 47 - 4096);
      if (typeof image === "number") assert.ok(image < 0 && image > -4096);
      const env = new TestEnv();
      env.files.set("/x", b);
      env.files.set("/ld.so", ld);
      const r = env.load("/x");
      if (typeof r === "number") {
        assert.ok(r < 0 && r > -4096);
        env.end();
      } else {
        checkMm(r.mm);
        env.end(r);
      }
    }),
    { numRuns: 150 },
  );
});
