/** Limits of a sandbox: memory, threads. What is over them fails or ends inside; the sandbox goes on. */
import type { Fault } from "./faults.ts";

/** Runs a shell script in a sandbox with flags; its log goes behind its standard output when `showLog`. */
function limited(flags: string, script: string, showLog = false): string {
  const log = showLog
    ? "; sed -E 's/^W out of memory \\([0-9]+ KiB of ([0-9]+) KiB\\): killed pid [0-9]+ \\(([a-z0-9]+)\\), resident [0-9]+ KiB/\\1 \\2/' log >>out; rm -f log"
    : "";
  const logFlag = showLog ? "--debug-log=log" : "";
  return `cat >script <<'SCRIPT'\n${script}\nSCRIPT\n"$tsvisor" do --platform=$platform ${logFlag} ${flags} -- bash script >out 2>err </dev/null; status=$?; rm script${log}`;
}

/** Touches so many MiB. */
function perl(mib: number): string {
  return `perl -e '$n = ${mib} << 20; $x = "a" x $n; print length($x) >> 20, "\\n"'`;
}

/** The same bundle, a limit in its config. */
function bundleWith(resources: object, script: string): string {
  const config = {
    ociVersion: "1.2.0",
    root: { path: "/" },
    process: { user: { uid: 0, gid: 0 }, args: ["/bin/bash", "-c", script], env: ["PATH=/usr/bin:/bin"], cwd: "/" },
    linux: { resources },
  };
  return `mkdir bundle\ncat >bundle/config.json <<'CONFIG'\n${JSON.stringify(config)}\nCONFIG\n"$tsvisor" run --platform=$platform --bundle bundle id1 >out 2>err </dev/null; status=$?`;
}

export const limits: readonly Fault[] = [
  {
    name: "touching past the memory limit",
    body: limited("--memory=64m", `${perl(20)}; ${perl(300)}; echo $?; ${perl(20)}`, true),
    status: [0],
    stdout: "20\n137\n20\n65536 perl, oom_score_adj 0\n",
    stderr: /Killed/,
  },
  {
    name: "the fattest process goes",
    body: limited(
      "--memory=96m",
      `perl -e '$n = 60 << 20; $x = "a" x $n; $| = 1; print "fat\\n"; sleep 100' >state & fat=$!
until grep -q fat state; do sleep 0.05; done
perl -e 'for (1 .. 50) { $x .= "a" x (1 << 20); select undef, undef, undef, 0.01 } print length($x) >> 20, "\\n"'
wait $fat 2>/dev/null; echo $?; grep oom_kill /proc/vmstat`,
    ),
    status: [0],
    stdout: "50\n137\noom_kill 1\n",
  },
  {
    name: "oom_score_adj chooses",
    body: limited(
      "--memory=96m",
      `(echo -1000 >/proc/self/oom_score_adj; exec perl -e '$n = 60 << 20; $x = "a" x $n; $| = 1; print "fat\\n"; sleep 1 until -e "end"') >state & fat=$!
until grep -q fat state; do sleep 0.05; done
${perl(70)}; echo $?; touch end; wait $fat; echo $?`,
    ),
    status: [0],
    stdout: "137\n0\n",
  },
  {
    name: "init itself past the limit",
    body: `"$tsvisor" do --platform=$platform --memory=64m -- ${perl(300)} >out 2>err </dev/null; status=$?`,
    status: [137],
    stderr: null,
  },
  {
    name: "a file system in memory is full before the sandbox is",
    body: limited(
      "--memory=64m",
      `head -c 200M /dev/zero >/tmp/file 2>/dev/null; echo $?; rm /tmp/file
head -c 200M /dev/zero >/dev/shm/file; echo $?; rm /dev/shm/file; ${perl(20)}`,
    ),
    status: [0],
    stdout: "1\n1\n20\n",
    stderr: /No space left/,
  },
  {
    name: "a large read near the limit",
    body: limited(
      "--memory=64m",
      `perl -e 'open F, "/dev/zero"; $x = ""; sysread F, $x, 500 << 20, length $x while length $x < 500 << 20; print "read\\n"'; echo $?`,
    ),
    status: [0],
    stdout: "137\n",
  },
  {
    name: "absurd sizes are refused at once",
    body: limited(
      "--memory=64m",
      `ulimit -v 100000; perl -e '$n = 200 << 20; $x = "a" x $n' 2>err; grep -c memory err`,
    ),
    status: [0],
    stdout: "1\n",
  },
  {
    name: "the figures show the limit",
    body: limited(
      "--memory=64m",
      "grep MemTotal /proc/meminfo; free -b | awk '/Mem/ { print $2, ($3 < 20e6), ($7 > 20e6) }'",
    ),
    status: [0],
    stdout: "MemTotal:          65536 kB\n67108864 1 1\n",
  },
  {
    name: "a process that was killed is followed by the next one, often",
    body: limited("--memory=48m", `for i in 1 2 3 4 5 6; do ${perl(200)}; done 2>/dev/null; ${perl(10)}`),
    status: [0],
    stdout: "10\n",
  },
  {
    name: "a fork bomb under a limit of threads",
    body: limited(
      "--pids-limit=30",
      `perl -e 'for (1 .. 100) { my $p = fork; if (!defined $p) { print 0 + $!, " ", $_ < 40, "\\n"; last } if (!$p) { sleep 100; exit } push @p, $p } kill 9, @p; wait for @p; print defined(my $p = fork), "\\n"; wait'`,
    ),
    status: [0],
    stdout: "11 1\n1\n1\n",
  },
  {
    name: "a fork bomb under RLIMIT_NPROC",
    body: limited(
      "",
      `setpriv --reuid=12345 --regid=12345 --clear-groups bash -c 'ulimit -u 20; exec perl -e "for (1 .. 100) { my \\$p = fork; if (!defined \\$p) { print 0 + \\$!, \\" \\", \\$_, \\"\\\\n\\"; last } if (!\\$p) { sleep 100; exit } push @p, \\$p } kill 9, @p"'`,
    ),
    status: [0],
    stdout: "11 20\n",
  },
  {
    name: "limits of a bundle",
    body: bundleWith(
      { memory: { limit: 64 << 20 }, pids: { limit: 20 } },
      `${perl(300)}; echo $?; perl -e 'for (1 .. 40) { my $p = fork; last if !defined $p; if (!$p) { sleep 100; exit } push @p, $p } print @p < 20, "\\n"; kill 9, @p'`,
    ),
    status: [0],
    stdout: "137\n1\n",
  },
  {
    name: "bad sizes",
    body: `"$tsvisor" do --memory=lots -- true 2>err; status=$?; "$tsvisor" do --memory=1k -- true 2>>err; "$tsvisor" do --pids-limit=0 -- true 2>>err`,
    status: [2],
  },
];
