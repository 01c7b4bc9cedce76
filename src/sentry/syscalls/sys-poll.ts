/** poll(2), ppoll(2), select(2), pselect6(2). */
import { EBADF, EFAULT, EINTR, EINVAL, ERESTART_RESTARTBLOCK, ERESTARTNOHAND } from "../../abi/errno.ts";
import {
  POLLERR,
  POLLFD_SIZE,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  POLLRDBAND,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
} from "../../abi/poll.ts";
import { STICKY_TIMEOUTS } from "../../abi/prctl.ts";
import { RLIMIT_NOFILE } from "../../abi/resource.ts";
import { SIGSET_SIZE } from "../../abi/signal.ts";
import { readI64, readTimespec, writeTimespec, writeTimeval } from "../../abi/time.ts";
import { BLOCKED } from "../kernel/task.ts";
import type { Task } from "../kernel/task.ts";
import { setMask } from "../kernel/task-signals.ts";
import type { FileDescription } from "../vfs/file.ts";
import type { SyscallArgs } from "./args.ts";
import { full } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { ioFile } from "./file-util.ts";

/** Events of select's three sets. */
const READ_SET = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR;
const WRITE_SET = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR;
const EXCEPT_SET = POLLPRI;

/** `struct pollfd` arrays that do not fit into the kernel's scratch space. */
let pollBuf: Uint8Array = new Uint8Array(0);
let pollView: DataView = new DataView(pollBuf.buffer);

// Where a task keeps a call's facts between attempts: indices into t.state.
const ST_DEADLINE = 0;
/** pselect6, ppoll: where the remaining time goes; select: a timeval. 0 = nowhere. */
const ST_TIMEOUT_ADDR = 1;
/** 1: it is a struct timeval. */
const ST_IS_TIMEVAL = 2;

/**
 * Installs a temporary signal mask for the current call from a sigset_t at `addr`. The old one comes back when
 * the call ends, or behind the signal handler that interrupts it. 0 or -errno.
 */
export function useSignalMask(t: Task, addr: number, size: number): number {
  if (addr === 0) return 0;
  if (size !== SIGSET_SIZE) return -EINVAL;
  if (t.copyInStruct(addr, SIGSET_SIZE) < 0) return -EFAULT;
  const v = t.kernel.scratchView;
  t.savedMaskLo = t.maskLo;
  t.savedMaskHi = t.maskHi;
  t.restoreMask = true;
  setMask(t, v.getInt32(0, true), v.getInt32(4, true));
  return 0;
}

// --- poll ---

/**
 * One attempt over the pollfd array: the number of ready entries, written back; 0 when none is and the time is up;
 * BLOCKED after registering; -errno.
 */
function pollOnce(t: Task, addr: number, count: number, mayWait: boolean): number {
  const bytes = count * POLLFD_SIZE;
  let buf = t.kernel.scratch;
  let view = t.kernel.scratchView;
  if (bytes > buf.length) {
    if (bytes > pollBuf.length) {
      pollBuf = new Uint8Array(bytes);
      pollView = new DataView(pollBuf.buffer);
    }
    buf = pollBuf;
    view = pollView;
  }
  if (count > 0 && t.mm.copyInExact(addr, buf, 0, bytes) < 0) return -EFAULT;
  let ready = 0;
  for (let i = 0, at = 0; i < count; i++, at += POLLFD_SIZE) {
    const fd = view.getInt32(at, true);
    let revents = 0;
    if (fd >= 0) {
      const file = ioFile(t, fd);
      if (file === undefined) revents = POLLNVAL;
      else revents = file.readiness() & (view.getUint16(at + 4, true) | POLLERR | POLLHUP);
      if (revents !== 0) ready++;
    }
    view.setUint16(at + 6, revents, true);
  }
  if (ready === 0 && mayWait) {
    for (let i = 0, at = 0; i < count; i++, at += POLLFD_SIZE) {
      const file = ioFile(t, view.getInt32(at, true));
      const queue = file === undefined ? null : file.waitQueue();
      if (queue !== null) t.alsoBlockOn(queue, view.getUint16(at + 4, true) | POLLERR | POLLHUP);
    }
    return BLOCKED;
  }
  if (count > 0 && t.mm.copyOutExact(addr, buf, 0, bytes) < 0) return -EFAULT;
  return ready;
}

