/** What is in /proc/sys: proc_sys_kernel(5), proc_sys_vm(5), proc_sys_fs(5), and a few network parameters. */
import { CAP_LAST_CAP } from "../../../abi/capability.ts";
import { NR_OPEN } from "../../../abi/resource.ts";
import { LINUX_RELEASE, LINUX_SYSNAME, LINUX_VERSION, UTS_NAME_MAX } from "../../../abi/utsname.ts";
import type { KernfsDir } from "../../fs/kernfs/kernfs.ts";
import { PID_MAX } from "../../kernel/kernel.ts";
import { RUN_EXITED } from "../../kernel/task.ts";
import { DropCaches, LinkedSysctl, NumberSysctl, ShownSysctl, StringSysctl } from "./sysctl.ts";
import type { ProcShared } from "./shared.ts";

/** Name and value(s): numbers that are shown and may be set. */
type Numbers = readonly (readonly [string, ...number[]])[];

/** Bits of entropy that the pool holds and says it has. */
const POOL_BITS = 256;
/** No limit: ULONG_MAX - 2^24, as text since it does not fit into a number. */
const SHM_UNLIMITED = "18446744073692774399";
/** Open files in the whole sandbox. */
const FILE_MAX = "9223372036854775807";

const KERNEL: Numbers = [
  ["auto_msgmni", 0],
  ["core_pipe_limit", 0],
  ["core_uses_pid", 0],
  ["ctrl-alt-del", 0],
  ["ftrace_enabled", 0],
  ["hung_task_timeout_secs", 120],
  ["io_uring_disabled", 2],
  ["kptr_restrict", 1],
  ["modules_disabled", 1],
  ["msgmax", 8192],
  ["msgmnb", 16384],
  ["msgmni", 32000],
  ["nmi_watchdog", 0],
  ["numa_balancing", 0],
  ["overflowgid", 65534],
  ["overflowuid", 65534],
  ["panic", 0],
  ["panic_on_oops", 0],
  ["panic_on_warn", 0],
  ["perf_cpu_time_max_percent", 25],
  ["perf_event_max_sample_rate", 100000],
  ["perf_event_max_stack", 127],
  ["perf_event_mlock_kb", 516],
  ["perf_event_paranoid", 4],
  ["print-fatal-signals", 0],
  ["printk", 4, 4, 1, 7],
  ["printk_delay", 0],
  ["printk_ratelimit", 5],
  ["printk_ratelimit_burst", 10],
  ["randomize_va_space", 2],
  ["sched_autogroup_enabled", 0],
  ["sched_cfs_bandwidth_slice_us", 5000],
  ["sched_child_runs_first", 0],
  ["sched_deadline_period_max_us", 4194304],
  ["sched_deadline_period_min_us", 100],
  ["sched_rr_timeslice_ms", 100],
  ["sched_rt_period_us", 1000000],
  ["sched_rt_runtime_us", 950000],
  ["sem", 32000, 1024000000, 500, 32000],
  ["shmmni", 4096],
  ["shm_rmid_forced", 0],
  ["soft_watchdog", 0],
  ["sysctl_writes_strict", 1],
  ["tainted", 0],
  ["timer_migration", 1],
  ["unprivileged_bpf_disabled", 2],
  ["unprivileged_userns_clone", 0],
  ["watchdog", 0],
  ["watchdog_thresh", 10],
];

