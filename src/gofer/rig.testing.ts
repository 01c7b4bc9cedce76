/** Test rig: a 9P server on a temporary directory of the host, and transports to it. Needs the built addon. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { O_CLOEXEC, O_DIRECTORY, O_PATH, AT_FDCWD } from "../abi/fcntl.ts";
import type { Host } from "../host/host.ts";
import { linuxHost } from "../host/linux.unsafe.ts";
import { P9Client } from "../p9/client/client.ts";
import type { Transport } from "../p9/client/transport.ts";
import { P9Server } from "../p9/server/server.ts";
import { DEFAULT_MSIZE } from "../p9/wire/constants.ts";

/** Client and server in one thread: a request is a function call. */
export class LoopbackTransport implements Transport {
  readonly reply: Uint8Array = new Uint8Array(DEFAULT_MSIZE);
  readonly host: Host;
  readonly server: P9Server;
  /** Requests so far. */
  requests = 0;
  #fd = -1;

  constructor(host: Host, server: P9Server) {
    this.host = host;
    this.server = server;
  }

  request(buf: Uint8Array, len: number): number {
    this.#drop();
    this.requests++;
    const n = this.server.handle(buf, len, this.reply);
    if (this.server.donatedFd >= 0) this.#fd = this.host.dup(this.server.donatedFd);
    this.server.closeDonated();
    return n;
  }

  takeFd(): number {
    const fd = this.#fd;
    this.#fd = -1;
    return fd;
  }

  close(): void {
    this.#drop();
    this.server.reset();
  }

  #drop(): void {
    if (this.#fd >= 0) this.host.close(this.#fd);
    this.#fd = -1;
  }
}

export interface RigOptions {
  readonly isReadonly?: boolean;
  readonly hasExtension?: boolean;
}

/** A directory, its server, an attached client. */
export class Rig {
  readonly host: Host = linuxHost();
  readonly path: string = mkdtempSync(join(tmpdir(), "tsvisor-gofer-"));
  readonly rootFd: number;
  readonly procFd: number;
  readonly server: P9Server;
  readonly transport: LoopbackTransport;
  readonly client: P9Client;
  /** The client's root fid. */
  readonly root: number;

  constructor(options: RigOptions = {}) {
    this.rootFd = this.host.openat(AT_FDCWD, this.path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    this.procFd = this.host.openat(AT_FDCWD, "/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    this.server = this.newServer(options);
    this.transport = new LoopbackTransport(this.host, this.server);
    this.client = new P9Client(this.transport);
    const err = this.client.negotiate(options.hasExtension ?? true);
    if (err < 0) throw new Error(`negotiate: ${err}`);
    this.root = this.client.attach("", "root", 0xffffffff);
    if (this.root < 0) throw new Error(`attach: ${this.root}`);
  }

  newServer(options: RigOptions = {}): P9Server {
    return new P9Server(this.host, {
      rootFd: this.rootFd,
      procFd: this.procFd,
      procPath: "/proc/self/fd",
      isReadonly: options.isReadonly ?? false,
      aname: this.path,
      hasExtension: true,
      maxMsize: DEFAULT_MSIZE,
    });
  }

  close(): void {
    this.transport.close();
    this.host.close(this.rootFd);
    this.host.close(this.procFd);
    rmSync(this.path, { recursive: true, force: true });
  }
}