/** int poll(struct pollfd *fds, unsigned int nfds, int timeout_ms) */
export function poll(t: Task, a: SyscallArgs): number {
  const count = a.u32(1);
  if (count > t.group.limits.get(RLIMIT_NOFILE)) return -EINVAL;
  const timeout = a.i32(2);
  const r = pollOnce(t, a.ptr(0), count, timeout !== 0 && !t.timedOut);
  if (r !== BLOCKED) return r;
  if (t.attempt === 0) {
    t.restartState[0] = a.ptr(0);
    t.restartState[1] = count;
    t.restartState[2] = timeout < 0 ? Infinity : t.kernel.clock.monotonicNs() + timeout * 1e6;
    if (timeout > 0) t.setDeadline(t.restartState[2]!);
  }
  t.onInterrupted = pollInterrupted;
  return t.block(-EINTR);
}

function pollInterrupted(t: Task): number {
  t.restartFn = restartPoll;
  return -ERESTART_RESTARTBLOCK;
}

/** restart_syscall(2) after an interrupted poll: with the deadline of the first call. */
function restartPoll(t: Task): number {
  const s = t.restartState;
  const r = pollOnce(t, s[0]!, s[1]!, !t.timedOut);
  if (r !== BLOCKED) return r;
  if (t.attempt === 0) t.setDeadline(s[2]!);
  t.onInterrupted = pollInterrupted;
  return t.block(-EINTR);
}

/**
 * Attempt 0 of ppoll, pselect6 and select: reads the timeout at `addr` (0: none) into the state. 0 or -errno.
 * A timeout of zero is the deadline 0.
 */
function takeTimeout(t: Task, addr: number): number {
  const s = t.state;
  s[ST_TIMEOUT_ADDR] = addr;
  s[ST_IS_TIMEVAL] = 0;
  if (addr === 0) {
    s[ST_DEADLINE] = Infinity;
    return 0;
  }
  if (t.copyInStruct(addr, 16) < 0) return -EFAULT;
  const ns = readTimespec(t.kernel.scratchView, 0);
  if (ns < 0) return -EINVAL;
  s[ST_DEADLINE] = ns === 0 ? 0 : t.kernel.clock.monotonicNs() + ns;
  return 0;
}

/**
 * Writes the time that is left to where the timeout came from, unless personality(2) says STICKY_TIMEOUTS; errors do not
 * matter, except that the call then cannot be restarted.
 */
function giveRemaining(t: Task): number {
  const s = t.state;
  const addr = s[ST_TIMEOUT_ADDR]!;
  const deadline = s[ST_DEADLINE]!;
  if ((t.personality & STICKY_TIMEOUTS) !== 0) return -EINTR;
  if (addr === 0 || deadline === 0) return 0;
  const left = deadline - t.kernel.clock.monotonicNs();
  const ns = left > 0 ? left : 0;
  if (s[ST_IS_TIMEVAL] === 1) writeTimeval(t.kernel.scratchView, 0, ns);
  else writeTimespec(t.kernel.scratchView, 0, ns);
  return t.copyOutStruct(addr, 16);
}

function timedInterrupted(t: Task): number {
  return giveRemaining(t) < 0 ? -EINTR : -ERESTARTNOHAND;
}

/** Common end of an attempt of the calls that write their timeout back. */
function finishTimed(t: Task, r: number): number {
  if (r !== BLOCKED) {
    giveRemaining(t);
    return r;
  }
  if (t.attempt === 0) {
    const deadline = t.state[ST_DEADLINE]!;
    if (deadline !== Infinity) t.setDeadline(deadline);
  }
  t.onInterrupted = timedInterrupted;
  return t.block(-ERESTARTNOHAND);
}