const VM: Numbers = [
  ["admin_reserve_kbytes", 8192],
  ["dirty_background_bytes", 0],
  ["dirty_background_ratio", 10],
  ["dirty_bytes", 0],
  ["dirty_expire_centisecs", 3000],
  ["dirty_ratio", 20],
  ["dirty_writeback_centisecs", 500],
  ["dirtytime_expire_seconds", 43200],
  ["extfrag_threshold", 500],
  ["hugetlb_shm_group", 0],
  ["laptop_mode", 0],
  ["legacy_va_layout", 0],
  ["mmap_rnd_bits", 28],
  ["max_map_count", 65530],
  ["memfd_noexec", 0],
  ["min_free_kbytes", 67584],
  ["mmap_min_addr", 65536],
  ["nr_hugepages", 0],
  ["nr_overcommit_hugepages", 0],
  ["oom_dump_tasks", 1],
  ["oom_kill_allocating_task", 0],
  ["overcommit_kbytes", 0],
  ["overcommit_memory", 0],
  ["overcommit_ratio", 50],
  ["page-cluster", 3],
  ["panic_on_oom", 0],
  ["stat_interval", 1],
  ["swappiness", 60],
  ["unprivileged_userfaultfd", 0],
  ["user_reserve_kbytes", 131072],
  ["vfs_cache_pressure", 100],
  ["watermark_boost_factor", 15000],
  ["watermark_scale_factor", 10],
  ["zone_reclaim_mode", 0],
];

const FS: Numbers = [
  ["aio-max-nr", 65536],
  ["dir-notify-enable", 0],
  ["lease-break-time", 45],
  ["leases-enable", 1],
  ["mount-max", 100000],
  ["nr_open", NR_OPEN],
  ["overflowgid", 65534],
  ["overflowuid", 65534],
  ["pipe-max-size", 1048576],
  ["pipe-user-pages-hard", 0],
  ["pipe-user-pages-soft", 16384],
  ["suid_dumpable", 0],
];

const NET_CORE: Numbers = [
  ["netdev_max_backlog", 1000],
  ["optmem_max", 131072],
  ["rmem_default", 212992],
  ["rmem_max", 212992],
  ["somaxconn", 4096],
  ["wmem_default", 212992],
  ["wmem_max", 212992],
];

const NET_IPV4: Numbers = [
  ["icmp_echo_ignore_all", 0],
  ["ip_default_ttl", 64],
  ["ip_forward", 0],
  ["ip_local_port_range", 32768, 60999],
  ["ip_nonlocal_bind", 0],
  ["ip_unprivileged_port_start", 1024],
  ["ping_group_range", 1, 0],
  ["tcp_ecn", 2],
  ["tcp_fin_timeout", 60],
  ["tcp_keepalive_intvl", 75],
  ["tcp_keepalive_probes", 9],
  ["tcp_keepalive_time", 7200],
  ["tcp_max_syn_backlog", 2048],
  ["tcp_mem", 188643, 251525, 377286],
  ["tcp_moderate_rcvbuf", 1],
  ["tcp_retries1", 3],
  ["tcp_retries2", 15],
  ["tcp_rmem", 4096, 131072, 6291456],
  ["tcp_sack", 1],
  ["tcp_syn_retries", 6],
  ["tcp_synack_retries", 5],
  ["tcp_syncookies", 1],
  ["tcp_timestamps", 1],
  ["tcp_tw_reuse", 2],
  ["tcp_window_scaling", 1],
  ["tcp_wmem", 4096, 16384, 4194304],
  ["udp_mem", 377286, 503050, 754572],
  ["udp_rmem_min", 4096],
  ["udp_wmem_min", 4096],
];

function addNumbers(dir: KernfsDir, list: Numbers): void {
  for (const [name, ...values] of list) dir.add(name, new NumberSysctl(dir.kernfs, values));
}

function addShown(dir: KernfsDir, name: string, make: () => string, perm: number = 0o444): void {
  dir.add(name, new ShownSysctl(dir.kernfs, make, perm));
}

