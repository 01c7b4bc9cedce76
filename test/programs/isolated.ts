/**
 * Runs a piece of shell that starts tsvisor in pid and mount namespaces of its own, and says what is left when it is over:
 * processes, mounts, and files in the places where temporary files are made.
 */
import { run } from "../harness/process.ts";
import { cleanEnv, root, tsvisor } from "../harness/sandbox.ts";

/** How an isolated run ended. */
export interface Isolated {
  /** Exit status of tsvisor, undefined when the wrapper itself failed. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** What the shell around it said. */
  readonly shellStderr: string;
  /** What was left three seconds later, in words. Empty is good. */
  readonly leftovers: readonly string[];
  readonly seconds: number;
}

// bash is pid 1 here. The body sets `status`, and writes to the files out and err in the current directory.
const wrapper = `
root=$1 body=$2
mount --make-rprivate / || exit 98
case_dir=
for dir in /tmp /var/tmp /run /dev/shm; do
  case $root/ in "$dir"/*) continue;; esac
  mount -t tmpfs -o mode=1777 tmpfs "$dir" && fresh="$fresh $dir"
  : "\${case_dir:=$dir/case}"
done
rm -rf /run/mount # mount's own notes
mkdir "$case_dir" && cd "$case_dir" || exit 98
mounts=$(cat /proc/self/mounts)
status=
: >out; : >err
eval "$body"
others() {
  for dir in /proc/[0-9]*; do
    pid=\${dir#/proc/}
    [ "$pid" = $$ ] && continue
    read -r line 2>/dev/null <"$dir/stat" || continue
    line=\${line##*) }
    [ "\${line%% *}" = Z ] && continue
    set -- $line
    [ "$2" = $$ ] && [ "$(cat "$dir/comm" 2>/dev/null)" = bash ] && continue
    printf '@process %s\\n' "$(tr '\\0' ' ' <"$dir/cmdline" 2>/dev/null) ($(cat "$dir/comm" 2>/dev/null))"
  done
}
left=$(others)
for i in $(seq 30); do [ -z "$left" ] && break; sleep 0.1; left=$(others); done
echo "@status $status"
echo "@stdout $(base64 -w0 out)"
echo "@stderr $(base64 -w0 err)"
[ -n "$left" ] && echo "$left"
diff <(echo "$mounts") /proc/self/mounts | sed -n 's/^[<>]/@mount &/p'
find $fresh -mindepth 1 -path "$case_dir" -prune -o -print | sed 's/^/@file /'
`;

/**
 * Runs `body` (bash) in a fresh directory. It has `$tsvisor`, must set `status`, and leaves outputs in the files `out` and
 * `err`. `timeout` in seconds.
 */
export async function isolated(body: string, timeout: number): Promise<Isolated> {
  const namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const script = `tsvisor='${tsvisor}'\n${body}`;
  const outcome = await run("unshare", [...namespaces, "bash", "-c", wrapper, "bash", root, script], {
    cwd: "/",
    env: cleanEnv,
    timeout,
  });
  const lines = outcome.stdout.toString("latin1").split("\n");
  const values = (key: string): string[] =>
    lines.filter((line) => line.startsWith(`@${key} `)).map((line) => line.slice(key.length + 2));
  const decode = (key: string): string => Buffer.from(values(key)[0] ?? "", "base64").toString("utf8");
  const leftovers = ["process", "mount", "file"].flatMap((key) => values(key).map((value) => `${key} ${value}`));
  if (outcome.isTimedOut) leftovers.push(`the run itself: timed out\n${outcome.state}`);
  const status = values("status")[0] ?? "";
  return {
    status: /^\d+$/.test(status) ? Number(status) : undefined,
    stdout: decode("stdout"),
    stderr: decode("stderr"),
    shellStderr: outcome.stderr.toString("utf8"),
    leftovers,
    seconds: outcome.seconds,
  };
}