/** int ppoll(struct pollfd *fds, unsigned int nfds, struct timespec *tmo, const sigset_t *mask, size_t size) */
export function ppoll(t: Task, a: SyscallArgs): number {
  if (t.attempt === 0) {
    const err = takeTimeout(t, a.ptr(2));
    if (err < 0) return err;
    const bad = useSignalMask(t, a.ptr(3), a.size(4));
    if (bad < 0) return bad;
  }
  const count = a.u32(1);
  const r =
    count > t.group.limits.get(RLIMIT_NOFILE)
      ? -EINVAL
      : pollOnce(t, a.ptr(0), count, t.state[ST_DEADLINE] !== 0 && !t.timedOut);
  return finishTimed(t, r);
}

// --- select ---

/** Most fds of one select: the size of the set buffers. */
const SELECT_WORDS = 1 << 15;
/** In the sets: what was asked; out: what is ready. In words of 32 fds. */
let inSets: Uint32Array = new Uint32Array(3 * 32);
let outSets: Uint32Array = new Uint32Array(3 * 32);
let inBytes: Uint8Array = new Uint8Array(inSets.buffer);
let outBytes: Uint8Array = new Uint8Array(outSets.buffer);

/** Fds that Linux' table would have room for: what lies beyond is not looked at. */
function tableSize(end: number): number {
  let size = 64;
  while (size < end) size *= 2;
  return size;
}

/** One attempt over the three sets: as pollOnce. */
function selectOnce(t: Task, nfds: number, rAddr: number, wAddr: number, eAddr: number, mayWait: boolean): number {
  if (nfds < 0) return -EINVAL;
  const most = tableSize(t.fds.everUsed);
  const n = nfds < most ? nfds : most;
  // Sets are arrays of longs.
  const bytes = ((n + 63) >> 6) * 8;
  const words = bytes >> 2;
  if (words > SELECT_WORDS) return -EINVAL;
  if (words * 3 > inSets.length) {
    inSets = new Uint32Array(words * 3);
    outSets = new Uint32Array(words * 3);
    inBytes = new Uint8Array(inSets.buffer);
    outBytes = new Uint8Array(outSets.buffer);
  }
  if (
    takeSet(t, rAddr, 0, bytes) < 0 ||
    takeSet(t, wAddr, bytes, bytes) < 0 ||
    takeSet(t, eAddr, 2 * bytes, bytes) < 0
  ) {
    return -EFAULT;
  }
  outSets.fill(0, 0, words * 3);
  let ready = 0;
  for (let w = 0; w < words; w++) {
    const rd = inSets[w]!;
    const wr = inSets[words + w]!;
    const ex = inSets[2 * words + w]!;
    let all = rd | wr | ex;
    while (all !== 0) {
      const bit = all & -all;
      all &= ~bit;
      const fd = w * 32 + 31 - Math.clz32(bit);
      if (fd >= n) break;
      const file = t.fds.get(fd);
      if (file === undefined) return -EBADF;
      // An O_PATH descriptor is ready for everything and fails then.
      const mask = file.isPath ? -1 : file.readiness();
      if ((rd & bit) !== 0 && (mask & READ_SET) !== 0) {
        outSets[w] = outSets[w]! | bit;
        ready++;
      }
      if ((wr & bit) !== 0 && (mask & WRITE_SET) !== 0) {
        outSets[words + w] = outSets[words + w]! | bit;
        ready++;
      }
      if ((ex & bit) !== 0 && (mask & EXCEPT_SET) !== 0) {
        outSets[2 * words + w] = outSets[2 * words + w]! | bit;
        ready++;
      }
    }
  }
  if (ready === 0 && mayWait) {
    registerSets(t, n, words);
    return BLOCKED;
  }
  if (
    giveSet(t, rAddr, 0, bytes) < 0 ||
    giveSet(t, wAddr, bytes, bytes) < 0 ||
    giveSet(t, eAddr, 2 * bytes, bytes) < 0
  ) {
    return -EFAULT;
  }
  return ready;
}

