/**
 * Bad input, and the ends of our own processes: one line on stderr, a documented exit status, no stack trace, nothing left
 * behind. Each case is a piece of bash for isolated.ts.
 */
import { existsSync } from "node:fs";
import { limits } from "./limits.ts";
import { bundleConfig } from "./places.ts";
import { shared } from "./shared.ts";
import { terminalCases } from "./terminal.ts";

/** One case: what is run and what must come of it. */
export interface Fault {
  readonly name: string;
  /** bash; `$tsvisor` and `$platform` are set. Must set `status`. */
  readonly body: string;
  /** Exit statuses that are right. */
  readonly status: readonly number[];
  /** What the line on stderr must match; null when stderr must be empty, undefined when it does not matter. */
  readonly stderr?: RegExp | null;
  /** What stdout must be, nothing when left out; undefined stays unchecked with `anyStdout`. */
  readonly stdout?: string;
  readonly timeout?: number;
}

/** A command line whose words the shell sees as they are. */
function tsvisorLine(words: string): string {
  return `"$tsvisor" ${words} >out 2>err </dev/null; status=$?`;
}

/** `do` with the platform under test. */
function inSandbox(words: string): string {
  return tsvisorLine(`do --platform=$platform ${words}`);
}

function withBundle(config: string, words = "run --platform=$platform --bundle bundle id1"): string {
  return `mkdir bundle\ncat >bundle/config.json <<'CONFIG'\n${config}\nCONFIG\n${tsvisorLine(words)}`;
}

/** The standard config with some members replaced (by path) or removed (undefined). */
function changed(changes: Readonly<Record<string, unknown>>): string {
  const config = structuredClone(bundleConfig("/", ["/bin/true"])) as Record<string, unknown>;
  for (const [path, value] of Object.entries(changes)) {
    const names = path.split(".");
    let at = config;
    for (const name of names.slice(0, -1)) at = at[name] as Record<string, unknown>;
    at[names.at(-1)!] = value;
  }
  return JSON.stringify(config, null, 2);
}

const elf = `cp /bin/true damaged`;

/** Wrong words on the command line; no sandbox is started. */
const usage: readonly Fault[] = [
  { name: "no command", body: tsvisorLine(""), status: [2] },
  { name: "unknown command", body: tsvisorLine("frobnicate"), status: [2], stderr: /frobnicate/ },
  { name: "unknown flag", body: tsvisorLine("do --frobnicate true"), status: [2], stderr: /frobnicate/ },
  { name: "unknown global flag", body: tsvisorLine("--frobnicate do true"), status: [2], stderr: /frobnicate/ },
  { name: "do without a command", body: tsvisorLine("do"), status: [2], stderr: /command/ },
  { name: "unknown platform", body: tsvisorLine("do --platform=abacus true"), status: [2], stderr: /abacus/ },
  { name: "flag without its value", body: tsvisorLine("do --cwd"), status: [2], stderr: /cwd/ },
  { name: "bad --env", body: tsvisorLine("do --env NOVALUE true"), status: [2], stderr: /NOVALUE/ },
  { name: "bad --volume", body: tsvisorLine("do --volume /tmp true"), status: [2], stderr: /volume/ },
  { name: "missing --volume", body: tsvisorLine("do --volume /no/such:/x true"), status: [128], stderr: /no\/such/ },
  { name: "missing rootfs", body: tsvisorLine("do --rootfs /no/such true"), status: [128], stderr: /no\/such/ },
  { name: "rootfs is a file", body: tsvisorLine("do --rootfs /etc/passwd true"), status: [128], stderr: /directory/ },
  { name: "run without an ID", body: tsvisorLine("run"), status: [2], stderr: /ID/ },
  { name: "run with a bad ID", body: tsvisorLine("run --bundle . ../x"), status: [2], stderr: /ID/ },
  {
    name: "not root",
    body: `chmod 755 .; setpriv --reuid=65534 --regid=65534 --clear-groups "$tsvisor" do true >out 2>err; status=$?`,
    status: [126, 128],
    stderr: /./,
  },
];

