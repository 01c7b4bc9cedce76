import assert from "node:assert/strict";
import { test } from "node:test";
import { spawn, sys } from "../syscalls/scripted.testing.ts";
import type { Call } from "../syscalls/scripted.testing.ts";
import { MEM, World } from "../syscalls/world.testing.ts";
import { Tracer } from "./strace.ts";

type Script = Generator<Call | null, void, number>;

function traced(program: (w: World) => Script): string[] {
  const lines: string[] = [];
  const w = new World(new Tracer((line) => lines.push(line)));
  w.run(() => program(w));
  return lines;
}

test("lines show strings, flags, buffers that the kernel filled, results and errno names", () => {
  const lines = traced(function* (w): Script {
    w.pokeString(1, MEM, "/a\nfile");
    const fd = yield sys("openat", -100, MEM, 0o101 | 0o1000, 0o644);
    assert.equal(fd, 0);
    w.pokeString(1, MEM + 64, "some text that is longer than what is shown");
    yield sys("write", fd, MEM + 64, 40);
    yield sys("close", 9);
    yield sys("pipe2", MEM + 512, 0o2000000);
    yield sys("mmap", 0, 4096, 3, 0x22, -1, 0);
    yield sys("lseek", fd, -1, 1);
    yield sys("kill", 1, 0);
    yield sys("exit_group", 4);
  });
  lines.splice(4, 1, lines[4]!.replace(/0x[0-9a-f]+$/, "ADDR"));
  assert.deepEqual(lines, [
    '[1] openat(AT_FDCWD, "/a\\nfile", O_WRONLY|O_CREAT|O_TRUNC, 0644) = 0',
    '[1] write(0, "some text that is longer than wh"..., 40) = 40',
    "[1] close(9) = -1 EBADF",
    "[1] pipe2([1, 2], O_RDONLY|O_CLOEXEC) = 0",
    "[1] mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = ADDR",
    "[1] lseek(0, -1, SEEK_CUR) = 39",
    "[1] kill(1, 0) = 0",
    "[1] exit_group(4) = ?",
    "[1] +++ exited with 4 +++",
  ]);
});

test("a call that was blocked is shown once, when it is over", () => {
  const lines = traced(function* (): Script {
    yield spawn(function* (): Script {
      yield sys("getpid");
      yield sys("exit_group", 2);
    }, "fork");
    yield sys("wait4", -1, MEM, 0, 0);
    yield sys("exit_group", 0);
  });
  assert.deepEqual(lines, [
    "[1] fork() = 2",
    "[2] getpid() = 2",
    "[2] exit_group(2) = ?",
    "[2] +++ exited with 2 +++",
    "[1] wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 2}], 0, NULL) = 2",
    "[1] exit_group(0) = ?",
    "[1] +++ exited with 0 +++",
  ]);
});

test("bad pointers do not hurt the tracer", () => {
  const lines = traced(function* (): Script {
    yield sys("openat", -100, 8, 0, 0);
    yield sys("execve", 0xffffffff, 0x10, 0x10);
    yield sys("rt_sigaction", 2, 0x123456789abc, 0, 8);
    yield sys("writev", 1, 64, 1000000);
    yield sys("exit_group", 0);
  });
  assert.equal(lines.length, 6);
  assert.equal(lines[0], "[1] openat(AT_FDCWD, 0x8, O_RDONLY, 00) = -1 EFAULT");
});
