/** Processes made from images, and what becomes of images that are not fit. Needs root, as the build that makes them does. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";

const root = dirname(import.meta.dirname);
const restore = join(root, "build/tsvisor");
const image = join(root, "dist/cli.image");
const skip = existsSync(image) ? false : "the build could make no images here";
const temporary = mkdtempSync(join(tmpdir(), "tsvisor-image-"));
after(() => rmSync(temporary, { recursive: true, force: true }));

/** Runs `restore` with an image and `echo` to fall back on. */
function restoreOrEcho(path: string): string {
  const ran = spawnSync(restore, [path, "2", "/bin/echo", "fell back:", "version"], { encoding: "utf8" });
  assert.equal(ran.status, 0, ran.stderr);
  return ran.stdout;
}

test("a process goes on from its image, with its own arguments and environment", { skip }, () => {
  assert.match(restoreOrEcho(image), /^tsvisor version /);
  const script = 'printf "%s|%s|%s" "$1" "$NAME" "$PWD"';
  const ran = spawnSync(
    restore,
    [image, "0", "do", "--env", "NAME=\u00e4 b", "--", "/bin/sh", "-c", script, "sh", "c  d"],
    {
      encoding: "utf8",
      cwd: temporary,
    },
  );
  assert.deepEqual([ran.stdout, ran.status], [`c  d|\u00e4 b|${temporary}`, 0], ran.stderr);
});

test("processes of one image know nothing of each other", { skip }, () => {
  const script = "ls /run/left-over 2>/dev/null; echo $$ >/run/left-over; cat /run/left-over";
  const args = [image, "0", "do", "--", "/bin/sh", "-c", script];
  for (let i = 0; i < 3; i++) assert.equal(spawnSync(restore, args, { encoding: "utf8" }).stdout, "1\n");
});

test("the command line, the gofer and the Sentry are made from images", { skip }, async () => {
  const child = spawn(join(root, "bin/tsvisor"), ["do", "--", "/bin/sh", "-c", "echo up; read x"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "latin1").trim().split(" ");
    const programs = [String(child.pid), ...children].map((pid) => readlinkSync(`/proc/${pid}/exe`));
    assert.deepEqual(programs, [restore, restore, restore]);
  } finally {
    child.stdin.end("\n");
    await new Promise((resolve) => child.once("close", resolve));
  }
});

test("an image that is not fit is passed over", { skip }, () => {
  const changed = (offset: number, value: number): Buffer => {
    const bytes = readFileSync(image);
    bytes[offset]! ^= value;
    return bytes;
  };
  const path = join(temporary, "cli.image");
  const wrong: [string, Buffer | string][] = [
    ["no file", ""],
    ["an empty file", Buffer.alloc(0)],
    ["a short file", readFileSync(image).subarray(0, 5000)],
    ["no image", changed(0, 1)],
    ["more files than there may be", changed(18, 0xff)],
  ];
  for (const [what, bytes] of wrong) {
    rmSync(path, { force: true });
    if (bytes !== "") writeFileSync(path, bytes);
    assert.equal(restoreOrEcho(path), "fell back: version\n", what);
  }
  // Its files are found by their names: a copy would run what lies beside the original.
  copyFileSync(image, path);
  assert.equal(restoreOrEcho(path), "fell back: version\n", "a copy");
});

test("without anything to fall back on it says so", () => {
  const ran = spawnSync(restore, [join(temporary, "none"), "0", "version"], { encoding: "utf8" });
  assert.deepEqual([ran.status, ran.stdout, ran.stderr], [128, "", "tsvisor: restore: the image is not fit\n"]);
});
