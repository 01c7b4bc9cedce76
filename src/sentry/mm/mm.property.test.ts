/** Random sequences of memory calls of several processes, compared with a model that has one small array per page. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  MADV_DONTNEED,
  MAP_ANONYMOUS,
  MAP_DENYWRITE,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
} from "../../abi/mman.ts";
import { EACCES, EFAULT, EIO } from "../../abi/errno.ts";
import { checkMm, FakeHostFile, FakeWorld, guestAccess } from "./fake.testing.ts";
import { type MemoryManager, MmapOptions } from "./mm.ts";

const P = 4096;
const N = 40;
const BASE = 0x20000000;
/** Bytes of each page that are modelled. */
const W = 4;
const FILE_PAGES = 12;

/** What a page holds; shared by all who see the same page. */
type Cell = Uint8Array;

interface Page {
  prot: number;
  shared: boolean;
  /** Page of the file, -1: anonymous. */
  filePage: number;
  /** Contents; for private file pages null until they are written. */
  cell: Cell | null;
}

interface Process {
  mm: MemoryManager;
  pages: (Page | null)[];
}

const opArb = fc.record({
  kind: fc.constantFrom(
    "mmapAnon",
    "mmapAnon",
    "mmapAnon",
    "mmapFile",
    "mmapFile",
    "munmap",
    "again",
    "mprotect",
    "mprotect",
    "move",
    "resize",
    "write",
    "write",
    "write",
    "write",
    "read",
    "copyOut",
    "copyOut",
    "dontneed",
    "fork",
    "part",
    "own",
    "exit",
  ),
  who: fc.nat({ max: 3 }),
  a: fc.nat({ max: N - 1 }),
  n: fc.integer({ min: 1, max: 12 }),
  b: fc.nat({ max: N - 1 }),
  prot: fc.constantFrom(0, 1, 2, 3, 3, 3, 5, 7),
  shared: fc.boolean(),
  byte: fc.nat({ max: W - 1 }),
  value: fc.nat({ max: 255 }),
});

type Op = typeof opArb extends fc.Arbitrary<infer T> ? T : never;

class Model {
  readonly world: FakeWorld;
  readonly file: FakeHostFile = new FakeHostFile(FILE_PAGES * P - 100);
  readonly fileCells: Cell[] = [];
  readonly procs: Process[] = [];
  readonly o: MmapOptions = new MmapOptions();

  /** `hugeSize`: of a large page; 0: there are none. */
  constructor(hugeSize: number) {
    this.world = new FakeWorld(1024, false, hugeSize, true);
    for (let i = 0; i < FILE_PAGES; i++) this.fileCells.push(this.file.backing.bytes.slice(i * P, i * P + W));
    this.procs.push({ mm: this.world.newMm(), pages: new Array<Page | null>(N).fill(null) });
  }

  /** What a read of the page's byte gives, or the error of the fault. */
  expectRead(p: Page | null, byte: number): number {
    if (p === null) return -EFAULT;
    if (p.prot === 0) return -EACCES;
    if (p.cell !== null) return p.cell[byte]!;
    return p.filePage < FILE_PAGES ? this.fileCells[p.filePage]![byte]! : -EIO;
  }

  /** Writes in the model; the error of the fault. */
  write(p: Page | null, byte: number, value: number): number {
    if (p === null) return -EFAULT;
    if ((p.prot & 2) === 0) return -EACCES;
    if (p.cell === null) {
      if (p.filePage >= FILE_PAGES) return -EIO;
      if (p.shared) {
        this.fileCells[p.filePage]![byte] = value;
        return value;
      }
      p.cell = this.fileCells[p.filePage]!.slice();
    }
    p.cell[byte] = value;
    return value;
  }

  /**
   * A write to a shared page of the file that some private mapping has too: whether that one sees it is unspecified (a
   * copy of its neighbour may have taken it along), so such writes are left out.
   */
  unspecified(p: Page | null): boolean {
    if (p === null || !p.shared || p.filePage < 0) return false;
    return this.procs.some((x) => x.pages.some((q) => q !== null && !q.shared && q.filePage === p.filePage));
  }

