/**
 * A process for fork.test.ts: `node --single-threaded --expose-gc fork.testing.ts`. It forks; the copy tells on descriptor 70 what it
 * finds, as JSON.
 */
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { CLONE_NEWNS, CLONE_NEWPID } from "../abi/sched.ts";
import { linuxHost } from "./linux.unsafe.ts";

const host = linuxHost();
const isFailing = process.argv[2] === "fail";
/** How often the copy is to collect its young objects. */
const collections = process.argv[2] === "collect" ? Number(process.argv[3]) : 0;
const [readEnd, writeEnd] = host.pipe2(0) as [number, number];
const file = host.memfdCreate("shared", 0);
host.ftruncate(file, 4096);
const shared = new Uint8Array(host.mapWindow(file, 4096) as ArrayBuffer);
shared[0] = 1;
const numbers = readdirSync("/proc/self/fd").map(Number);
process.on("SIGUSR1", () => undefined);

const steps = isFailing ? [{ op: "chdir", path: "/no/such" } as const] : [{ op: "chdir", path: "/proc" } as const];
const result = host.fork(CLONE_NEWNS | CLONE_NEWPID, steps, [0, -1, 2, writeEnd], [0, 1, 2, 70]);

function tell(fd: number, report: object): never {
  const bytes = Buffer.from(JSON.stringify(report));
  host.write(fd, bytes, 0, bytes.length);
  return host.exitNow(0);
}

function ownMemory(): number {
  return Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync("/proc/thread-self/status", "latin1"))![1]);
}

/** KiB by which this process has grown after so many collections, the first few left out. */
function growth(): number {
  let before = 0;
  for (let i = 0; i < collections; i++) {
    if (i === 1000) before = ownMemory();
    gc!({ type: "minor", execution: "sync" });
  }
  return ownMemory() - before;
}

if (result.pid === 0) {
  if (result.error < 0) tell(writeEnd, { error: result.error, step: result.step });
  const open: Record<string, string> = {};
  for (const fd of [...numbers, 70]) {
    try {
      open[fd] = readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // It is not open.
    }
  }
  tell(70, {
    growth: collections > 0 ? growth() : 0,
    pid: host.getpid(),
    cwd: readlinkSync("/proc/thread-self/cwd"),
    environment: readFileSync("/proc/thread-self/environ", "latin1").replaceAll("\0", ""),
    variables: Object.keys(process.env),
    open,
    sharedMappings: readFileSync("/proc/thread-self/maps", "latin1")
      .split("\n")
      .filter((line) => / .w.s /.test(line)),
    status: readFileSync("/proc/thread-self/status", "latin1"),
  });
}
const status = new Int32Array(1);
host.close(writeEnd);
const buf = Buffer.alloc(65536);
let text = "";
for (let n; (n = host.read(readEnd, buf, 0, buf.length)) > 0;) text += buf.toString("latin1", 0, n);
const reaped = host.wait4(result.pid, 0, status);
if (text === "") throw new Error(`the copy ended with status ${status[0]!}`);
// A later child is in the old pid namespace again.
const later = host.fork(0, [], [0, 1, 2], [0, 1, 2]);
if (later.pid === 0) host.exitNow(host.getpid() > 1 ? 7 : 8);
host.wait4(later.pid, 0, status);
process.stdout.write(
  JSON.stringify({
    isReaped: reaped === result.pid,
    later: status[0],
    shared: shared[0],
    copy: JSON.parse(text) as unknown,
  }),
);
