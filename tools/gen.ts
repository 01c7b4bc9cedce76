/**
 * `npm run gen`: makes every generated file again, by running each tools/gen-*.ts in order of name. With `--check` (given
 * on to each) they change nothing and fail when a file in the tree is not what they would write.
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";

const root: string = dirname(import.meta.dirname);
const generators = readdirSync(import.meta.dirname)
  .filter((name) => /^gen-.*\.ts$/.test(name) && !name.endsWith(".test.ts"))
  .sort();
for (const name of generators) {
  console.log(`gen: ${name}`);
  const run = spawnSync(process.execPath, [join(import.meta.dirname, name), ...process.argv.slice(2)], {
    cwd: root,
    stdio: "inherit",
  });
  if (run.status !== 0) process.exitCode = 1;
}
