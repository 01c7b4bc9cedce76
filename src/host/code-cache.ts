/**
 * Compiled code to start from. A bundle is run by a loader (tools/build.ts) that gives V8 the code cache beside it; the
 * build makes that cache from a sandbox that it runs once ("training"), so that it has the functions that a start needs and
 * no others.
 */

import { complain } from "./output.ts";

/** V8's option, and what we set it to: how often a function is called before V8 optimizes it. */
export const OPTIMIZE_AFTER: string = "--invocation-count-for-turbofan";
export const CALLS_TO_OPTIMIZE: number = 30000;

/**
 * V8's options for our processes (bin/tsvisor has them for the command line): a cache is good for those alone that it was made
 * with.
 *
 * The seed of hashes stays the one in Node's snapshot: choosing another one and hashing everything in it anew is a fifth of a
 * start. Who knows the seed can make names that collide, and so slow down a sandbox, his own.
 *
 * A process that is forked (Host.fork) has one thread, which optimizes code itself: functions are to be ten times as busy as V8
 * has it before that takes a millisecond or two of each, so that programs that run for a second do not pay for one that runs
 * for an hour.
 *
 * Old objects are first collected when there are 64 MiB of them (they are 10 after a start). V8 marks them in small steps, from
 * tasks of an event loop that the Sentry has not: a marking takes a quarter of a second, in which all code is slower by a
 * third, and without this option the first one came half a second after the start.
 *
 * What all inodes and all open files have in common is read by the same code, which meets the shapes of all their classes: four of them,
 * and V8 looks for the field in a table of the whole process (5 ns each, some 50 times in an open with its close). With 16 it
 * compiles comparisons.
 *
 * V8 asks the event loop to collect young objects when it is idle, and after each collection once more. We have no such loop: what it
 * is asked stays in its queue.
 */
export const NODE_OPTIONS: readonly string[] = [
  "--no-rehash-snapshot",
  "--single-threaded",
  `${OPTIMIZE_AFTER}=${CALLS_TO_OPTIMIZE}`,
  "--initial-old-space-size=64",
  "--max-valid-polymorphic-map-count=16",
  "--no-minor-gc-task",
];

/**
 * More of them, for processes whose memory becomes an image (image.unsafe.ts): what is compiled stays, and so do the shapes of objects
 * that optimized code knows, as long as there are classes for them; garbage can be collected when we want it. The young
 * generation is small, since most of it is touched, and every process made from an image touches it again.
 */
export const IMAGE_OPTIONS: readonly string[] = [
  "--no-flush-bytecode",
  "--retain-maps-for-n-gc=100000",
  "--expose-gc",
  "--max-semi-space-size=4",
];

/** In the environment while the build trains, with one of the two values that follow. */
export const TRAINING = "TSVISOR_TRAINING";

/** A run that is to end with code caches. */
export const TRAIN_CACHES = "cache";

/** A run that is to end with process images (image.unsafe.ts). */
export const TRAIN_IMAGES = "image";

/** What one process tells on its standard error in training: this, its name, and the cache in base64. */
export const CACHE_LINE = "tsvisor-code-cache";

/** Whether the build trains. */
export function isTraining(): boolean {
  return process.env[TRAINING] !== undefined;
}

/** At the end of the program `name`: in training, the compiled code goes to standard error. */
export function reportCodeCache(name: string): void {
  const make: unknown = Reflect.get(globalThis, "tsvisorCodeCache");
  if (typeof make !== "function") return;
  const cache = Reflect.apply(make, undefined, []) as Buffer;
  complain(`\n${CACHE_LINE} ${name} ${cache.toString("base64")}\n`);
}
