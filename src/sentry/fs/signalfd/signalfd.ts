/** signalfd(2). */
import { EAGAIN, EINVAL } from "../../../abi/errno.ts";
import { SFD_NONBLOCK, SIGNALFD_SIGINFO_SIZE } from "../../../abi/eventfd.ts";
import { O_RDWR } from "../../../abi/fcntl.ts";
import { EV_IN } from "../../../base/waiter.ts";
import type { WaitQueue } from "../../../base/waiter.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { sharedAnonPath } from "../../vfs/anon.ts";
import { FMODE_READ, FMODE_WRITE, FileDescription } from "../../vfs/file.ts";
import type { VirtualFileSystem } from "../../vfs/vfs.ts";

/** Pending signals of whoever calls: the kernel answers for the task whose system call runs. */
export interface SignalSource {
  /** Whether the caller has a pending signal of the set. */
  isPending(lo: number, hi: number): boolean;
  /** Takes one out and writes its struct signalfd_siginfo (128 bytes, all of them) at `off`; false when there is none. */
  take(lo: number, hi: number, out: DataView, off: number): boolean;
  /** Notified (EV_IN) when a signal is queued for the caller. */
  queue(): WaitQueue;
}

const record: Uint8Array = new Uint8Array(SIGNALFD_SIGINFO_SIZE);
const recordView: DataView = new DataView(record.buffer);

/** Reads signals of a set instead of having them delivered. */
export class SignalFile extends FileDescription {
  private readonly source: SignalSource;
  /** The set; SIGKILL and SIGSTOP are the syscall layer's to mask out. */
  maskLo = 0;
  maskHi = 0;

  constructor(source: SignalSource, lo: number, hi: number) {
    super();
    this.source = source;
    this.maskLo = lo;
    this.maskHi = hi;
  }

  override get hasRecords(): boolean {
    return true;
  }

  override read(seq: IoSequence): number {
    if (seq.room < SIGNALFD_SIGINFO_SIZE) return -EINVAL;
    let done = 0;
    while (seq.room >= SIGNALFD_SIGINFO_SIZE) {
      if (!this.source.take(this.maskLo, this.maskHi, recordView, 0)) break;
      const n = seq.writeRecord(record, SIGNALFD_SIGINFO_SIZE);
      if (n < 0) return done > 0 ? done : n;
      done += SIGNALFD_SIGINFO_SIZE;
    }
    return done === 0 ? -EAGAIN : done;
  }

  /** signalfd4 on an existing descriptor replaces its set. */
  setMask(lo: number, hi: number): void {
    this.maskLo = lo;
    this.maskHi = hi;
    if (this.readiness() !== 0) this.source.queue().notify(EV_IN);
  }

  override fdInfo(): string {
    const half = (n: number): string => (n >>> 0).toString(16).padStart(8, "0");
    return `sigmask:\t${half(this.maskHi)}${half(this.maskLo)}\n`;
  }

  override readiness(): number {
    return this.source.isPending(this.maskLo, this.maskHi) ? EV_IN : 0;
  }

  override waitQueue(): WaitQueue {
    return this.source.queue();
  }
}

/** signalfd4(2) with fd -1. flags: SFD_NONBLOCK counts. */
export function createSignalfd(
  vfs: VirtualFileSystem,
  source: SignalSource,
  lo: number,
  hi: number,
  flags: number,
): SignalFile {
  const f = new SignalFile(source, lo, hi);
  vfs.anon.attach(
    f,
    sharedAnonPath(vfs, "anon_inode:[signalfd]"),
    O_RDWR | (flags & SFD_NONBLOCK),
    FMODE_READ | FMODE_WRITE,
  );
  return f;
}
