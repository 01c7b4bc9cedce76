/** execve(2) after path resolution: skeleton; filled in next. */
import type { Mappable } from "../memmap/memmap.ts";
import type { VmaFile } from "../memmap/vma-file.ts";
import type { MemoryManager } from "../mm/mm.ts";

/** An opened executable: what the loader needs of a file. */
export interface ExecutableFile {
  /** Bytes read (short at the end), or -errno. */
  pread(buf: Uint8Array, off: number, len: number, pos: number): number;
  size(): number;
  mappable(): Mappable | number;
  /** What VMAs keep. */
  readonly vmaFile: VmaFile;
  /** Gives the opened file back (mappings have references of their own). */
  close(): void;
}

/** Identity that the new program runs with. */
export class ExecIdentity {
  uid = 0;
  euid = 0;
  gid = 0;
  egid = 0;
  /** AT_SECURE: set-user-ID and the like. */
  secure = false;
}

/** What execve's caller provides. */
export interface LoadEnv {
  /** A fresh, empty address space, or -errno. */
  newMm(): MemoryManager | number;
  /** Opens an interpreter (of a script or an ELF file) for execution, with permission checks; or -errno. */
  openInterpreter(path: string): ExecutableFile | number;
  /** Fills `out` for the file that is finally executed (a script's interpreter counts). 0 or -errno. */
  identify(file: ExecutableFile, out: ExecIdentity): number;
  readonly random: { fill(buf: Uint8Array, off: number, len: number): void };
  /** False: no randomisation (personality ADDR_NO_RANDOMIZE). */
  readonly aslr: boolean;
  readonly vdso: Vdso | null;
  readonly hwcap: number;
  readonly hwcap2: number;
  readonly minSigStackSize: number;
}

/** The vDSO image, ready to be mapped. */
export interface Vdso {
  map(mm: MemoryManager): number;
}

/** A loaded program, not yet running. */
export interface LoadedProgram {
  readonly mm: MemoryManager;
  readonly entry: number;
  readonly sp: number;
  readonly identity: ExecIdentity;
  /** The file that is executed; the caller closes it. */
  readonly file: ExecutableFile;
}

/**
 * Loads `file` (opened for execution; taken over) named `filename` (latin1) into a new address space.
 * Returns -ENOEXEC, -ELIBBAD, -E2BIG, -ENOMEM, -ELOOP, -EACCES, -ENOENT, -EIO ...
 */
export function loadExecutable(
  _env: LoadEnv,
  _file: ExecutableFile,
  _filename: string,
  _argv: readonly string[],
  _envp: readonly string[],
): LoadedProgram | number {
  return -8;
}