/** Commands that the guest cannot execute. */
const commands: readonly Fault[] = [
  { name: "missing command", body: inSandbox("-- nosuchcommand"), status: [127], stderr: /nosuchcommand/ },
  { name: "missing path", body: inSandbox("-- /no/such/command"), status: [127], stderr: /no\/such\/command/ },
  { name: "empty command", body: inSandbox("-- ''"), status: [126, 127], stderr: /./ },
  { name: "not executable", body: `echo x >plain; ${inSandbox("-- ./plain")}`, status: [126], stderr: /plain/ },
  { name: "a directory", body: inSandbox("-- /etc"), status: [126], stderr: /etc/ },
  {
    name: "a path through a file",
    body: inSandbox("-- /etc/passwd/x"),
    status: [126, 127],
    stderr: /passwd/,
  },
  {
    name: "corrupt ELF header",
    body: `${elf}; printf '\\377\\377\\377\\377' | dd of=damaged bs=1 seek=16 conv=notrunc 2>/dev/null; ${inSandbox("-- ./damaged")}`,
    status: [126],
    stderr: /damaged/,
  },
  {
    name: "cut ELF file",
    body: `head -c 40 /bin/true >damaged; chmod +x damaged; ${inSandbox("-- ./damaged")}`,
    status: [126],
    stderr: /damaged/,
  },
  {
    name: "garbage with an ELF magic",
    body: `{ printf '\\177ELF'; seq 1000; } >damaged; chmod +x damaged; ${inSandbox("-- ./damaged")}`,
    status: [126],
    stderr: /damaged/,
  },
  {
    name: "ELF with a missing interpreter",
    body: `sed 's|/lib64/ld-linux-x86-64.so.2|/lib64/no-linux-x86-64.so.2|' /bin/true >damaged; chmod +x damaged; ${inSandbox("-- ./damaged")}`,
    status: [126, 127],
    stderr: /damaged/,
  },
  {
    name: "script with a missing interpreter",
    body: `echo '#!/no/such/shell' >script; chmod +x script; ${inSandbox("-- ./script")}`,
    status: [126, 127],
    stderr: /script/,
  },
  {
    name: "script that is its own interpreter",
    body: `echo "#!$PWD/script" >script; chmod +x script; ${inSandbox("-- ./script")}`,
    status: [126],
    stderr: /script/,
  },
  {
    name: "text without #!",
    body: `seq 5 >text; chmod +x text; ${inSandbox("-- ./text")}`,
    status: [126],
    stderr: /text/,
  },
  {
    name: "missing working directory",
    body: inSandbox("--cwd /no/such -- true"),
    status: [126, 127, 128],
    stderr: /no\/such/,
  },
];

