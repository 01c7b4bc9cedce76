/**
 * Rows of real programs, as shell text that runs inside: each in an empty directory of its own on tmpfs, or on the host
 * directory /data; only `script` is measured.
 */

/** One row. */
export interface App {
  readonly group: string;
  readonly name: string;
  /** Not measured. */
  readonly before?: string;
  /** Measured as a whole, ms. */
  readonly script?: string;
  /** Prints the figure by itself, in `unit`. */
  readonly figure?: string;
  readonly unit?: "/s" | "MiB/s" | "ms";
  /** Works in a directory below /data. */
  readonly onHost?: boolean;
}

const TREE = "/usr/lib/python3.11/";
const COPY = `mkdir tree; cp -a ${TREE}*.py ${TREE}asyncio ${TREE}email ${TREE}json ${TREE}unittest ${TREE}xml tree`;
const TAR = `${COPY}; tar cf t.tar tree`;
const REPOSITORY = "git init -q .; git config user.email a@b; git config user.name a";
const COMMITS = `${REPOSITORY}; for i in {1..20}; do echo $i > f$i; git add .; git commit -qm $i; done`;
const HELLO = `printf '#include <stdio.h>\\nint main(void) { puts("hello"); return 0; }\\n' > hello.c`;
const PROJECT = `
  for i in {1..8}; do
    printf '#include <stdio.h>\\n#include <stdlib.h>\\n#include <string.h>\\nint f%d(int x) { char b[64]; snprintf(b, sizeof b, "%%d", x); return atoi(b) + (int)strlen(b); }\\n' $i > f$i.c
  done
  printf 'int main(void) { return 0; }\\n' > main.c
  printf 'prog: main.o f1.o f2.o f3.o f4.o f5.o f6.o f7.o f8.o\\n\\tgcc -o $@ $^\\n%%.o: %%.c\\n\\tgcc -O1 -c -o $@ $<\\n' > Makefile`;
const ROWS = `create table t(a integer primary key, b text, c int); begin;
  with recursive n(i) as (select 1 union all select i+1 from n where i<50000)
  insert into t select i, hex(randomblob(16)), random() from n; commit;
  create index tc on t(c); select sum(a) from t where c>0;`;
const SINGLES =
  "{ echo 'create table s(a text);'; for i in {1..300}; do echo \"insert into s values('$i');\"; done; } > sql";

function redis(command: string, pipeline: number, count: number): string {
  return `
    redis-server --port 0 --unixsocket r.sock --save '' --appendonly no > log & P=$!
    for i in {1..100}; do [ -S r.sock ] && break; sleep 0.05; done
    redis-benchmark -s r.sock -c 10 -n ${count} -P ${pipeline} -t ${command.toLowerCase()} --csv |
      sed -n 's/^"${command}","\\([0-9.]*\\)".*/\\1/p'
    kill $P; wait $P`;
}

function sysbench(args: string, pattern: string): string {
  return `sysbench ${args} run | sed -n 's/.*${pattern}.*/\\1/p'`;
}

const files = "Programs: files";
const builds = "Programs: building";
const starts = "Programs: starting";
const applications = "Applications";