function addKernel(dir: KernfsDir, s: ProcShared): void {
  const k = s.kernel;
  const fs = dir.kernfs;
  addNumbers(dir, KERNEL);
  addShown(dir, "arch", () => "x86_64");
  addShown(dir, "bootloader_type", () => "0");
  addShown(dir, "bootloader_version", () => "0");
  addShown(dir, "cap_last_cap", () => String(CAP_LAST_CAP));
  addShown(dir, "ngroups_max", () => "65536");
  addShown(dir, "osrelease", () => LINUX_RELEASE);
  addShown(dir, "ostype", () => LINUX_SYSNAME);
  addShown(dir, "version", () => LINUX_VERSION);
  addShown(dir, "shmall", () => SHM_UNLIMITED, 0o644);
  addShown(dir, "shmmax", () => SHM_UNLIMITED, 0o644);
  addShown(dir, "ns_last_pid", () => String(k.lastPid));
  dir.add("pid_max", new NumberSysctl(fs, [PID_MAX], 0o644, PID_MAX, PID_MAX));
  dir.add("threads-max", new NumberSysctl(fs, [Math.max(1024, Math.floor(k.totalRam / 131072))], 0o644, 1));
  dir.add(
    "hostname",
    new StringSysctl(
      fs,
      () => k.hostname,
      (v) => (k.hostname = v),
      UTS_NAME_MAX,
    ),
  );
  dir.add(
    "domainname",
    new StringSysctl(
      fs,
      () => k.domainname,
      (v) => (k.domainname = v),
      UTS_NAME_MAX,
    ),
  );
  let corePattern = "core";
  dir.add(
    "core_pattern",
    new StringSysctl(
      fs,
      () => corePattern,
      (v) => (corePattern = v),
      127,
    ),
  );
  addShown(dir, "modprobe", () => "", 0o644);
  dir.add(
    "dmesg_restrict",
    new LinkedSysctl(
      fs,
      () => k.restrictsMessages,
      (v) => (k.restrictsMessages = v),
      1,
    ),
  );

  const random = dir.addDir("random");
  addShown(random, "boot_id", () => s.bootId);
  addShown(random, "entropy_avail", () => String(POOL_BITS));
  addShown(random, "poolsize", () => String(POOL_BITS));
  addShown(random, "uuid", () => s.newUuid());
  addNumbers(random, [
    ["urandom_min_reseed_secs", 60],
    ["write_wakeup_threshold", POOL_BITS],
  ]);
  const pty = dir.addDir("pty");
  addNumbers(pty, [
    ["max", 4096],
    ["reserve", 1024],
  ]);
  addShown(pty, "nr", () => "0");
  const keys = dir.addDir("keys");
  addNumbers(keys, [
    ["maxbytes", 20000],
    ["maxkeys", 200],
    ["root_maxbytes", 25000000],
    ["root_maxkeys", 1000000],
  ]);
  addNumbers(dir.addDir("yama"), [["ptrace_scope", 1]]);
  const seccomp = dir.addDir("seccomp");
  addShown(seccomp, "actions_avail", () => "kill_process kill_thread trap errno trace log allow");
  addShown(seccomp, "actions_logged", () => "kill_process kill_thread trap errno trace log", 0o644);
}

/** Open file descriptions that some fd table refers to. */
function openFiles(s: ProcShared): number {
  const tables = new Set<object>();
  let n = 0;
  for (const t of s.kernel.tasks.values()) {
    if (t.run === RUN_EXITED || tables.has(t.fds)) continue;
    tables.add(t.fds);
    n += t.fds.count;
  }
  return n;
}