function registerSets(t: Task, n: number, words: number): void {
  for (let w = 0; w < words; w++) {
    const rd = inSets[w]!;
    const wr = inSets[words + w]!;
    const ex = inSets[2 * words + w]!;
    let all = rd | wr | ex;
    while (all !== 0) {
      const bit = all & -all;
      all &= ~bit;
      const fd = w * 32 + 31 - Math.clz32(bit);
      if (fd >= n) break;
      const file: FileDescription | undefined = t.fds.get(fd);
      const queue = file === undefined ? null : file.waitQueue();
      if (queue === null) continue;
      let mask = 0;
      if ((rd & bit) !== 0) mask |= READ_SET;
      if ((wr & bit) !== 0) mask |= WRITE_SET;
      if ((ex & bit) !== 0) mask |= EXCEPT_SET;
      t.alsoBlockOn(queue, mask);
    }
  }
}

function takeSet(t: Task, addr: number, at: number, bytes: number): number {
  if (addr === 0) {
    inBytes.fill(0, at, at + bytes);
    return 0;
  }
  return bytes === 0 ? 0 : t.mm.copyInExact(addr, inBytes, at, bytes);
}

function giveSet(t: Task, addr: number, at: number, bytes: number): number {
  return addr === 0 || bytes === 0 ? 0 : t.mm.copyOutExact(addr, outBytes, at, bytes);
}

/** int select(int n, fd_set *in, fd_set *out, fd_set *ex, struct timeval *tvp) */
export function select(t: Task, a: SyscallArgs): number {
  if (t.attempt === 0) {
    const s = t.state;
    const addr = a.ptr(4);
    s[ST_TIMEOUT_ADDR] = addr;
    s[ST_IS_TIMEVAL] = 1;
    s[ST_DEADLINE] = Infinity;
    if (addr !== 0) {
      if (t.copyInStruct(addr, 16) < 0) return -EFAULT;
      const ns = selectTimeval(t.kernel.scratchView);
      if (ns < 0) return -EINVAL;
      s[ST_DEADLINE] = ns === 0 ? 0 : t.kernel.clock.monotonicNs() + ns;
    }
  }
  return finishSelect(t, a);
}

/** ns of the timeval at 0; microseconds beyond a second count, negative values are malformed (-1). */
function selectTimeval(v: DataView): number {
  const sec = readI64(v, 0);
  const usec = readI64(v, 8);
  const whole = sec + Math.floor(usec / 1e6);
  const rest = usec - Math.floor(usec / 1e6) * 1e6;
  if (whole < 0 || rest < 0) return -1;
  return whole > 4e9 ? 4e18 : whole * 1e9 + rest * 1000;
}

function finishSelect(t: Task, a: SyscallArgs): number {
  const mayWait = t.state[ST_DEADLINE] !== 0 && !t.timedOut;
  return finishTimed(t, selectOnce(t, a.i32(0), a.ptr(1), a.ptr(2), a.ptr(3), mayWait));
}

/** int pselect6(int n, fd_set *in, fd_set *out, fd_set *ex, struct timespec *tsp, struct { const sigset_t *ss; size_t len; } *sig) */
export function pselect6(t: Task, a: SyscallArgs): number {
  if (t.attempt === 0) {
    let maskAddr = 0;
    let maskSize = 0;
    const sig = a.ptr(5);
    if (sig !== 0) {
      if (t.copyInStruct(sig, 16) < 0) return -EFAULT;
      const v = t.kernel.scratchView;
      maskAddr = v.getUint32(4, true) * 4294967296 + v.getUint32(0, true);
      maskSize = v.getUint32(12, true) * 4294967296 + v.getUint32(8, true);
    }
    const err = takeTimeout(t, a.ptr(4));
    if (err < 0) return err;
    const bad = useSignalMask(t, maskAddr, maskSize);
    if (bad < 0) return bad;
  }
  return finishSelect(t, a);
}

/** The calls of this file, for the table. */
export const pollSyscalls: readonly SyscallEntry[] = [
  full("poll", poll),
  full("ppoll", ppoll),
  full("select", select),
  full("pselect6", pselect6),
];
