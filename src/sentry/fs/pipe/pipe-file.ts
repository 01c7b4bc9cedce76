/** File descriptions of pipes and FIFOs; pipe2(2), fifo(7). */
import { EAGAIN, EINVAL, ENXIO } from "../../../abi/errno.ts";
import { O_ACCMODE, O_DIRECT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from "../../../abi/fcntl.ts";
import { FIONREAD } from "../../../abi/ioctl.ts";
import { S_IFIFO } from "../../../abi/stat.ts";
import { EV_IN, EV_OUT } from "../../../base/waiter.ts";
import type { WaitQueue } from "../../../base/waiter.ts";
import type { Credentials } from "../../auth/credentials.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { AnonInode } from "../../vfs/anon.ts";
import { FMODE_READ, FMODE_WRITE, FileDescription } from "../../vfs/file.ts";
import type { IoctlContext } from "../../vfs/file.ts";
import type { Inode } from "../../vfs/inode.ts";
import type { SpecialOpener, VirtualFileSystem } from "../../vfs/vfs.ts";
import { Pipe } from "./pipe.ts";

/** Which counter an open still waits for. */
const WAIT_NONE = 0;
const WAIT_WRITER = 1;
const WAIT_READER = 2;

/** One open end (or, for FIFOs opened O_RDWR, both). */
export class PipeFile extends FileDescription {
  readonly pipe: Pipe;
  private readonly ends: number;
  /** A FIFO, whose times change. */
  private readonly isNamed: boolean;
  noWait = false;
  private waitsFor: number = WAIT_NONE;
  private waitCount = 0;
  /** writerOpens when opened: no hang-up is reported before the first writer came. */
  private seenWriters = -1;

  /** `ends`: FMODE_READ, FMODE_WRITE or both; counts itself as open. */
  constructor(pipe: Pipe, ends: number, isNamed: boolean) {
    super();
    this.pipe = pipe;
    this.ends = ends;
    this.isNamed = isNamed;
    if ((ends & FMODE_READ) !== 0) pipe.openReader();
    if ((ends & FMODE_WRITE) !== 0) pipe.openWriter();
  }

  protected override release(): void {
    this.pipe.close(this.ends);
  }

  /** Made by pipe(2), and never spliced: splicing always waits for whoever uses the pipe. */
  override get takesNoWait(): boolean {
    return this.noWait;
  }

  spliced(): void {
    this.noWait = false;
  }

  /** The open of a FIFO's reading end: waits for a writer unless `nonblock`. */
  expectWriter(nonblock: boolean): void {
    if (this.pipe.writers > 0) return;
    this.seenWriters = this.pipe.writerOpens;
    if (nonblock) return;
    this.waitsFor = WAIT_WRITER;
    this.waitCount = this.pipe.writerOpens;
  }

  /** The open of a FIFO's writing end. */
  expectReader(): void {
    if (this.pipe.readers > 0) return;
    this.waitsFor = WAIT_READER;
    this.waitCount = this.pipe.readerOpens;
  }

  override openWait(): WaitQueue | null {
    if (this.waitsFor === WAIT_NONE) return null;
    const pipe = this.pipe;
    const count = this.waitsFor === WAIT_WRITER ? pipe.writerOpens : pipe.readerOpens;
    if (count === this.waitCount) return pipe.queue;
    this.waitsFor = WAIT_NONE;
    return null;
  }

  override read(seq: IoSequence): number {
    const n = this.pipe.read(seq);
    if (n > 0) {
      if (this.isNamed) this.accessed();
    } else if (n === -EAGAIN && (this.statusFlags & O_NONBLOCK) !== 0) this.pipe.signalWriters();
    return n;
  }

  override write(seq: IoSequence): number {
    const n = this.pipe.write(seq, (this.statusFlags & O_DIRECT) !== 0);
    if (n > 0) {
      if (this.isNamed) this.inode?.touchModified();
    } else if (n === -EAGAIN && (this.statusFlags & O_NONBLOCK) !== 0) this.pipe.signalReaders();
    return n;
  }

  override readiness(): number {
    let ev = 0;
    if ((this.ends & FMODE_READ) !== 0) ev |= this.pipe.readEvents(this.seenWriters);
    if ((this.ends & FMODE_WRITE) !== 0) ev |= this.pipe.writeEvents();
    return ev;
  }

  override waitQueue(): WaitQueue {
    return this.pipe.queue;
  }

  override asyncQueue(): WaitQueue {
    return this.pipe.signals();
  }

  override asyncEvents(): number {
    return ((this.ends & FMODE_READ) !== 0 ? EV_IN : 0) | ((this.ends & FMODE_WRITE) !== 0 ? EV_OUT : 0);
  }

  override bytesReadable(): number {
    return this.pipe.length;
  }

  override ioctl(ctx: IoctlContext, request: number, arg: number): number {
    if (request === FIONREAD) return ctx.mm.writeU32(arg, this.pipe.length);
    return super.ioctl(ctx, request, arg);
  }
}

/** The pipe behind a description, or null (F_SETPIPE_SZ, splice, tee: EBADF/EINVAL). */
export function pipeOf(file: FileDescription): Pipe | null {
  return file instanceof PipeFile ? file.pipe : null;
}

/** Both ends of a new pipe. */
export interface PipePair {
  readonly read: FileDescription;
  readonly write: FileDescription;
}

/** pipe2(2). flags: O_NONBLOCK, O_DIRECT count. Each end has one reference. */
export function createPipe(vfs: VirtualFileSystem, flags: number, creds: Credentials): PipePair {
  const fs = vfs.pipefs;
  const ino = vfs.newIno();
  const inode = new AnonInode(fs, ino, S_IFIFO | 0o600, creds.fsuid, creds.fsgid);
  const pipe = new Pipe();
  inode.special = pipe;
  const path = fs.newPath(`pipe:[${ino}]`, inode);
  const kept = flags & O_NONBLOCK;
  const read = new PipeFile(pipe, FMODE_READ, false);
  const write = new PipeFile(pipe, FMODE_WRITE, false);
  read.noWait = write.noWait = true;
  fs.attach(read, path, O_RDONLY | kept, FMODE_READ);
  // Packets are made by who writes.
  fs.attach(write, path, O_WRONLY | kept | (flags & O_DIRECT), FMODE_WRITE);
  return { read, write };
}

/** Opens FIFOs of any file system, and pipes again through /proc/PID/fd. The state hangs on the inode. */
export class FifoOpener implements SpecialOpener {
  open(inode: Inode, flags: number): FileDescription | number {
    let pipe = inode.special as Pipe | null;
    if (pipe === null) {
      pipe = new Pipe();
      inode.special = pipe;
    }
    const nonblock = (flags & O_NONBLOCK) !== 0;
    // Pipes without a name are open already: their opens do not wait.
    const isNamed = inode.fs !== inode.fs.vfs.pipefs;
    if ((flags & O_ACCMODE) === O_ACCMODE) return -EINVAL;
    switch (flags & O_ACCMODE) {
      case O_RDONLY: {
        const f = new PipeFile(pipe, FMODE_READ, isNamed);
        if (isNamed) f.expectWriter(nonblock);
        return f;
      }
      case O_WRONLY: {
        if (nonblock && isNamed && pipe.readers === 0) return -ENXIO;
        const f = new PipeFile(pipe, FMODE_WRITE, isNamed);
        if (isNamed && !nonblock) f.expectReader();
        return f;
      }
      case O_RDWR:
        return new PipeFile(pipe, FMODE_READ | FMODE_WRITE, isNamed);
      default:
        return -ENXIO;
    }
  }
}