function addFs(dir: KernfsDir, s: ProcShared): void {
  const { vfs } = s.kernel;
  const fs = dir.kernfs;
  addNumbers(dir, FS);
  addShown(dir, "aio-nr", () => "0");
  addShown(dir, "dentry-state", () => "0\t0\t45\t0\t0\t0");
  addShown(dir, "file-max", () => FILE_MAX, 0o644);
  addShown(dir, "file-nr", () => `${openFiles(s)}\t0\t${FILE_MAX}`);
  addShown(dir, "inode-nr", () => "0\t0");
  addShown(dir, "inode-state", () => "0\t0\t0\t0\t0\t0\t0");
  const { inotify } = s.kernel;
  dir
    .addDir("inotify")
    .add(
      "max_queued_events",
      new LinkedSysctl(
        fs,
        () => inotify.maxQueuedEvents,
        (v) => (inotify.maxQueuedEvents = v),
        1048576,
      ),
    )
    .add(
      "max_user_instances",
      new LinkedSysctl(
        fs,
        () => inotify.maxInstances,
        (v) => (inotify.maxInstances = v),
        1048576,
      ),
    )
    .add(
      "max_user_watches",
      new LinkedSysctl(
        fs,
        () => inotify.maxWatches,
        (v) => (inotify.maxWatches = v),
        1048576,
      ),
    );
  dir
    .add(
      "protected_fifos",
      new LinkedSysctl(
        fs,
        () => vfs.protectedFifos,
        (v) => (vfs.protectedFifos = v),
        2,
      ),
    )
    .add(
      "protected_hardlinks",
      new LinkedSysctl(
        fs,
        () => vfs.protectedHardlinks,
        (v) => (vfs.protectedHardlinks = v),
        1,
      ),
    )
    .add(
      "protected_regular",
      new LinkedSysctl(
        fs,
        () => vfs.protectedRegular,
        (v) => (vfs.protectedRegular = v),
        2,
      ),
    )
    .add(
      "protected_symlinks",
      new LinkedSysctl(
        fs,
        () => vfs.protectedSymlinks,
        (v) => (vfs.protectedSymlinks = v),
        1,
      ),
    );
  addNumbers(dir.addDir("epoll"), [["max_user_watches", 1048576]]);
  const q = s.kernel.mqueues.limits;
  dir
    .addDir("mqueue")
    .add(
      "msg_default",
      new LinkedSysctl(
        fs,
        () => q.messagesDefault,
        (v) => (q.messagesDefault = v),
        65536,
      ),
    )
    .add(
      "msg_max",
      new LinkedSysctl(
        fs,
        () => q.messagesMax,
        (v) => (q.messagesMax = v),
        65536,
      ),
    )
    .add(
      "msgsize_default",
      new LinkedSysctl(
        fs,
        () => q.sizeDefault,
        (v) => (q.sizeDefault = v),
        16777216,
      ),
    )
    .add(
      "msgsize_max",
      new LinkedSysctl(
        fs,
        () => q.sizeMax,
        (v) => (q.sizeMax = v),
        16777216,
      ),
    )
    .add(
      "queues_max",
      new LinkedSysctl(
        fs,
        () => q.queuesMax,
        (v) => (q.queuesMax = v),
        0x7fffffff,
      ),
    );
}

/** Fills /proc/sys. */
export function addSysctls(dir: KernfsDir, s: ProcShared): void {
  addKernel(dir.addDir("kernel"), s);
  const vm = dir.addDir("vm");
  addNumbers(vm, VM);
  vm.add("drop_caches", new DropCaches(dir.kernfs, s.kernel.vfs.names));
  addFs(dir.addDir("fs"), s);
  const net = dir.addDir("net");
  const core = net.addDir("core");
  addNumbers(core, NET_CORE);
  addShown(core, "default_qdisc", () => "pfifo_fast", 0o644);
  const ipv4 = net.addDir("ipv4");
  addNumbers(ipv4, NET_IPV4);
  addShown(ipv4, "tcp_congestion_control", () => "cubic", 0o644);
  addShown(ipv4, "tcp_available_congestion_control", () => "cubic reno");
  addShown(ipv4, "tcp_allowed_congestion_control", () => "cubic reno");
  const conf6 = net.addDir("ipv6").addDir("conf");
  for (const name of ["all", "default", "lo"]) addNumbers(conf6.addDir(name), [["disable_ipv6", 0]]);
  const names = s.kernel.unixNames;
  net.addDir("unix").add(
    "max_dgram_qlen",
    new LinkedSysctl(
      dir.kernfs,
      () => names.datagramsMax,
      (v) => (names.datagramsMax = v),
      0x7fffffff,
    ),
  );
  const user = dir.addDir("user");
  for (const name of ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"]) {
    addNumbers(user, [[`max_${name}_namespaces`, 31000]]);
  }
  addNumbers(dir.addDir("abi"), [["vsyscall32", 1]]);
  addNumbers(dir.addDir("debug"), [["exception-trace", 1]]);
  dir.addDir("dev");
}
