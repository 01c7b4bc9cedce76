/**
 * What users do, measured natively and in a sandbox, interleaved so that both see the same machine: small operations
 * (programs/operations.c) and programs. Sandboxed times are taken inside, so that the sandbox's own start is a row of its
 * own.
 *
 * `node bench/workloads.ts [--rounds=5] [--only=REGEX] [--platform=systrap] [--json=FILE]`. Both sides work in memory:
 * natively in /dev/shm, in the sandbox on its root.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const tsvisor = join(root, "bin", "tsvisor");

interface Workload {
  readonly name: string;
  readonly unit: "us" | "ms";
  /** Arguments of `operations`; its figure is in ns. */
  readonly operation?: readonly string[];
  /** Shell text that is not measured, then shell text that is. The working directory is empty. */
  readonly before?: string;
  readonly script?: string;
  /** Measured from outside: the whole command. */
  readonly whole?: readonly string[];
}

const MANY = "for d in a b c d; do mkdir $d; for i in {1..250}; do echo $i > $d/$i; done; done";
const REPOSITORY =
  "export HOME=$PWD GIT_CONFIG_NOSYSTEM=1; git init -q .; git config user.email a@b; git config user.name a";
const COMMITS = `${REPOSITORY}; for i in {1..20}; do echo $i > f$i; git add f$i; git commit -qm $i; done`;
const HELLO = `printf '#include <stdio.h>\\nint main(void) { puts("hello"); return 0; }\\n' > hello.c`;

const WORKLOADS: readonly Workload[] = [
  { name: "start and end of true", unit: "ms", whole: ["/bin/true"] },
  { name: "fork, exit, wait", unit: "us", operation: ["fork", "300"] },
  { name: "fork, exec, wait", unit: "us", operation: ["exec", "200"] },
  { name: "posix_spawn, wait", unit: "us", operation: ["spawn", "200"] },
  { name: "fork, write 256 shared pages", unit: "us", operation: ["cow", "50"] },
  { name: "mmap, munmap", unit: "us", operation: ["mmap", "10000"] },
  { name: "mmap, touch 16 pages, munmap", unit: "us", operation: ["mmap-touch", "3000"] },
  { name: "mmap of a file, munmap", unit: "us", operation: ["mmap-file", "5000", "/bin/bash"] },
  { name: "mprotect", unit: "us", operation: ["mprotect", "10000"] },
  { name: "pread 1 byte", unit: "us", operation: ["read", "50000", "/bin/bash"] },
  { name: "pread 64 KiB", unit: "us", operation: ["read64k", "10000", "/bin/bash"] },
  { name: "stat", unit: "us", operation: ["stat", "30000", "/usr/bin/env"] },
  { name: "stat of a missing name", unit: "us", operation: ["missing", "30000"] },
  { name: "open, close", unit: "us", operation: ["open", "30000", "/usr/bin/env"] },
  { name: "opendir, readdir of /usr/bin", unit: "us", operation: ["readdir", "100", "/usr/bin"] },
  { name: "shell loop of 200 commands", unit: "ms", script: "for i in {1..200}; do /bin/true; done" },
  { name: "shell loop of 200 subshells", unit: "ms", script: "for i in {1..200}; do (:); done" },
  { name: "python start", unit: "ms", script: "for i in 1 2 3; do /usr/bin/python3 -c 'import json, re'; done" },
  { name: "gcc hello", unit: "ms", before: HELLO, script: "gcc -O1 -o hello hello.c" },
  { name: "git init, 20 commits", unit: "ms", script: COMMITS },
  {
    name: "git status, 1,000 files",
    unit: "ms",
    before: `${REPOSITORY}; ${MANY}; git add .`,
    script: "git status -s | wc -l",
  },
  { name: "ls -lR /usr/include, first", unit: "ms", script: "ls -lR /usr/include | wc -l" },
  {
    name: "ls -lR /usr/include, again",
    unit: "ms",
    before: "ls -lR /usr/include | wc -l",
    script: "ls -lR /usr/include | wc -l",
  },
  { name: "find /usr, first", unit: "ms", script: "find /usr | wc -l" },
  { name: "find /usr, again", unit: "ms", before: "find /usr | wc -l", script: "find /usr | wc -l" },
  { name: "du -s /usr/include", unit: "ms", script: "du -s /usr/include" },
  { name: "cp -a of 1,000 files", unit: "ms", before: `mkdir s; cd s; ${MANY}; cd ..`, script: "cp -a s t" },
  { name: "tar of /usr/include", unit: "ms", script: "tar cf t.tar -C /usr include" },
  { name: "untar of it", unit: "ms", before: "tar cf t.tar -C /usr include", script: "tar xf t.tar" },
  { name: "rm -rf of it", unit: "ms", before: "cp -r /usr/include s", script: "rm -rf s" },
];

function option(name: string, fallback: string): string {
  const found = process.argv.find((a) => a.startsWith(`--${name}=`));
  return found === undefined ? fallback : found.slice(name.length + 3);
}

const platform = option("platform", "systrap");

function run(sandboxed: boolean, argv: readonly string[]): string {
  const command = sandboxed ? [tsvisor, "do", `--platform=${platform}`, "--", ...argv] : [...argv];
  return execFileSync(command[0]!, command.slice(1), { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

/** One run of a workload in its unit. */
function once(w: Workload, sandboxed: boolean, programs: string): number {
  if (w.operation !== undefined) return Number(run(sandboxed, [join(programs, "operations"), ...w.operation])) / 1000;
  if (w.whole !== undefined) {
    const start = process.hrtime.bigint();
    run(sandboxed, w.whole);
    return Number(process.hrtime.bigint() - start) / 1e6;
  }
  const base = sandboxed ? "/tmp" : "/dev/shm";
  const text = `
    D=$(mktemp -d ${base}/bench.XXXXXX); cd "$D"; { ${w.before ?? ":"}; } > /dev/null 2>&1
    S=$EPOCHREALTIME; { ${w.script!}; } > /dev/null 2>&1; E=$EPOCHREALTIME
    cd /; rm -rf "$D"; echo $(( \${E/./} - \${S/./} ))`;
  return Number(run(sandboxed, ["/bin/bash", "-c", text])) / 1000;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function show(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function main(): void {
  const rounds = Number(option("rounds", "5"));
  const only = new RegExp(option("only", ""));
  const dir = mkdtempSync(join(tmpdir(), "tsvisor-bench-"));
  chmodSync(dir, 0o755);
  try {
    const source = join(import.meta.dirname, "programs", "operations.c");
    execFileSync("gcc", ["-O2", "-static", "-o", join(dir, "operations"), source]);
    const rows: object[] = [];
    console.log("| workload (median) | unit | native | sandbox | ratio |");
    console.log("|---|---|---|---|---|");
    for (const w of WORKLOADS) {
      if (!only.test(w.name)) continue;
      const native: number[] = [];
      const sandbox: number[] = [];
      for (let i = 0; i < rounds; i++) {
        native.push(once(w, false, dir));
        sandbox.push(once(w, true, dir));
      }
      const [n, s] = [median(native), median(sandbox)];
      rows.push({ name: w.name, unit: w.unit, native, sandbox });
      console.log(`| ${w.name} | ${w.unit} | ${show(n)} | ${show(s)} | ${show(s / n)} |`);
    }
    const json = option("json", "");
    if (json !== "") writeFileSync(json, `${JSON.stringify(rows, null, 2)}\n`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

main();
