/** Turns the `mounts` of a config.json into what the sandbox mounts. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { CliError } from "./errors.ts";
import type { MountRequest } from "./sandbox-request.ts";
import type { OciMount } from "./spec/types.ts";

const KERNEL_TYPES = new Set(["proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2", "devtmpfs"]);

function isBind(mount: OciMount): boolean {
  return mount.type === "bind" || (mount.options ?? []).some((o) => o === "bind" || o === "rbind");
}

/** Mounts in order. A tmpfs on /dev becomes our own dev file system, which has the nodes a container expects. */
export function mountRequests(mounts: readonly OciMount[], bundle: string): MountRequest[] {
  return mounts.map((mount, i) => {
    const options = mount.options ?? [];
    const readonly = options.includes("ro");
    const field = `mounts[${i}]`;
    if (isBind(mount)) {
      if (mount.source === undefined || mount.source === "") {
        throw new CliError(`${bundle}/config.json: ${field}.source: is missing`);
      }
      const source = resolve(bundle, Buffer.from(mount.source, "latin1").toString("utf8"));
      const stat = statSync(source, { throwIfNoEntry: false });
      if (stat === undefined) throw new CliError(`${bundle}/config.json: ${field}.source: ${source} does not exist`);
      const hostPath = Buffer.from(source, "utf8").toString("latin1");
      const exported = { hostPath, readonly, isFile: !stat.isDirectory() };
      return { destination: mount.destination, type: "bind", options, readonly, exported };
    }
    const type = mount.type ?? "";
    if (!KERNEL_TYPES.has(type)) {
      throw new CliError(`${bundle}/config.json: ${field}.type: '${type}' is not supported`);
    }
    const isDev = mount.destination === "/dev" && (type === "tmpfs" || type === "devtmpfs");
    return { destination: mount.destination, type: isDev ? "dev" : type, options, readonly, exported: null };
  });
}