/** Bundles that are wrong. The line names the file, and the member where there is one. */
const bundles: readonly Fault[] = [
  {
    name: "missing bundle",
    body: tsvisorLine("run --bundle nowhere id1"),
    status: [128],
    stderr: /nowhere.*config\.json/,
  },
  {
    name: "bundle without config.json",
    body: `mkdir bundle; ${tsvisorLine("run --bundle bundle id1")}`,
    status: [128],
    stderr: /config\.json/,
  },
  { name: "empty config.json", body: withBundle(""), status: [128], stderr: /config\.json/ },
  { name: "config.json is no JSON", body: withBundle("{ nonsense"), status: [128], stderr: /config\.json.*JSON/ },
  { name: "config.json is a list", body: withBundle("[]"), status: [128], stderr: /config\.json/ },
  {
    name: "config.json is a directory",
    body: `mkdir -p bundle/config.json; ${tsvisorLine("run --bundle bundle id1")}`,
    status: [128],
    stderr: /config\.json/,
  },
  { name: "no root", body: withBundle(changed({ root: undefined })), status: [128], stderr: /root/ },
  { name: "root.path is a number", body: withBundle(changed({ "root.path": 5 })), status: [128], stderr: /root\.path/ },
  {
    name: "root.path is missing there",
    body: withBundle(changed({ "root.path": "/no/such" })),
    status: [128],
    stderr: /root\.path/,
  },
  { name: "no process", body: withBundle(changed({ process: undefined })), status: [128], stderr: /process/ },
  {
    name: "process.args is a string",
    body: withBundle(changed({ "process.args": "sh" })),
    status: [128],
    stderr: /process\.args/,
  },
  {
    name: "process.args is empty",
    body: withBundle(changed({ "process.args": [] })),
    status: [128],
    stderr: /process\.args/,
  },
  {
    name: "process.args holds a number",
    body: withBundle(changed({ "process.args": ["sh", 5] })),
    status: [128],
    stderr: /process\.args\[1\]/,
  },
  {
    name: "process.cwd is relative",
    body: withBundle(changed({ "process.cwd": "x" })),
    status: [128],
    stderr: /process\.cwd/,
  },
  {
    name: "process.cwd is no string",
    body: withBundle(changed({ "process.cwd": {} })),
    status: [128],
    stderr: /process\.cwd/,
  },
  {
    name: "process.env is an object",
    body: withBundle(changed({ "process.env": {} })),
    status: [128],
    stderr: /process\.env/,
  },
  {
    name: "process.user.uid is negative",
    body: withBundle(changed({ "process.user": { uid: -1, gid: 0 } })),
    status: [128],
    stderr: /process\.user\.uid/,
  },
  {
    name: "unknown rlimit",
    body: withBundle(changed({ "process.rlimits": [{ type: "RLIMIT_X", soft: 1, hard: 1 }] })),
    status: [128],
    stderr: /rlimits\[0\]/,
  },
  { name: "mounts is no list", body: withBundle(changed({ mounts: "x" })), status: [128], stderr: /mounts/ },
  {
    name: "mount without a destination",
    body: withBundle(changed({ mounts: [{ type: "proc" }] })),
    status: [128],
    stderr: /mounts\[0\]/,
  },
  {
    name: "bind mount of nothing",
    body: withBundle(changed({ mounts: [{ destination: "/mnt", type: "bind", source: "/no/such" }] })),
    status: [128],
    stderr: /mounts\[0\].*\/no\/such/,
  },
  {
    name: "bundle with a missing command",
    body: withBundle(changed({ "process.args": ["/no/such"] })),
    status: [127],
    stderr: /no\/such/,
  },
];

/** Starts a guest that says "ready", waits for that, and runs `then` with the process IDs at hand. */
function whileRunning(guest: string, then: string): string {
  return `
find_process() { for dir in /proc/[0-9]*; do tr '\\0' ' ' <$dir/cmdline 2>/dev/null | grep -qE "$1" && echo \${dir#/proc/} && return; done; return 1; }
find_stub() { for dir in /proc/[0-9]*; do grep -q '^stub' $dir/comm 2>/dev/null && echo \${dir#/proc/} && return; done; return 1; }
"$tsvisor" do --platform=$platform -- sh -c '${guest}' >out 2>err </dev/null & cli=$!
for i in $(seq 200); do grep -q ready out && break; sleep 0.05; done
sentry=$(find_process '^tsvisor-sentry') || echo "no Sentry found" >>err
gofer=$(find_process '^tsvisor-gofer') || echo "no gofer found" >>err
stub=$(find_stub) || echo "no stub found" >>err
${then}
wait $cli; status=$?`;
}

const sleeper = "echo ready; exec sleep 1000";
const family = "sleep 1000 & sleep 1000 & (sleep 1000 & wait) & echo ready; wait";

