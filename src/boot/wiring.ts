/** Makes the kernel's parts and connects them: platform, memory, clock, drivers, system calls. */
import { errnoName } from "../abi/errno.ts";
import type { Logger } from "../base/log.ts";
import type { BootConfig } from "../control/config.ts";
import type { Host } from "../host/host.ts";
import type { Platform } from "../platform/platform.ts";
import { selectPlatform } from "../platform/stub/select.ts";
import { registerMemDevices } from "../sentry/fs/dev/devices.ts";
import { Devpts, registerDevpts } from "../sentry/fs/devpts/devpts.ts";
import { FifoOpener } from "../sentry/fs/pipe/pipe-file.ts";
import { TmpfsType } from "../sentry/fs/tmpfs/tmpfs.ts";
import { Kernel } from "../sentry/kernel/kernel.ts";
import { KernelTtyControl } from "../sentry/kernel/tty-control.ts";
import { registerKernelFileSystems } from "../sentry/kernelfs/register.ts";
import { VdsoImage } from "../sentry/loader/vdso.ts";
import { LateReleases } from "../sentry/mm/mm.ts";
import { HostMemoryStore } from "../sentry/pgalloc/host-store.ts";
import { MemoryFile, SingleFileProvider } from "../sentry/pgalloc/memory-file.ts";
import type { Meter } from "../sentry/profile/meter.ts";
import { Profiler } from "../sentry/profile/profiler.ts";
import { Tracer } from "../sentry/strace/strace.ts";
import { Dispatcher } from "../sentry/syscalls/dispatch.ts";
import { amd64 } from "../sentry/syscalls/table-amd64.ts";
import { HostClock } from "../sentry/time/host-clock.ts";
import { useCopier } from "../sentry/usermem/io.ts";
import type { MountNamespace } from "../sentry/vfs/mount.ts";
import { VirtualFileSystem } from "../sentry/vfs/vfs.ts";
import { BootError } from "./boot-error.ts";
import type { HostFacts } from "./host-facts.ts";

/** Sparse size of the sandbox's memory file. */
const MEMORY_SIZE = 1024 ** 4;

/** What {@link buildKernel} makes. */
export interface Wired {
  readonly kernel: Kernel;
  readonly memory: MemoryFile;
  /** What `--profile` collects, else null. */
  readonly profiler: Profiler | null;
  /** The devpts instance mounted in a namespace, if any. */
  devpts(mounts: MountNamespace): Devpts | null;
}

function startPlatform(config: BootConfig, log: Logger): Platform {
  const selection = selectPlatform(config.platform, config.stubFd);
  if (!("platform" in selection)) throw new BootError(`no platform can run here: ${selection.join("; ")}`);
  for (const reason of selection.passedOver) log.warn(`platform passed over: ${reason}`);
  const { platform } = selection;
  log.info(`platform ${platform.name}`);
  if (!config.systrapDisable.includes("patching")) platform.enablePatching();
  if (!config.systrapDisable.includes("batching")) platform.enableBatching();
  return platform;
}

/** Random bytes of the host's, asked for in larger pieces, since most that want some want few. */
class RandomPool {
  private readonly host: Host;
  private readonly bytes: Uint8Array = new Uint8Array(512);
  private left: number = 0;

  constructor(host: Host) {
    this.host = host;
  }

  fill(buf: Uint8Array, off: number, len: number): void {
    const { bytes } = this;
    if (len > bytes.length) {
      this.host.getrandom(buf, off, len);
      return;
    }
    if (this.left < len) {
      this.host.getrandom(bytes, 0, bytes.length);
      this.left = bytes.length;
    }
    // What was given out is not kept.
    for (let i = 0; i < len; i++) {
      const at = --this.left;
      buf[off + i] = bytes[at]!;
      bytes[at] = 0;
    }
  }
}

/** Reads a whole small file from its start. */
function readAll(host: Host, fd: number): Uint8Array {
  const buf = new Uint8Array(1 << 16);
  const n = host.pread(fd, buf, 0, buf.length, 0);
  return buf.subarray(0, Math.max(0, n));
}

/** See the header. `meter`: measures `host`; system calls are profiled with it. Throws BootError. */
export function buildKernel(host: Host, config: BootConfig, log: Logger, facts: HostFacts, meter: Meter | null): Wired {
  useCopier((dst, dstOff, src, srcOff, len) => host.copyBytes(dst, dstOff, src, srcOff, len));
  // The platform may move this thread to one CPU.
  const cpuCount = host.cpuCount();
  const platform = startPlatform(config, log);
  const store = HostMemoryStore.create(host, "tsvisor-memory", MEMORY_SIZE, facts.hugeSize);
  if (typeof store === "number") throw new BootError(`cannot make the memory file: ${errnoName(-store)}`);
  const memory = new MemoryFile(store);
  if (config.memoryLimit >= 0) memory.limit = config.memoryLimit;
  const random = new RandomPool(host);
  const clock = new HostClock(host, facts.tscUsable);
  const vfs = new VirtualFileSystem(clock);
  const totalRam = Math.min(host.sysinfoTotalRam(), memory.limit);
  let vdso: VdsoImage | null = null;
  if (config.vdsoFd >= 0) {
    const image = VdsoImage.create(memory, readAll(host, config.vdsoFd));
    if (typeof image === "number") throw new BootError(`cannot load the vDSO: ${errnoName(-image)}`);
    clock.attach(image.paramsPage, cpuCount);
    vdso = image;
  }
  const tracer = config.strace ? new Tracer((line) => log.info(line)) : null;
  const dispatcher = new Dispatcher(amd64, log, tracer);
  const profiler = meter === null ? null : new Profiler(dispatcher, meter);
  const kernel = new Kernel({
    platform,
    clock,
    vfs,
    mmEnv: { memory: new SingleFileProvider(memory), random, late: new LateReleases(), aslr: true },
    log,
    dispatcher: profiler ?? dispatcher,
    vdso,
    hwcap: facts.hwcap,
    hwcap2: facts.hwcap2,
    minSigStackSize: facts.minSigStackSize,
    cpuCount,
    cpuInfo: facts.cpuInfo,
    totalRam,
    memoryLimit: memory.limit,
    maxTasks: config.pidsLimit >= 0 ? config.pidsLimit : Infinity,
    hostname: config.hostname,
    allowSetuid: config.allowSetuid,
    collectSoon: () => host.collectSoon(),
    stubAnswers: tracer === null && profiler === null && !config.systrapDisable.includes("answers"),
  });
  registerKernelFileSystems(kernel);
  vfs.registerType(new TmpfsType(memory, totalRam));
  vfs.fifoOpener = new FifoOpener();
  registerMemDevices(vfs, random, memory);
  let main: Devpts | null = null;
  registerDevpts(vfs, new KernelTtyControl(kernel), () => main);
  return {
    kernel,
    memory,
    profiler,
    devpts(mounts): Devpts | null {
      for (const m of mounts.list()) if (m.fs instanceof Devpts) main = m.fs;
      return main;
    },
  };
}
