/**
 * The table of everything that is compiled from C: what build-native.ts builds.
 *
 * To add a target, add a row. `{node-api}` in a flag stands for the folder of the Node-API headers, `{src}` for the
 * target's own source folder.
 */

/** One file that the C compiler makes out of the sources of one folder. */
export interface NativeTarget {
  /** Short name, for messages and for choosing targets on the command line. */
  readonly name: string;
  /** Source folder, from the repository root; every file in it that ends in one of `extensions` is compiled. */
  readonly dir: string;
  /** Endings of the files to compile. */
  readonly extensions: readonly string[];
  /** Result, from the repository root. */
  readonly out: string;
  /** Flags after the common ones. */
  readonly flags: readonly string[];
  /** More folders whose files make the target stale when they change (headers). */
  readonly watch?: readonly string[];
  /** Libraries and other words that must follow the sources. */
  readonly libs?: readonly string[];
}

/** A static executable without libc. */
const FREESTANDING: readonly string[] = [
  "-static",
  "-nostdlib",
  "-ffreestanding",
  "-fno-stack-protector",
  "-fno-asynchronous-unwind-tables",
  "-fcf-protection=none",
  "-fpie",
  "-no-pie",
];

/** What every C file here must stand. */
export const commonFlags: readonly string[] = ["-O2", "-Wall", "-Wextra", "-Werror", "-std=gnu11", "-D_GNU_SOURCE"];

/** In build order. A target whose folder has no sources yet is skipped with a note. */
export const nativeTargets: readonly NativeTarget[] = [
  {
    // The Node-API addon: the host calls that Node itself does not offer.
    name: "addon",
    dir: "native/addon",
    extensions: [".c"],
    out: "build/tsvisor.node",
    flags: ["-shared", "-fPIC", "-fvisibility=hidden", "-I{node-api}", "-I{src}", "-pthread"],
    watch: ["native/include", "native/stub", "native/restore"],
  },
  {
    // The stub that lives in each guest address space: a freestanding static executable, no libc.
    name: "stub",
    dir: "native/stub",
    extensions: [".c", ".S"],
    out: "build/stub.elf",
    flags: [
      ...FREESTANDING,
      "-mno-red-zone",
      "-mgeneral-regs-only",
      "-I{src}",
      "-Wl,--build-id=none",
      "-Wl,-z,noexecstack",
      "-Wl,-T,{src}/stub.ld",
    ],
    watch: ["native/include"],
  },
  {
    // What becomes a process whose memory was kept: static, no libc, at addresses that no such process uses.
    name: "restore",
    dir: "native/restore",
    extensions: [".c"],
    out: "build/tsvisor",
    flags: [...FREESTANDING, "-Wl,--build-id=none", "-Wl,-z,noexecstack", "-Wl,-Ttext-segment=0x600000000000"],
  },
  {
    // The vDSO that the loader maps into every guest program.
    name: "vdso",
    dir: "native/vdso",
    extensions: [".c", ".S"],
    out: "build/vdso.so",
    flags: [
      "-shared",
      "-fPIC",
      "-nostdlib",
      "-ffreestanding",
      "-fno-stack-protector",
      "-fcf-protection=none",
      "-mgeneral-regs-only",
      "-I{src}",
      "-Wl,--build-id=none",
      "-Wl,--hash-style=both",
      "-Wl,-soname,linux-vdso.so.1",
      "-Wl,-z,max-page-size=4096",
      "-Wl,-z,noexecstack",
      "-fasynchronous-unwind-tables",
      "-Wl,-T,{src}/vdso.lds",
    ],
    watch: ["native/include"],
  },
];
