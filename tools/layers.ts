/**
 * The import table: which folder of src/ may import which. check-layers.ts enforces it; docs/architecture.md says why.
 *
 * A unit is a folder below src/ with all files in it, except files that belong to a longer unit name. The arrows point
 * down only; what is not listed is an error, and a folder without a row is one too. Rows should shrink, not grow: before
 * you add an entry, see whether the type you need belongs in a leaf.
 */

/** What the files of one unit may import. */
export interface Layer {
  /** Units (a unit may always import itself). An entry that ends in `/*` stands for every unit below that folder. */
  readonly may: readonly string[];
  /** Single files of other units, from src/ (contracts that are looser than their folder). */
  readonly mayFiles?: readonly string[];
  /** Whether `node:*` modules may be imported. */
  readonly node?: boolean;
  /** More units that only its tests (`*.test.ts`, `*.testing.ts`) may import. */
  readonly tests?: readonly string[];
}

const L0 = ["base", "abi"];
/** Types and small services of the kernel that everything above shares. */
const leaves = [
  "sentry/auth",
  "sentry/limits",
  "sentry/uniqueid",
  "sentry/time",
  "sentry/memmap",
  "sentry/usermem",
] as const;
const kernelBase = [...L0, "arch", ...leaves];
/** The kernel and everything in it, for what sits on top of it. */
const wholeKernel = [
  ...kernelBase,
  "sentry/pgalloc",
  "sentry/vfs",
  "sentry/mm",
  "sentry/loader",
  "sentry/fs/*",
  "sentry/ipc",
  "sentry/kernel",
  "sentry/kernelfs",
  "sentry/socket",
  "sentry/socket/*",
];
const fsBase = [...kernelBase, "sentry/pgalloc", "sentry/vfs", "sentry/fs/kernfs"];

/** Contracts of the layers below that the Sentry may know without knowing who implements them. */
const hostContract = "host/host.ts";
const platformContract = "platform/platform.ts";

/** The table. */
export const layers: Readonly<Record<string, Layer>> = {
  base: { may: [] },
  abi: { may: ["base"] },
  arch: { may: L0 },
  host: { may: [...L0, "arch"], node: true },
  p9: { may: L0 },
  netstack: { may: ["base"] },
  control: { may: ["base"], mayFiles: [hostContract] },

  // The contract and what all platforms share; each platform in a folder of its own.
  platform: { may: [...L0, "arch", "host"], tests: ["platform/*"] },
  "platform/stub": { may: [...L0, "arch", "host", "platform"] },
  "platform/ptrace": { may: [...L0, "arch", "host", "platform", "platform/stub"] },
  "platform/systrap": { may: [...L0, "arch", "host", "platform", "platform/stub"] },
  "platform/kvm": { may: [...L0, "arch", "host", "platform"] },

  "sentry/auth": { may: L0 },
  "sentry/limits": { may: L0 },
  "sentry/uniqueid": { may: L0 },
  "sentry/time": { may: L0, mayFiles: [hostContract] },
  "sentry/memmap": { may: [...L0, "arch"], mayFiles: [platformContract] },
  "sentry/usermem": { may: [...L0, "arch", "sentry/memmap"], mayFiles: [hostContract] },
  "sentry/pgalloc": { may: kernelBase, mayFiles: [hostContract, platformContract] },
  "sentry/vfs": { may: kernelBase, mayFiles: [hostContract] },
  "sentry/mm": { may: [...kernelBase, "sentry/pgalloc", "sentry/vfs"], mayFiles: [hostContract, platformContract] },
  "sentry/loader": { may: [...kernelBase, "sentry/mm", "sentry/vfs"] },

  // File systems that know nothing of the kernel.
  "sentry/fs/kernfs": { may: [...kernelBase, "sentry/pgalloc", "sentry/vfs"] },
  "sentry/fs/tmpfs": { may: fsBase },
  "sentry/fs/dev": { may: fsBase },
  "sentry/fs/devpts": { may: fsBase },
  "sentry/fs/pipe": { may: fsBase },
  "sentry/fs/eventfd": { may: fsBase },
  "sentry/fs/inotify": { may: fsBase },
  "sentry/fs/mqueue": { may: fsBase },
  "sentry/fs/timerfd": { may: fsBase },
  "sentry/fs/signalfd": { may: fsBase },
  "sentry/fs/overlay": { may: fsBase, tests: ["sentry/fs/tmpfs"] },
  "sentry/fs/gofer": { may: [...fsBase, "p9"], mayFiles: [hostContract], tests: ["sentry/fs/tmpfs", "gofer"] },
  "sentry/fs/host": { may: fsBase, mayFiles: [hostContract] },

  "sentry/ipc": { may: [...kernelBase, "sentry/pgalloc", "sentry/mm"] },
  "sentry/kernel": {
    may: [
      ...kernelBase,
      "sentry/ipc",
      "sentry/pgalloc",
      "sentry/vfs",
      "sentry/mm",
      "sentry/loader",
      "sentry/fs/*",
      "sentry/socket/unix",
      "sentry/socket/netlink",
    ],
    mayFiles: [hostContract, platformContract],
  },
  "sentry/kernelfs": { may: [...fsBase, "sentry/mm", "sentry/kernel", "sentry/socket/unix"], tests: ["sentry/fs/*"] },
  "sentry/socket": { may: [...fsBase, "sentry/mm", "sentry/kernel"] },
  // Sockets that need nothing of the kernel, only what files have.
  "sentry/socket/unix": { may: fsBase, mayFiles: ["sentry/socket/netlink/interface.ts"] },
  "sentry/socket/netlink": { may: [...fsBase, "sentry/socket/unix"] },
  "sentry/socket/netstack": { may: [...fsBase, "sentry/mm", "sentry/kernel", "sentry/socket", "netstack"] },
  "sentry/syscalls": { may: wholeKernel, mayFiles: [hostContract, platformContract] },
  "sentry/strace": { may: [...wholeKernel, "sentry/syscalls"] },
  // What the kernel is doing, for people.
  "sentry/report": {
    may: [...wholeKernel, "sentry/strace"],
    mayFiles: ["sentry/syscalls/args.ts"],
    tests: ["sentry/syscalls"],
  },
  "sentry/profile": { may: wholeKernel, mayFiles: [hostContract], tests: ["sentry/syscalls"] },
  "sentry/state": { may: [...wholeKernel, "sentry/syscalls"] },

  gofer: { may: [...L0, "p9", "host", "control"], node: true },
  boot: { may: [...L0, "arch", "host", "p9", "netstack", "control", "platform", "platform/*", "sentry/*"], node: true },
  oci: { may: [...L0, "host", "control"], node: true },
  sdk: { may: ["base", "control", "oci"], node: true },
};

/** Folders whose files parse hostile bytes: what they may import besides themselves, as paths below src/. */
export const hostileFolders: readonly { readonly folder: string; readonly may: readonly string[] }[] = [
  { folder: "p9/wire", may: L0 },
  { folder: "p9/server", may: [...L0, "p9/wire"] },
  { folder: "netstack/wire", may: ["base"] },
  { folder: "oci/spec", may: [...L0, "oci/errors.ts"] },
];