  step(op: Op): void {
    const proc = this.procs[op.who % this.procs.length]!;
    const { mm, pages } = proc;
    const n = Math.min(op.n, N - op.a);
    const addr = BASE + op.a * P;
    const o = this.o;
    switch (op.kind) {
      case "mmapAnon":
      case "mmapFile": {
        const file = op.kind === "mmapFile";
        o.clear();
        o.addr = addr;
        o.len = n * P - (op.value & 1);
        o.prot = op.prot;
        o.flags = MAP_FIXED | (op.shared ? MAP_SHARED : MAP_PRIVATE) | (file ? 0 : MAP_ANONYMOUS);
        // As pieces of a library, which may wait for each other.
        if (file && (op.value & 2) !== 0) o.flags |= MAP_DENYWRITE;
        const first = op.b % (FILE_PAGES + 2);
        if (file) {
          o.mappable = this.file;
          o.file = this.file;
          o.offset = first * P;
        }
        assert.equal(mm.mmap(o), addr);
        for (let i = 0; i < n; i++) {
          pages[op.a + i] = {
            prot: op.prot,
            shared: op.shared,
            filePage: file ? first + i : -1,
            cell: file ? null : new Uint8Array(W),
          };
        }
        break;
      }
      case "munmap":
        assert.equal(mm.munmap(addr, n * P), 0);
        pages.fill(null, op.a, op.a + n);
        break;
      case "again":
        // Unmapped and mapped again at once: the old contents are gone.
        assert.equal(mm.munmap(addr, n * P), 0);
        pages.fill(null, op.a, op.a + n);
        if (op.shared) checkMm(mm);
        this.step({ ...op, kind: "mmapAnon", shared: false });
        break;
      case "mprotect": {
        let k = 0;
        while (k < n && pages[op.a + k] !== null) pages[op.a + k++]!.prot = op.prot;
        assert.equal(mm.mprotect(addr, n * P, op.prot), k === n ? 0 : -12);
        break;
      }
      case "move": {
        const to = Math.min(op.b, N - n);
        const r = mm.mremap(addr, n * P, n * P, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + to * P);
        if (to < op.a + n && op.a < to + n) assert.equal(r, -22);
        else if (r >= 0) {
          assert.equal(r, BASE + to * P);
          for (let i = 0; i < n; i++) {
            pages[to + i] = pages[op.a + i]!;
            pages[op.a + i] = null;
          }
        } else assert.equal(r, -EFAULT);
        break;
      }
      case "resize": {
        const newN = Math.min(1 + (op.b % 14), N - op.a);
        const r = mm.mremap(addr, n * P, newN * P, 0, 0);
        if (pages[op.a] === null) assert.equal(r, -EFAULT);
        if (r < 0) {
          assert.ok(r === -EFAULT || r === -12);
          break;
        }
        if (newN < n) pages.fill(null, op.a + newN, op.a + n);
        const last = pages[op.a + n - 1]!;
        for (let i = n; i < newN; i++) {
          assert.equal(pages[op.a + i], null);
          // Growing a shared anonymous mapping shows what is beyond its object: nothing.
          pages[op.a + i] = {
            prot: last.prot,
            shared: last.shared,
            filePage: last.filePage >= 0 ? last.filePage + (i - n + 1) : last.shared ? FILE_PAGES : -1,
            cell: last.filePage >= 0 || last.shared ? null : new Uint8Array(W),
          };
          if (last.filePage < 0 && last.shared) {
            // Whether something is there depends on how the object was cut before: take it out of the game.
            assert.equal(mm.munmap(addr + i * P, P), 0);
            pages[op.a + i] = null;
          }
        }
        break;
      }
      case "write": {
        if (this.unspecified(pages[op.a]!)) break;
        const want = this.write(pages[op.a]!, op.byte, op.value);
        assert.equal(guestAccess(mm, addr + op.byte, true, op.value), want);
        break;
      }
      case "read":
        assert.equal(guestAccess(mm, addr + op.byte, false, 0), this.expectRead(pages[op.a]!, op.byte));
        break;
      case "copyOut": {
        if (this.unspecified(pages[op.a]!)) break;
        const want = this.write(pages[op.a]!, op.byte, op.value);
        const r = mm.copyOut(addr + op.byte, Uint8Array.of(op.value), 0, 1);
        assert.equal(r, want < 0 ? -EFAULT : 1);
        break;
      }
      case "dontneed": {
        let whole = true;
        for (let i = 0; i < n; i++) {
          const p = pages[op.a + i]!;
          if (p === null) whole = false;
          else if (!p.shared) p.cell = p.filePage >= 0 ? null : new Uint8Array(W);
        }
        assert.equal(mm.madvise(addr, n * P, MADV_DONTNEED), whole ? 0 : -12);
        break;
      }
      case "fork": {
        if (this.procs.length >= 4) break;
        const as = this.world.platform.newAddressSpace();
        assert.ok(typeof as !== "number");
        const child = mm.fork(as, this.world.limits);
        assert.ok(typeof child !== "number");
        assert.equal(child.flush(), 0);
        this.procs.push({
          mm: child,
          pages: pages.map((p) =>
            p === null
              ? null
              : { ...p, cell: p.cell === null ? null : p.shared ? p.cell : (p.cell.slice() as Uint8Array) },
          ),
        });
        break;
      }
      case "part":
        mm.partCompany();
        break;
      case "own":
        assert.equal(mm.ownPages(), 0);
        break;
      case "exit":
        if (this.procs.length > 1) {
          mm.decUsers();
          this.procs.splice(this.procs.indexOf(proc), 1);
        }
    }
  }

  /** Every page of every process, seen by the guest and by the kernel. */
  compare(): void {
    const buf = new Uint8Array(W);
    for (const { mm, pages } of this.procs) {
      checkMm(mm);
      for (let i = 0; i < N; i++) {
        const addr = BASE + i * P;
        const p = pages[i]!;
        assert.equal(mm.vmas.find(addr) !== null, p !== null);
        const want = this.expectRead(p, 0);
        assert.equal(guestAccess(mm, addr, false, 0), want, `page ${i}`);
        assert.equal(mm.copyIn(addr, buf, 0, W), want < 0 ? -EFAULT : W);
        if (want >= 0) for (let b = 0; b < W; b++) assert.equal(buf[b], this.expectRead(p, b), `page ${i} byte ${b}`);
      }
    }
  }

  end(): void {
    for (const { mm } of this.procs) mm.decUsers();
    assert.equal(this.world.memory.totalUsage(), 0);
    assert.deepEqual([this.file.pageRefs, this.file.mappings, this.file.mappedBytes, this.file.refs], [0, 0, 0, 0]);
  }
}

test("random memory calls of forking processes behave as the model", () => {
  fc.assert(
    fc.property(fc.array(opArb, { minLength: 5, maxLength: 60, size: "max" }), fc.boolean(), (ops, huge) => {
      const m = new Model(huge ? 2 * P : 0);
      for (const op of ops) {
        m.step(op);
        for (const { mm } of m.procs) checkMm(mm);
      }
      m.compare();
      m.end();
    }),
    { numRuns: 300 },
  );
});
