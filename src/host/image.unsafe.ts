/**
 * Process images. A process of ours that starts from nothing has Node to start, a bundle to load, and its code to optimize while the
 * guest waits. Its image is the memory of one that has done all that: a training run of the build (tools/image.ts) runs each program,
 * stops it when it has ended, and keeps what it has in memory. Later processes are made from that (native/restore): they go on
 * where the trained one stopped, with arguments and an environment of their own, and run the program again.
 *
 * An image is good for one machine's kernel and kind of processor, and for the very files that were mapped. Without one that is fit
 * everything works as if there were none.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { getHeapCodeStatistics, setFlagsFromString } from "node:v8";
import { RLIMIT_NOFILE } from "../abi/resource.ts";
import { loadAddon } from "./addon.unsafe.ts";
import { CALLS_TO_OPTIMIZE, OPTIMIZE_AFTER, TRAIN_IMAGES, TRAINING } from "./code-cache.ts";
import type { Host } from "./host.ts";
import { linuxHost } from "./linux.unsafe.ts";
import { packageRoot } from "./package-root.ts";

/** The programs that have images. */
export type ImageName = "cli" | "boot" | "gofer";

interface Native {
  /** Collects all garbage. 0 or -errno. */
  collect(): number;
  /** The arguments of the process that goes on, argv[0] included; -errno: this one cannot be frozen. */
  freeze(name: string): string[] | number;
}

/** Made by tools/build.ts for each bundle: all its classes. */
declare function tsvisorClasses(): unknown[];

/** In training, time is not the guest's. */
const TRAINING_CALLS = 200;

/** Built-in classes of objects in fields of ours. */
const BUILT_IN: readonly unknown[] = [
  ArrayBuffer,
  Array,
  DataView,
  Error,
  Float64Array,
  Function,
  Int32Array,
  Map,
  Object,
  Set,
  Uint32Array,
  Uint8Array,
  WeakMap,
];

let fromImage = false;

/** Whether this process will freeze at its end. Then it has no system call filter, which would not let it. */
export function willFreeze(): boolean {
  return process.env[TRAINING] === TRAIN_IMAGES;
}

/** Where the image of a program is kept. */
export function imagePath(name: ImageName): string {
  return join(packageRoot(), "dist", `${name}.image`);
}

/** The program that makes a process from an image. */
export function restorePath(): string {
  return join(packageRoot(), "build", "tsvisor");
}

/** Whether processes of `name` are to be made from its image: true in processes that were made from one themselves. */
export function canUseImage(name: ImageName): boolean {
  return fromImage && existsSync(imagePath(name));
}

/**
 * Collects garbage, but not the shapes of objects that optimized code knows: V8 keeps those of which no object is left only as long
 * as their constructors are roots, as the arguments of a running function are, and throws the code away otherwise.
 */
function collect(native: Native, ...constructors: unknown[]): number {
  native.collect();
  return constructors.length;
}

/** As Node does when it starts: as many descriptors as this process may have, and its children. */
function raiseDescriptorLimit(host: Host): void {
  const limits = new Float64Array(2);
  if (host.getrlimit(RLIMIT_NOFILE, limits) >= 0) host.setrlimit(RLIMIT_NOFILE, limits[1]!, limits[1]!);
}

/**
 * Runs a program to its end, and ends the process with its exit status; `run` gets the arguments behind the program's name. In a
 * training run the process freezes instead, and this is where those go on that are made from its image.
 */
export function runProgram(name: ImageName, args: readonly string[], run: (args: readonly string[]) => number): never {
  const host = linuxHost();
  for (;;) {
    if (willFreeze()) {
      setFlagsFromString(`${OPTIMIZE_AFTER}=${TRAINING_CALLS}`);
      // What runs once in each process gets inline caches, too.
      setFlagsFromString("--no-lazy-feedback-allocation");
    }
    const status = run(args);
    if (!willFreeze()) host.exitNow(status);
    setFlagsFromString(`${OPTIMIZE_AFTER}=${CALLS_TO_OPTIMIZE}`);
    setFlagsFromString("--lazy-feedback-allocation");
    // Node remembers the working directory until it changes.
    if (name === "cli") process.chdir("/");
    const native = loadAddon<Native>();
    collect(native, ...tsvisorClasses(), ...BUILT_IN);
    // Who asks what is on V8's pages makes it sweep them, which each process made from the image would do otherwise.
    getHeapCodeStatistics();
    const next = native.freeze(name);
    if (typeof next === "number") return host.exitNow(status);
    fromImage = true;
    if (name === "cli") raiseDescriptorLimit(host);
    args = next.slice(1);
  }
}

/**
 * At the start of the command line, in a training run: only what has a single thread can be frozen. A copy of this process has, and
 * goes on; this process ends after it.
 */
export function standAlone(): void {
  if (!willFreeze()) return;
  const host = linuxHost();
  const env = { ...process.env };
  const { pid } = host.fork(0, [], [0, 1, 2], [0, 1, 2]);
  if (pid !== 0) {
    host.wait4(pid, 0, new Int32Array(1));
    host.exitNow(0);
  }
  Object.assign(process.env, env);
}
