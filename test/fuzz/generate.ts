/**
 * Random sequences of operations for interp.c, made with fast-check.
 *
 * Arguments are drawn from few values (eight descriptors, five names, thirty pages), so that operations meet the results
 * of others; nothing tracks what is valid, because what is not must fail the same way everywhere.
 *
 * Left out on purpose, because Linux itself has several answers: what depends on the file system below (fallocate modes
 * other than KEEP_SIZE and PUNCH_HOLE, RENAME_WHITEOUT, RWF_NOWAIT, O_DIRECT, leases, link counts, sizes and end positions
 * of directories), on the processor (pages that can be executed and not read), on the kernel's version (mremap of several
 * mappings or to absurd lengths, AT_EMPTY_PATH of linkat, modes and owners of files without a name) or configuration
 * (MSG_OOB of unix sockets, huge pages), how full a nearly full pipe or socket is, when
 * MADV_FREE frees, and which thread takes a signal of its process.
 */
import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import type { Kind } from "./draw.ts";
import {
  ipcOperations,
  mountOperations,
  optionOperations,
  procOperations,
  timerOperations,
} from "./operations-more.ts";
import {
  descriptorOperations,
  fileOperations,
  memoryOperations,
  pathOperations,
  processOperations,
  socketOperations,
  watchOperations,
} from "./operations.ts";

/** One line of a sequence: the operation's name and its arguments. */
export type Operation = readonly string[];
/** What one process does. */
export type Sequence = readonly Operation[];

/** Makes a word of the mixed types above: hexadecimal text stays text. */
function operation(kinds: readonly Kind[]): Arbitrary<Operation> {
  return fc.oneof(
    ...kinds.map(({ name, weight, args }) => ({
      weight,
      arbitrary: fc.tuple(...args).map((values) => [name, ...values.map(String)]),
    })),
  );
}

/** What a sequence is mainly about: some families, in sequences of this many operations. */
function theme(most: number, ...families: readonly (readonly Kind[])[]): Arbitrary<Sequence> {
  return fc.array(operation(families.flat()), { minLength: 3, maxLength: most, size: "max" });
}

/** Starts with files, directories and pipes there, so that fewer operations find nothing. */
const prelude: Arbitrary<Sequence> = fc.subarray<Operation>(
  [
    ["open", "cwd", "a", "0102", "0644"],
    ["write", "0", "10000", "1"],
    ["mkdir", "cwd", "b", "0755"],
    ["open", "cwd", "b", "0200000", "0"],
    ["open", "cwd", "b/a", "02102", "0600"],
    ["pipe", "0"],
    ["socketpair", "1", "1", "0"],
    ["mmap", "0", "8", "3", "0x22", "-1", "0"],
    ["memfd", "m", "2"],
    ["symlink", "b", "cwd", "c"],
  ],
  { minLength: 2 },
);

/** Something watches from the start, and is read at the end. */
const watched: Arbitrary<Sequence> = fc
  .tuple(prelude, theme(60, watchOperations, pathOperations, pathOperations, descriptorOperations))
  .map(([start, rest]) => [
    ["inotify", "0"],
    ["watch", "0", ".", "0xfff"],
    ...start,
    ["watch", "0", "b", "0xfff"],
    ["watch", "0", "a", "0xfff"],
    ...rest,
    ["events", "0", "200000"],
  ]);

const unwatched: Arbitrary<Sequence> = fc
  .tuple(
    prelude,
    fc.oneof(
      theme(60, descriptorOperations, fileOperations),
      theme(60, pathOperations, descriptorOperations),
      theme(50, memoryOperations, memoryOperations, fileOperations, descriptorOperations),
      theme(60, socketOperations, descriptorOperations),
      theme(40, processOperations, processOperations, descriptorOperations),
      theme(
        80,
        descriptorOperations,
        fileOperations,
        pathOperations,
        memoryOperations,
        watchOperations,
        socketOperations,
        processOperations,
        ipcOperations,
        procOperations,
        optionOperations,
      ),
      theme(50, ipcOperations),
      theme(60, procOperations, descriptorOperations, pathOperations),
      theme(40, procOperations, processOperations, socketOperations),
      theme(50, timerOperations),
      theme(50, mountOperations),
      theme(60, mountOperations, pathOperations, descriptorOperations),
      theme(50, optionOperations, socketOperations),
    ),
  )
  .map(([start, rest]) => [...start, ...rest]);

/** Sequences of every kind. */
export const sequences: Arbitrary<Sequence> = fc.oneof(
  { arbitrary: unwatched, weight: 9 },
  { arbitrary: watched, weight: 1 },
);
