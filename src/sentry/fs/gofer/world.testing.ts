/** A gofer file system for tests. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { LoopbackTransport, Rig } from "../../../gofer/rig.testing.ts";
import { turn } from "../../vfs/turn.ts";
import { TestContext } from "../tmpfs/harness.testing.ts";
import { attachGofer } from "./gofer-fs.ts";
import type { GoferFs } from "./gofer-fs.ts";

/** A gofer file system on a temporary directory as the root of a VFS. */
export class World {
  readonly rig: Rig = new Rig();
  readonly transport: LoopbackTransport;
  readonly ctx: TestContext;
  readonly path: string;
  gofer!: GoferFs;

  constructor(isShared = false, isReadonly = false, fill: (path: string) => void = () => {}) {
    this.path = this.rig.path;
    fs.chmodSync(this.path, 0o755);
    fill(this.path);
    this.transport = new LoopbackTransport(this.rig.host, this.rig.newServer({ isReadonly }));
    this.ctx = new TestContext(64, (vfs) => {
      const made = attachGofer(vfs, this.rig.host, this.transport, {
        isShared,
        isReadonly,
        keeper: null,
        watcher: null,
      });
      if (typeof made === "number") throw new Error(`attach: ${made}`);
      this.gofer = made;
      return made;
    });
  }

  /** Where a file is on the host. Whoever asks is about to change it there: between two system calls. */
  host(name: string): string {
    turn.now++;
    return join(this.path, name);
  }

  /** Requests that `run` makes. */
  cost(run: () => void): number {
    const before = this.transport.requests;
    run();
    return this.transport.requests - before;
  }

  close(): void {
    this.gofer.release();
    this.rig.close();
  }
}

/** Runs a test in a world of its own, and checks that no host fd is left behind. */
export function inWorld(
  name: string,
  run: (w: World) => void,
  isShared = false,
  isReadonly = false,
  fill?: (path: string) => void,
): void {
  test(name, () => {
    // The first use of stdio and timers opens fds of Node's own.
    const before = fs.readdirSync("/proc/self/fd").length;
    const w = new World(isShared, isReadonly, fill);
    try {
      run(w);
    } finally {
      w.close();
    }
    assert.equal(fs.readdirSync("/proc/self/fd").length, before, "host fds");
  });
}