/** See the header. */
export const apps: readonly App[] = [
  { group: files, name: "find /usr", script: "find /usr -name 'no such name'" },
  { group: files, name: "find /usr, again", before: "find /usr", script: "find /usr -name 'no such name'" },
  { group: files, name: "ls -lR /usr/include", script: "ls -lR /usr/include" },
  { group: files, name: "copy a tree", script: COPY },
  { group: files, name: "find in it", before: COPY, script: "find tree -size +1000k" },
  { group: files, name: "tar create", before: COPY, script: "tar cf t.tar tree" },
  { group: files, name: "tar extract", before: TAR, script: "mkdir o; tar xf t.tar -C o" },
  { group: files, name: "rm -rf", before: COPY, script: "rm -rf tree" },
  {
    group: files,
    name: "tar extract, host directory",
    before: TAR,
    script: "mkdir o; tar xf t.tar -C o",
    onHost: true,
  },
  { group: files, name: "rm -rf, host directory", before: COPY, script: "rm -rf tree", onHost: true },
  { group: files, name: "git init, 20 commits", script: COMMITS },
  {
    group: files,
    name: "git status, host directory",
    before: `${REPOSITORY}; ${COPY}; git add .; git commit -qm all`,
    script: "git status",
    onHost: true,
  },
  { group: builds, name: "gcc hello", before: HELLO, script: "gcc -o hello hello.c" },
  { group: builds, name: "make -j2 of 9 C files", before: PROJECT, script: "make -j2" },
  { group: builds, name: "shell loop of 200 commands", script: "for i in {1..200}; do /bin/true; done" },
  { group: builds, name: "shell loop of 200 subshells", script: "for i in {1..200}; do (:); done" },
  { group: starts, name: "python start", script: "python3 -c pass" },
  { group: starts, name: "python imports", script: "python3 -c 'import json, asyncio, http.client, email, unittest'" },
  { group: starts, name: "node start", script: "node -e 0" },
  { group: starts, name: "perl start", script: "perl -e 1" },
  { group: applications, name: "sqlite, 50,000 rows", before: `echo "${ROWS}" > sql`, script: "sqlite3 db < sql" },
  { group: applications, name: "sqlite, 300 transactions", before: SINGLES, script: "sqlite3 db < sql" },
  { group: applications, name: "redis SET", figure: redis("SET", 1, 100_000), unit: "/s" },
  { group: applications, name: "redis GET", figure: redis("GET", 1, 100_000), unit: "/s" },
  { group: applications, name: "redis SET, pipelined by 16", figure: redis("SET", 16, 400_000), unit: "/s" },
  { group: applications, name: "redis GET, pipelined by 16", figure: redis("GET", 16, 400_000), unit: "/s" },
  {
    group: applications,
    name: "sysbench cpu, 2 threads",
    figure: sysbench("cpu --threads=2 --time=1", "events per second: *\\([0-9.]*\\)"),
    unit: "/s",
  },
  {
    group: applications,
    name: "sysbench memory",
    figure: sysbench("memory --memory-block-size=1M --memory-total-size=8G --time=1", "transferred (\\([0-9.]*\\) MiB"),
    unit: "MiB/s",
  },
  {
    group: applications,
    name: "sysbench threads",
    figure: sysbench(
      "threads --threads=8 --thread-yields=100 --thread-locks=4 --time=1",
      "number of events: *\\([0-9]*\\)",
    ),
    unit: "/s",
  },
];

/** One script for several rows; it prints "name|unit|value" for each. */
export function appsScript(rows: readonly App[]): string {
  const parts = rows.map((row, i) => {
    const unit = row.unit ?? "ms";
    const base = row.onHost === true ? "/data" : "/tmp";
    const dir = `${base}/app${i}`;
    const measured =
      row.figure === undefined
        ? `S=$EPOCHREALTIME; { ${row.script!}; } > /dev/null 2> /tmp/stderr || { echo '${row.name}:' >&2; cat /tmp/stderr >&2; }
           E=$EPOCHREALTIME; V=$((\${E/./} - \${S/./})); V=$((V / 1000)).$(printf %03d $((V % 1000)))`
        : `V=$( { ${row.figure}
           } 2> /tmp/stderr )`;
    return `
      mkdir ${dir}; cd ${dir}; { ${row.before ?? ":"}
      } > /dev/null 2>&1
      ${measured}
      cd /; rm -rf ${dir}
      [ -n "$V" ] && echo '${row.name}|${unit}|'$V || { echo '${row.name}: no figure' >&2; cat /tmp/stderr >&2; }`;
  });
  return `export GIT_CONFIG_NOSYSTEM=1\n${parts.join("\n")}\nexit 0`;
}
