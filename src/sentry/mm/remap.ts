/** mremap(2). */
import { EAGAIN, EFAULT, EINVAL, ENOMEM } from "../../abi/errno.ts";
import { MAP_FIXED, MAX_MAP_COUNT, MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE, PROT_NONE } from "../../abi/mman.ts";
import { RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK } from "../../abi/resource.ts";
import { chooseAddress, isPageAligned, pageUp, populateVma, removeRange, wantsMemory } from "./map.ts";
import type { MemoryManager } from "./mm.ts";
import { linkPages, splitPagesAt, takePma } from "./pmas.ts";
import { type Pma, USERTRAP, VMF_GROWSDOWN, VMF_LOCKED, VMF_LOCKONFAULT, VMF_NORESERVE, type Vma } from "./vma.ts";
import { addVma, growVma, isData, isolateVma, mergeAround, setVma } from "./vmas.ts";

const HUGE = 2 ** 52;
/** Own memory up to this size is mapped anew when it is moved, instead of being moved with its page tables. */
const SHOW_MAX: number = 64 * 1024;

/** mremap(2): the new address, or -errno. */
export function mremap(
  mm: MemoryManager,
  addr: number,
  oldLength: number,
  newLength: number,
  flags: number,
  newAddr: number,
): number {
  if ((flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0) return -EINVAL;
  const fixed = (flags & MREMAP_FIXED) !== 0;
  const keepOld = (flags & MREMAP_DONTUNMAP) !== 0;
  if ((fixed || keepOld) && (flags & MREMAP_MAYMOVE) === 0) return -EINVAL;
  if (!isPageAligned(addr)) return -EINVAL;
  if (addr > HUGE) return -EFAULT;
  if (newLength > HUGE) return fixed ? -EINVAL : -ENOMEM;
  if (Number.isNaN(oldLength) || oldLength < 0) return -EINVAL;
  const oldLen = pageUp(oldLength);
  const newLen = pageUp(newLength);
  if (!(newLen > 0)) return -EINVAL;
  if (keepOld && oldLen !== newLen) return -EINVAL;
  if (fixed || keepOld) {
    if (!isPageAligned(newAddr) || newAddr > mm.taskSize - newLen) return -EINVAL;
    if (addr + oldLen > newAddr && newAddr + newLen > addr) return -EINVAL;
  }
  const vma = mm.vmas.find(addr);
  if (vma === null) return -EFAULT;
  // Nothing beyond user space could be unmapped.
  if (addr + oldLen > mm.taskSize) return newLen < oldLen ? -EINVAL : -EFAULT;

  if (oldLen === 0) {
    // A second mapping of the same shared pages.
    if (!vma.isShared) return -EINVAL;
    if ((flags & MREMAP_MAYMOVE) === 0) return -ENOMEM;
    return duplicate(mm, vma, addr, newLen, fixed ? newAddr : -1);
  }
  if (!fixed && !keepOld && newLen <= oldLen) {
    if (newLen < oldLen) removeRange(mm, addr + newLen, addr + oldLen, true, true);
    return addr;
  }
  // Moved and made shorter: what is behind the part that stays may be anything.
  if (addr + Math.min(oldLen, newLen) > vma.end) return -EFAULT;
  if (vma.mappable !== null && vma.offset + (addr - vma.start) + newLen > Number.MAX_SAFE_INTEGER) return -EINVAL;

  const grow = Math.max(0, newLen - oldLen) + (keepOld ? oldLen : 0);
  if (grow > 0) {
    if (mm.totalVm + grow > mm.limits.get(RLIMIT_AS)) return -ENOMEM;
    if (isData(vma.prot, vma.flags) && mm.dataVm + grow > mm.limits.get(RLIMIT_DATA)) return -ENOMEM;
    const wants = (vma.flags & VMF_NORESERVE) === 0 && wantsMemory(vma.prot, vma.flags, vma.mappable === null);
    if (wants && grow > mm.memory.ram) return -ENOMEM;
    if ((vma.flags & VMF_LOCKED) !== 0 && mm.lockedVm + grow > mm.limits.get(RLIMIT_MEMLOCK) && !mm.lockPrivileged) {
      return -EAGAIN;
    }
  }
  if (!fixed && !keepOld && addr + oldLen === vma.end) {
    // In place, if there is room.
    const next = vma.next;
    const end = addr + newLen;
    if (end <= mm.platform.maxAddress && (next === null || end <= next.start - next.guard)) {
      return growInPlace(mm, vma, addr, addr + oldLen, end);
    }
  }
  if ((flags & MREMAP_MAYMOVE) === 0) return -ENOMEM;
  // Splitting off the old range, and the new mapping.
  if (mm.vmas.count + 3 > MAX_MAP_COUNT) return -ENOMEM;
  let to = newAddr;
  if (fixed) {
    to = chooseAddress(mm, newAddr, newLen, MAP_FIXED);
    if (to < 0) return to === -ENOMEM ? -ENOMEM : -EINVAL;
    removeRange(mm, to, to + newLen, true);
  } else {
    to = chooseAddress(mm, newAddr, newLen, 0);
    if (to < 0) return to;
  }
  if (newLen < oldLen) removeRange(mm, addr + newLen, addr + oldLen, true);
  return moveRange(mm, addr, Math.min(oldLen, newLen), to, newLen, keepOld);
}

function growInPlace(mm: MemoryManager, vma: Vma, addr: number, oldEnd: number, end: number): number {
  const locked = (vma.flags & VMF_LOCKED) !== 0;
  const spare = vma.mappable === null && vma.prot !== PROT_NONE && !locked ? mm.spares.claim(oldEnd, end) : null;
  growVma(mm, vma, vma.start, end);
  const merged = mergeAround(mm, vma);
  if (spare !== null) {
    mm.spares.show(mm, merged, spare);
    return addr;
  }
  if (merged.prot !== PROT_NONE) {
    const r = populateVma(mm, merged, oldEnd, end, locked);
    if (r < 0) {
      removeRange(mm, oldEnd, end, true);
      return r;
    }
  }
  return addr;
}

/** Maps what a shared VMA maps from addr on at another place too. */
function duplicate(mm: MemoryManager, vma: Vma, addr: number, newLen: number, at: number): number {
  if (mm.vmas.count + 1 > MAX_MAP_COUNT) return -ENOMEM;
  if (mm.totalVm + newLen > mm.limits.get(RLIMIT_AS)) return -ENOMEM;
  const { prot, maxProt, flags, mappable, file, name } = vma;
  const offset = vma.offset + (addr - vma.start);
  let to = at;
  if (at >= 0) {
    to = chooseAddress(mm, at, newLen, MAP_FIXED);
    if (to < 0) return to;
    // The old VMA might be what is replaced: keep its file for a moment.
    if (file !== null) file.incRef();
    removeRange(mm, to, to + newLen, true);
    if (mm.vmas.find(addr) === null) {
      if (file !== null) file.decRef();
      return -EFAULT;
    }
  } else {
    to = chooseAddress(mm, 0, newLen, 0);
    if (to < 0) return to;
  }
  const dup = addVma(mm, to, to + newLen, prot, maxProt, flags, mappable, file, offset, name);
  if (at >= 0 && file !== null) file.decRef();
  if (prot !== PROT_NONE) populateVma(mm, dup, to, to + newLen, false);
  return to;
}

/** Moves [addr, addr+oldLen) of one VMA to `to`, where nothing is, and makes it newLen long. */
function moveRange(
  mm: MemoryManager,
  addr: number,
  oldLen: number,
  to: number,
  newLen: number,
  keepOld: boolean,
): number {
  // Removing the target range may have split the VMA that was found before.
  if (mm.vmas.find(addr)?.name === USERTRAP) return -EFAULT;
  mm.patches?.restore(addr, addr + oldLen);
  const v = mm.vmas.find(addr);
  if (v === null || v.end < addr + oldLen) return -EFAULT;
  const { start: wholeStart, end: wholeEnd } = v;
  const vma = isolateVma(mm, v, addr, addr + oldLen);
  const { prot, maxProt, mappable, file, offset, name } = vma;
  const moved = Math.min(oldLen, newLen);
  const oldFlags = vma.flags;
  const dst = addVma(mm, to, to + newLen, prot, maxProt, oldFlags & ~VMF_GROWSDOWN, mappable, file, offset, name);
  splitPagesAt(mm, addr + moved);
  let p = mm.pmas.lowerBound(addr);
  while (p !== null && p.start < addr + moved) {
    const next: Pma | null = p.next;
    const { start, off, prot: shown, shared, cow, anon, maxProt: most } = p;
    const { file: pages, mem } = p;
    let { huge } = p;
    const len = p.end - start;
    const at = to + (start - addr);
    takePma(mm, p);
    // The host joins neighbouring ranges of a memory file, so that each of ours can be moved as one; other files' it may not.
    // What is small and its own, a thread can show at the new place itself, for less than the page faults that this costs.
    if (mem !== null && (len > SHOW_MAX || mem.poolOf(off) !== mm.pool)) mm.as.move(start, len, at);
    else {
      huge = false;
      mm.as.mapFile(at, len, pages.backing, off, shown, shared, false);
      mm.as.unmap(start, len);
    }
    linkPages(mm, dst, at, len, pages, off, shown, shared, cow, anon, most, false, huge);
    p = next;
  }
  if (keepOld) {
    // Still mapped, but empty; pages of a file may come back at the next fault. What was locked is so no longer, all of it.
    if ((oldFlags & VMF_LOCKED) !== 0) unlock(mm, wholeStart, wholeEnd);
    else mergeAround(mm, mm.vmas.find(addr)!);
  } else removeRange(mm, addr, addr + oldLen, true);
  if (newLen > oldLen && prot !== PROT_NONE) {
    const grown = mm.vmas.find(to)!;
    const r = populateVma(
      mm,
      grown,
      to + moved,
      to + newLen,
      (oldFlags & (VMF_LOCKED | VMF_LOCKONFAULT)) === VMF_LOCKED,
    );
    if (r < 0) return r;
  }
  return to;
}

/** The mappings in [start, end) are locked no longer. */
function unlock(mm: MemoryManager, start: number, end: number): void {
  for (let v = mm.vmas.lowerBound(start); v !== null && v.start < end; v = v.next) {
    setVma(mm, v, v.prot, v.flags & ~(VMF_LOCKED | VMF_LOCKONFAULT));
    v = mergeAround(mm, v);
  }
}
