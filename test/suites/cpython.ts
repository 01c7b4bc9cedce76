/** CPython's own tests, from Debian's packages. cpython/run_tests.py prints one line per test. */
import { join } from "node:path";
import type { Outcome } from "../harness/process.ts";
import { loadExclusions } from "./exclusions.ts";
import { ensureUpstream } from "./packages.ts";
import type { Case, Results, Suite } from "./suite.ts";

const runner = join(import.meta.dirname, "cpython/run_tests.py");

/** Modules and how many seconds they may take. */
const modules: Readonly<Record<string, number>> = {
  test_os: 60,
  test_posix: 60,
  test_posixpath: 60,
  test_subprocess: 120,
  test_signal: 120,
  test_threading: 120,
  test_thread: 60,
  test_fork1: 60,
  test_wait3: 60,
  test_wait4: 60,
  test_pty: 60,
  test_fcntl: 60,
  test_file: 60,
  test_fileio: 60,
  test_io: 300,
  test_mmap: 60,
  test_multiprocessing_fork: 400,
  test_multiprocessing_spawn: 600,
  test_select: 60,
  test_selectors: 60,
  test_epoll: 60,
  test_poll: 60,
  // test_eintr runs this in one process and tells only whether all passed.
  _test_eintr: 60,
  test_eintr: 120,
  test_faulthandler: 120,
  test_resource: 60,
  test_shutil: 60,
  test_tempfile: 60,
  test_pathlib: 60,
  test_glob: 60,
  test_stat: 60,
  test_time: 60,
  test_timeout: 60,
  // Debian's package leaves this one out: it comes from the source.
  test_sqlite3: 60,
  test_zipfile: 120,
  test_tarfile: 120,
  test_pwd: 60,
  test_grp: 60,
  test_popen: 60,
  test_queue: 60,
  test_concurrent_futures: 400,
  test_socket: 240,
  test_asyncio: 300,
};

/** Modules that together take seconds, for `npm test`. */
const quick = new Set([
  "test_os",
  "test_posix",
  "test_posixpath",
  "test_pty",
  "test_fcntl",
  "test_file",
  "test_fileio",
  "test_mmap",
  "test_select",
  "test_epoll",
  "test_resource",
  "test_shutil",
  "test_tempfile",
  "test_pathlib",
  "test_glob",
  "test_stat",
  "test_pwd",
  "test_grp",
  "test_popen",
  "test_thread",
]);

/** Modules that are not installed, and which package's source has them. */
const fromSource = new Set(["test_sqlite3"]);

/** Where the modules of `fromSource` are. */
function sourceTests(): string {
  return join(ensureUpstream("python3.11", "*/Lib/test/test_sqlite3/*"), "Lib/test");
}

/** Reads the runner's lines. A test that has started and not ended counts as "hang". */
export function parseTests(outcome: Outcome): Results {
  const results: Results = new Map();
  for (const line of outcome.stdout.toString("latin1").split("\n")) {
    const [word, name, status] = line.split(" ");
    if (word === "start" && name) results.set(name.replace(/^test\./, ""), "hang");
    if (word === "test" && name && status) results.set(name.replace(/^test\./, ""), status);
  }
  if (outcome.status !== 0 || outcome.isTimedOut) results.set("the whole file", `exit status ${outcome.status}`);
  return results;
}

/** A file that cannot be loaded, or that ended early, says nothing about a sandbox. */
function complaint(native: Results): string | undefined {
  if (native.size === 0) return "no test ran natively";
  for (const [name, status] of native) {
    if (name === "the whole file" || name.startsWith("unittest.loader._FailedTest"))
      return `${name}: ${status} natively`;
  }
  return undefined;
}

/** See the file's comment. */
export const cpython: Suite = {
  name: "cpython",
  title: "CPython 3.11's own tests (`libpython3.11-testsuite`)",
  hasQuick: true,
  packages: ["libpython3.11-testsuite", "python3.11"],
  cases() {
    const exclusions = loadExclusions().filter((exclusion) => exclusion.suite === "cpython");
    return Object.entries(modules).map(([name, timeout]): Case => {
      // Those of other modules would only make the command line long.
      const unwanted = exclusions.filter(({ text }) => text.startsWith(`${name}.`)).map(({ text }) => `!${text}`);
      const words = ["/usr/bin/python3.11", runner, String(timeout * 2), name, ...unwanted];
      const command = fromSource.has(name) ? () => [...words, `+${sourceTests()}`] : words;
      return { name, command, timeout, parse: parseTests, complaint, isQuick: quick.has(name) };
    });
  },
};