/** Our processes end before their time. */
const kills: readonly Fault[] = [
  {
    name: "SIGTERM at the command line",
    body: whileRunning(sleeper, "kill -TERM $cli"),
    status: [143],
    stdout: "ready\n",
    stderr: null,
  },
  {
    name: "SIGINT at the command line",
    body: whileRunning(sleeper, "kill -INT $cli"),
    status: [130],
    stdout: "ready\n",
    stderr: null,
  },
  {
    name: "SIGHUP at the command line",
    body: whileRunning(sleeper, "kill -HUP $cli"),
    status: [129],
    stdout: "ready\n",
    stderr: null,
  },
  {
    name: "SIGTERM that the guest handles",
    body: whileRunning('trap "echo handled; exit 5" TERM; echo ready; while :; do sleep 0.05; done', "kill -TERM $cli"),
    status: [5],
    stdout: "ready\nhandled\n",
    stderr: null,
  },
  {
    name: "SIGKILL at the command line",
    body: whileRunning(family, "kill -KILL $cli"),
    status: [137],
    stdout: "ready\n",
  },
  {
    name: "SIGKILL at the Sentry",
    body: whileRunning(family, "kill -KILL $sentry"),
    status: [128, 137],
    stdout: "ready\n",
  },
  {
    name: "SIGTERM at the Sentry",
    body: whileRunning(family, "kill -TERM $sentry; kill -KILL $cli"),
    status: [128, 137, 143],
    stdout: "ready\n",
  },
  {
    name: "SIGKILL at the gofer",
    body: whileRunning(sleeper, "kill -KILL $gofer; sleep 0.3; kill -KILL $cli"),
    status: [128, 137],
    stdout: "ready\n",
  },
  {
    name: "SIGKILL at a stub",
    body: whileRunning("sleep 1000 & echo ready; wait; exit 7", "kill -KILL $stub; sleep 0.3; kill -KILL $cli"),
    status: [7, 128, 137],
    stdout: "ready\n",
  },
  {
    name: "SIGKILL at the command line at any moment",
    body: `for delay in 0 0.01 0.02 0.03 0.05 0.07 0.09 0.12 0.15 0.2 0.25 0.3 0.4; do
  "$tsvisor" do --platform=$platform -- sh -c 'sleep 1000 & sleep 1000' >/dev/null 2>&1 </dev/null & cli=$!
  sleep $delay; kill -KILL $cli; wait $cli 2>/dev/null
done; status=0`,
    status: [0],
    timeout: 60,
  },
  {
    name: "SIGTERM at the command line at any moment",
    body: `for delay in 0 0.02 0.04 0.06 0.08 0.1 0.13 0.16 0.2 0.25 0.3 0.4; do
  "$tsvisor" do --platform=$platform -- sleep 1000 >/dev/null 2>&1 </dev/null & cli=$!
  sleep $delay; kill -TERM $cli; wait $cli 2>/dev/null
done; status=0`,
    status: [0],
    timeout: 60,
  },
  {
    name: "SIGINT at the whole group",
    body: `set -m
"$tsvisor" do --platform=$platform -- sh -c '${sleeper}' >out 2>err </dev/null & cli=$!
set +m
for i in $(seq 200); do grep -q ready out && break; sleep 0.05; done
kill -INT -$cli; wait $cli; status=$?`,
    status: [130],
    stdout: "ready\n",
    stderr: null,
  },
  {
    name: "the reader of stdout goes away",
    body: `"$tsvisor" do --platform=$platform -- yes 2>err </dev/null | head -1 >out; status=\${PIPESTATUS[0]}`,
    status: [141],
    stdout: "y\n",
    stderr: null,
  },
  {
    name: "the guest leaves processes in the background",
    body: inSandbox("-- sh -c 'sleep 1000 & setsid sleep 1000 & echo done; exit 3'"),
    status: [3],
    stdout: "done\n",
    stderr: null,
  },
  ...(existsSync("/usr/bin/script")
    ? [
        {
          name: "Ctrl-C on a terminal",
          body: `{ for i in $(seq 200); do grep -q ready typed 2>/dev/null && break; sleep 0.05; done; sleep 0.2; printf '\\003'; sleep 2; } |
script -qefc "'$tsvisor' do --platform=$platform -- sh -c 'echo ready; exec sleep 1000'" typed >/dev/null 2>err; status=$?; rm -f typed`,
          status: [130],
          stderr: null,
        },
      ]
    : []),
];

