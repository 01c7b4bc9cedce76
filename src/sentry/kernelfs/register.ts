/** Makes proc and sysfs mountable. */
import type { Kernel } from "../kernel/kernel.ts";
import { ProcFs } from "./proc/procfs.ts";
import { ProcShared } from "./proc/shared.ts";
import { SysFs } from "./sys/sysfs.ts";

/** Registers the file system types "proc", "sysfs" and "mqueue" with the kernel's VFS. Once per kernel. */
export function registerKernelFileSystems(kernel: Kernel): void {
  const shared = new ProcShared(kernel);
  kernel.vfs.registerType({ name: "sysfs", noDevice: true, create: () => new SysFs(kernel) });
  kernel.vfs.registerType({ name: "mqueue", noDevice: true, create: () => kernel.mqueues });
  // Options (hidepid=, gid=, subset=) are taken and have no effect, as on kernels that do not know them.
  kernel.vfs.registerType({ name: "proc", noDevice: true, create: () => new ProcFs(shared) });
}
