/**
 * `npm start -- CMD ARGS...`: installs what is missing, builds, and runs CMD in a sandbox over a read-only view of this
 * machine's root; without CMD it gives a short tour. Options of `tsvisor do` may come before CMD.
 *
 * Set-up speaks on stderr alone; stdin, stdout, signals and the exit status are the command's own. Needs root.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { SetupError, build, ensureCompiler, ensureModules, note, root, userEnvironment } from "./setup.mjs";

const tsvisor = join(root, "bin/tsvisor");
const env = userEnvironment();
const cwd = process.env.INIT_CWD ?? process.cwd();

/**
 * Becomes `tsvisor do ARGS`, or stands aside for it.
 * @param {string[]} args
 */
function runInSandbox(args) {
  const words = args[0]?.startsWith("-") ? ["do", ...args] : ["do", "--", ...args];
  if (typeof process.execve === "function") {
    process.chdir(cwd);
    process.execve(tsvisor, [tsvisor, ...words], env);
  }
  const child = spawn(tsvisor, words, { cwd, env, stdio: "inherit" });
  // A terminal signals the whole foreground group; only what was sent to us alone is to be passed on.
  for (const signal of ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"]) process.on(signal, () => child.kill(signal));
  for (const signal of ["SIGINT", "SIGQUIT"]) process.on(signal, () => process.stdin.isTTY || child.kill(signal));
  child.on("error", (error) => {
    note(error.message);
    process.exitCode = 128;
  });
  child.on("exit", (code, signal) => {
    process.exitCode = signal === null ? code : 128 + constants.signals[signal];
  });
}

/** Shows a few commands in the sandbox, and that what they write stays there. */
function tour() {
  const file = `/tmp/tsvisor-tour-${process.pid}`;
  const script = `echo hello from the sandbox > ${file}; ls -l ${file}; cat ${file}`;
  const steps = [
    { title: "The kernel that answers is not this machine's:", shown: "uname -a", command: ["uname", "-a"] },
    { title: "Only the sandbox's own processes are seen:", shown: "ps -ef", command: ["ps", "-ef"] },
    { title: "A file written in the sandbox ...", shown: script, command: ["sh", "-c", script] },
  ];
  for (const { title, shown, command } of steps) {
    process.stdout.write(`\n# ${title}\n$ ${shown}\n`);
    const run = spawnSync(tsvisor, ["do", "--", ...command], { cwd: "/", env, stdio: "inherit" });
    if (run.status !== 0) {
      note(`the tour stopped: ${shown}: ended with ${run.signal ?? `status ${run.status}`}`);
      process.exitCode = run.status ?? 1;
      return;
    }
  }
  const isThere = existsSync(file);
  process.stdout.write(
    `\n# ... ${isThere ? "IS on the host, which is a bug" : "is absent on the host"}:\n$ ls ${file}\n`,
  );
  spawnSync("ls", [file], { env: { ...env, LC_ALL: "C" }, stdio: ["ignore", 1, 1] });
  process.stdout.write("\nRun your own: npm start -- bash\n");
  if (isThere) process.exitCode = 1;
}

try {
  ensureModules();
  ensureCompiler();
  build();
  const args = process.argv.slice(2);
  if (args.length > 0) runInSandbox(args);
  else tour();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  note(error.message);
  process.exitCode = 128;
}