/** What `do` promises, seen from outside. */
const promises: readonly Fault[] = [
  { name: "exit status", body: inSandbox("-- sh -c 'exit 33'"), status: [33], stderr: null },
  { name: "exit status after a signal", body: inSandbox("-- sh -c 'kill -SEGV $$'"), status: [139] },
  {
    name: "the three standard streams",
    body: `printf 'in\\n' | "$tsvisor" do --platform=$platform -- sh -c 'read x; echo out $x; echo error >&2' >out 2>err; status=$?`,
    status: [0],
    stdout: "out in\n",
    stderr: /^error$/,
  },
  {
    name: "standard streams that are closed",
    body:
      `for streams in '0<&-' '1>&-' '2>&-' '0<&- 1>&-' '0<&- 1>&- 2>&-'; do\n` +
      `eval '"$tsvisor" do --platform=$platform -- sh -c "for i in 0 1 2; do test -e /proc/self/fd/\\$i && s=\\$s\\$i; done; exit 1\\$s"' "$streams"\n` +
      `echo $? >>out; done; status=0`,
    status: [0],
    stdout: "112\n102\n101\n12\n1\n",
  },
  {
    name: "a megabyte through stdin and stdout",
    body: `head -c 1000000 /dev/urandom >data; "$tsvisor" do --platform=$platform -- cat <data 2>err | cmp - data; status=$?; rm data`,
    status: [0],
    stderr: null,
  },
  {
    name: "streams that are files go on where they are",
    body: `printf 'one\\ntwo\\nthree\\n' >data; "$tsvisor" do --platform=$platform -- sh -c 'read x; cat; echo end; grep pos /proc/self/fdinfo/1' <data >out 2>err; status=$?`,
    status: [0],
    stdout: "two\nthree\nend\npos:\t14\n",
    stderr: null,
  },
  {
    name: "streams that are files have other positions when opened again",
    body: `printf 'one\\ntwo\\n' >data; "$tsvisor" do --platform=$platform -- sh -c 'read x; cat /dev/stdin; cat; echo lost >>/dev/stdout; echo done' <data >out 2>err; status=$?`,
    status: [0],
    stdout: "one\ntwo\ntwo\ndone\n",
    stderr: null,
  },
  {
    name: "streams that are files stay below the limit of files",
    body: `"$tsvisor" do --platform=$platform -- bash -c 'echo begin; ulimit -f 1; head -c 3000 /dev/zero' >data 2>err; status=$?; stat -c %s data >out`,
    status: [153],
    stdout: "1024\n",
  },
  {
    name: "writes stay inside",
    body: `echo old >file; ${inSandbox("-- sh -c 'echo new >file; echo more >other; rm -rf /etc/passwd; cat file; ls'")}; [ "$(cat file)" = old ] && [ ! -e other ] && [ -e /etc/passwd ] || status=77`,
    status: [0],
    stdout: "new\nerr\nfile\nother\nout\n",
    stderr: null,
  },
  {
    name: "a volume",
    body: `mkdir shared; echo old >shared/a; ${inSandbox("--volume shared:/mnt -- sh -c 'cat /mnt/a; echo new >/mnt/b; rm /mnt/a'")}; [ "$(cat shared/b)" = new ] && [ ! -e shared/a ] || status=77`,
    status: [0],
    stdout: "old\n",
    stderr: null,
  },
  {
    name: "a read-only volume",
    body: `mkdir shared; echo old >shared/a; ${inSandbox("--volume shared:/mnt:ro -- sh -c 'cat /mnt/a; echo new >/mnt/b'")}; [ ! -e shared/b ] || status=77`,
    status: [1, 2],
    stdout: "old\n",
    stderr: /Read-only file system/,
  },
  {
    name: "environment and directory",
    body: inSandbox("--env A=1 --env B='two words' --cwd /usr -- sh -c 'echo $A $B $PWD'"),
    status: [0],
    stdout: "1 two words /usr\n",
    stderr: null,
  },
  {
    name: "global flags before the command",
    body: tsvisorLine("--platform=$platform do -- echo fine"),
    status: [0],
    stdout: "fine\n",
    stderr: null,
  },
  {
    name: "flags end at the command",
    body: inSandbox("echo --platform=x -- -v"),
    status: [0],
    stdout: "--platform=x -- -v\n",
    stderr: null,
  },
  {
    name: "strace goes to the debug log",
    body: `"$tsvisor" do --platform=$platform --strace --debug-log log -- echo traced >out 2>err </dev/null; status=$?; grep -q 'write(' log && grep -q exit_group log || status=77`,
    status: [0],
    stdout: "traced\n",
    stderr: null,
  },
  {
    name: "the profile is on stderr, after the program",
    body: `"$tsvisor" do --platform=$platform --profile -- sh -c 'sleep 0.2; ls /usr/lib; exit 3' >/dev/null 2>err </dev/null; status=$?; mv err profile; : >err; awk '
      /^profile: .* system calls, served in / { head = NR }
      / (openat|getdents64|newfstatat|execve)$/ && $10 > 0 { files = 1 }
      /where the guest waited$/ { waits = 1 }
      waits && / (clock_)?nanosleep$/ && $1 >= 190 { slept = 1 }
      waits && / (wait4|vfork)$/ { waited = 1 }
      END { exit !(head == 1 && files && slept && waited) }' profile || status=77`,
    status: [3],
    stderr: null,
  },
  {
    name: "help",
    body: `"$tsvisor" help >help 2>err; status=$?; grep -q 'do' help && grep -q 'run' help || status=77`,
    status: [0],
    stderr: null,
  },
  {
    name: "spec makes a bundle that is accepted",
    body: `mkdir bundle; "$tsvisor" spec --bundle bundle >out 2>err && sed -i 's|"path": *"[^"]*"|"path": "/"|' bundle/config.json && "$tsvisor" run --platform=$platform --bundle bundle id1 >out 2>err <<<'echo in the bundle'; status=$?`,
    status: [0],
    stdout: "in the bundle\n",
    stderr: null,
  },
];

