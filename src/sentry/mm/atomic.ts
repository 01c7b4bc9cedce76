/** Futex words: where they are, and atomic operations on them against guest threads that run at the same time. */
import { EFAULT, EINVAL } from "../../abi/errno.ts";
import { PROT_WRITE } from "../../abi/mman.ts";
import { locate, readSmall, small, smallU32 } from "./access.ts";
import type { FutexLocation, MemoryManager } from "./mm.ts";

/** FUTEX_OP_*: futex(2). */
const OP_SET = 0;
const OP_ADD = 1;
const OP_OR = 2;
const OP_ANDN = 3;
const OP_XOR = 4;

let nextId = 1;
const objectIds = new WeakMap<object, number>();

/** A number that no other address space or shared object has. */
export function newId(): number {
  return nextId++;
}

function idOf(object: object): number {
  let id = objectIds.get(object);
  if (id === undefined) {
    id = nextId++;
    objectIds.set(object, id);
  }
  return id;
}

/** See MemoryManager.futexLocate. */
export function futexLocate(mm: MemoryManager, addr: number, shared: boolean, out: FutexLocation): number {
  if ((addr & 3) !== 0) return -EINVAL;
  if (addr >= mm.taskSize) return -EFAULT;
  out.id = mm.id;
  out.offset = addr;
  if (!shared) return 0;
  // The page must be there; whose it is depends on the mapping.
  if (locate(mm, addr, false, 4) === null) return -EFAULT;
  const vma = mm.vmas.find(addr);
  if (vma === null) return -EFAULT;
  // Nobody could ever change it.
  if (vma.mappable === null && (vma.prot & PROT_WRITE) === 0) return -EFAULT;
  if (vma.mappable !== null && vma.isShared) {
    out.id = idOf(vma.mappable);
    out.offset = vma.offset + (addr - vma.start);
  }
  return 0;
}

/** The word at addr (4-aligned) into mm.value: 0 or -EFAULT. */
export function atomicLoad32(mm: MemoryManager, addr: number): number {
  const p = locate(mm, addr, false, 4);
  if (p === null) return -EFAULT;
  if (p.mem !== null) {
    mm.value = Atomics.load(p.mem.words, (p.off + (addr - p.start)) / 4) >>> 0;
    return 0;
  }
  if (readSmall(mm, addr, 4) < 0) return -EFAULT;
  mm.value = smallU32(0);
  return 0;
}

/** Stores `desired` if the word is `expected`; the old word into mm.value. 0 or -EFAULT. */
export function atomicCas32(mm: MemoryManager, addr: number, expected: number, desired: number): number {
  const p = locate(mm, addr, true, 4);
  if (p === null) return -EFAULT;
  const o = p.off + (addr - p.start);
  if (p.mem !== null) {
    mm.value = Atomics.compareExchange(p.mem.words, o / 4, expected | 0, desired | 0) >>> 0;
    return 0;
  }
  // A word in a shared mapping of a host file: not atomic against guest threads, but the best that file calls can do.
  if (p.file.readAt(small, 0, 4, o) < 4) return -EFAULT;
  mm.value = smallU32(0);
  if (mm.value !== expected >>> 0) return 0;
  return storeSmall(p.file, desired, o);
}

/** Applies FUTEX_OP_* `op` with `operand`; the old word into mm.value. 0, -EFAULT, -EINVAL (unknown op). */
export function atomicRmw32(mm: MemoryManager, addr: number, op: number, operand: number): number {
  if (op < OP_SET || op > OP_XOR) return -EINVAL;
  const p = locate(mm, addr, true, 4);
  if (p === null) return -EFAULT;
  const o = p.off + (addr - p.start);
  if (p.mem === null) {
    if (p.file.readAt(small, 0, 4, o) < 4) return -EFAULT;
    mm.value = smallU32(0);
    return storeSmall(p.file, apply(op, mm.value, operand), o);
  }
  const w = p.mem.words;
  const i = o / 4;
  switch (op) {
    case OP_SET:
      mm.value = Atomics.exchange(w, i, operand | 0) >>> 0;
      break;
    case OP_ADD:
      mm.value = Atomics.add(w, i, operand | 0) >>> 0;
      break;
    case OP_OR:
      mm.value = Atomics.or(w, i, operand | 0) >>> 0;
      break;
    case OP_ANDN:
      mm.value = Atomics.and(w, i, ~operand) >>> 0;
      break;
    default:
      mm.value = Atomics.xor(w, i, operand | 0) >>> 0;
  }
  return 0;
}

function apply(op: number, old: number, operand: number): number {
  switch (op) {
    case OP_SET:
      return operand;
    case OP_ADD:
      return old + operand;
    case OP_OR:
      return old | operand;
    case OP_ANDN:
      return old & ~operand;
    default:
      return old ^ operand;
  }
}

function storeSmall(
  file: { writeAt(src: Uint8Array, off: number, len: number, offset: number): number },
  v: number,
  o: number,
): number {
  small[0] = v & 255;
  small[1] = (v >>> 8) & 255;
  small[2] = (v >>> 16) & 255;
  small[3] = (v >>> 24) & 255;
  return file.writeAt(small, 0, 4, o) < 4 ? -EFAULT : 0;
}
