/** The kernel file systems that every sandbox has unless its bundle says otherwise. */
import type { MountRequest } from "./sandbox-request.ts";

function kernelMount(destination: string, type: string, ...options: string[]): MountRequest {
  return { destination, type, options, readonly: options.includes("ro"), exported: null };
}

/** Mounts of `tsvisor do`. */
export function defaultMounts(): MountRequest[] {
  return [
    kernelMount("/proc", "proc", "nosuid", "noexec", "nodev"),
    kernelMount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
    kernelMount("/dev", "dev", "nosuid", "mode=755"),
    kernelMount("/dev/pts", "devpts", "nosuid", "noexec", "mode=620", "gid=5"),
    kernelMount("/dev/shm", "tmpfs", "nosuid", "nodev", "mode=1777"),
  ];
}