/** What `tsvisor debug` shows of a guest, by regular expressions of grep -E. */
function debugShows(guest: string, ...patterns: readonly string[]): string {
  const checks = patterns.map(
    (pattern) => `grep -qE '${pattern}' report || { echo 'no ${pattern} in:'; cat report; } >>err`,
  );
  return whileRunning(
    guest,
    `sleep 0.2; "$tsvisor" debug $cli >report 2>>err\n${checks.join("\n")}\nrm -f report; kill -TERM $cli`,
  );
}

/** `tsvisor debug`. */
const debugCases: readonly Fault[] = [
  {
    name: "who waits for what",
    body: debugShows(
      "echo ready; sleep 1000 | cat",
      "thread [0-9]+ cat: blocked in read\\(0, ",
      "waits for IN.* of fd 0, pipe:\\[[0-9]+\\] \\(ready: nothing\\)",
      "thread [0-9]+ sleep: blocked in clock_nanosleep\\(",
      "timers: 1 armed, the first one due in [0-9]+",
      "thread [0-9]+ sh: blocked in wait4\\(-1, ",
      "host process [0-9]+, parent [0-9]+, the gofer: ",
      "thread [0-9]+ (tsvisor-sentry|node-MainThread): state S, .* wchan \\S*(epoll|poll)",
    ),
    status: [143],
    stdout: "ready\n",
    stderr: null,
  },
  {
    name: "a Sentry that does not answer",
    body: whileRunning(
      sleeper,
      `kill -STOP $sentry; "$tsvisor" debug $cli >report 2>>err; grep -q 'has not answered' report && grep -qE '^host process [0-9]+, parent [0-9]+, the sentry' report || cat report >>err
rm -f report; kill -CONT $sentry; kill -TERM $cli`,
    ),
    status: [143],
    stdout: "ready\n",
    stderr: null,
  },
  {
    name: "no sandbox",
    body: `sleep 100 & other=$!; ${tsvisorLine("debug $other")}; kill $other`,
    status: [128],
    stderr: /process \d+ runs no sandbox/,
  },
  { name: "not a process number", body: tsvisorLine("debug x"), status: [2], stderr: /process number/ },
];

/** Every case, by group; the names of groups are the suite's filters too. `isStarted`: whether cases start sandboxes. */
export const faultGroups: readonly {
  readonly name: string;
  readonly isStarted: boolean;
  readonly faults: readonly Fault[];
}[] = [
  { name: "usage", isStarted: false, faults: usage },
  { name: "command", isStarted: true, faults: commands },
  { name: "bundle", isStarted: true, faults: bundles },
  { name: "promise", isStarted: true, faults: promises },
  { name: "kill", isStarted: true, faults: kills },
  { name: "debug", isStarted: true, faults: debugCases },
  { name: "terminal", isStarted: true, faults: terminalCases },
  { name: "limit", isStarted: true, faults: limits },
  { name: "shared", isStarted: true, faults: shared },
];
