import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { describe } from "node:test";
import * as e from "../../../abi/errno.ts";
import { AT_SYMLINK_NOFOLLOW, O_RDONLY } from "../../../abi/fcntl.ts";
import { S_IFLNK, S_IFMT, S_IFREG, Stat } from "../../../abi/stat.ts";
import { chmodAt, statAt } from "../../vfs/attributes.ts";
import { openAt } from "../../vfs/open.ts";
import { linkAt, mkdirAt, readlinkAt, renameAt2, symlinkAt, unlinkAt } from "../../vfs/operations.ts";
import { mountFileSystem } from "../../vfs/mounting.ts";
import { resolvePath } from "../../vfs/walk.ts";
import { turn } from "../../vfs/turn.ts";
import { newTmpfs, readText } from "../tmpfs/harness.testing.ts";
import { inWorld } from "./world.testing.ts";

describe("shared with others", () => {
  const shared = true;

  inWorld(
    "changes made outside are seen",
    (w) => {
      const { ctx } = w;
      const stat = new Stat();
      assert.equal(statAt(ctx, null, "/late", 0, stat), -e.ENOENT);
      fs.writeFileSync(w.host("late"), "one");
      assert.equal(ctx.stat("/late").size, 3);
      assert.equal(ctx.text("/late"), "one");
      fs.writeFileSync(w.host("late"), "longer");
      assert.equal(ctx.stat("/late").size, 6);
      assert.equal(ctx.text("/late"), "longer");
      // Another file under the same name.
      fs.writeFileSync(w.host("other"), "replaced");
      fs.renameSync(w.host("other"), w.host("late"));
      assert.equal(ctx.text("/late"), "replaced");
      fs.unlinkSync(w.host("late"));
      assert.equal(statAt(ctx, null, "/late", 0, stat), -e.ENOENT);
      fs.mkdirSync(w.host("dir"));
      assert.deepEqual(ctx.list("/dir"), []);
      fs.writeFileSync(w.host("dir/new"), "");
      assert.deepEqual(ctx.list("/dir"), ["new"]);
      fs.symlinkSync("dir", w.host("link"));
      assert.deepEqual(ctx.list("/link"), ["new"]);
      fs.unlinkSync(w.host("link"));
      fs.symlinkSync("/nowhere", w.host("link"));
      assert.equal(openAt(ctx, null, "/link", O_RDONLY, 0), -e.ENOENT);
    },
    shared,
  );

  inWorld(
    "names that nobody has asked for before, in a directory that has been read",
    (w) => {
      const { ctx } = w;
      const stat = new Stat();
      fs.mkdirSync(w.host("dir"));
      fs.writeFileSync(w.host("dir/old"), "");
      assert.deepEqual(ctx.list("/dir"), ["old"]);
      const cost = w.cost(() => {
        for (let i = 0; i < 9; i++) assert.equal(statAt(ctx, null, `/dir/none${i}`, 0, stat), -e.ENOENT);
      });
      assert.equal(cost, 0);
      fs.writeFileSync(w.host("dir/outside"), "");
      assert.equal(statAt(ctx, null, "/dir/outside", 0, stat), 0);
      ctx.put("/dir/inside", "");
      assert.equal(statAt(ctx, null, "/dir//inside", 0, stat), 0);
      assert.equal(unlinkAt(ctx, null, "/dir/inside"), 0);
      assert.equal(statAt(ctx, null, "/dir///inside", 0, stat), -e.ENOENT);
      ctx.put("/dir/inside", "");
      assert.equal(statAt(ctx, null, "//dir/inside", 0, stat), 0);
    },
    shared,
  );

  inWorld(
    "what is mounted on a directory that was removed outside can be reached",
    (w) => {
      const { ctx } = w;
      assert.equal(mkdirAt(ctx, null, "/dir", 0o755), 0);
      assert.equal(mkdirAt(ctx, null, "/dir/on", 0o755), 0);
      const at = resolvePath(ctx, null, "/dir/on", 0);
      if (typeof at === "number") throw new Error(`resolve: ${at}`);
      assert.equal(mountFileSystem(ctx.vfs, newTmpfs(ctx.vfs, ctx.mem), at, 0, "none"), 0);
      ctx.put("/dir/on/file", "in memory");
      fs.rmdirSync(w.host("dir/on"));
      assert.deepEqual(ctx.list("/dir"), []);
      assert.equal(ctx.text("/dir/on/file"), "in memory");
      assert.equal(ctx.text("/dir//on/file"), "in memory");
    },
    shared,
  );

  inWorld(
    "whatever is changed outside, the next call sees it",
    (w) => {
      const { ctx } = w;
      const names = ["a", "b", "c", "d"];
      const dirs = ["", "sub/", "sub/deep/"];
      fs.mkdirSync(w.host("sub/deep"), { recursive: true });
      // A fixed sequence that looks random (a linear congruential generator): a failure comes again.
      let state = 12345;
      const pick = (n: number): number => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        return (state >>> 8) % n;
      };
      const change = (step: number): void => {
        const one = w.host(dirs[pick(3)]! + names[pick(4)]!);
        const two = w.host(dirs[pick(3)]! + names[pick(4)]!);
        const kinds = [
          () => fs.writeFileSync(one, `${step}`),
          () => fs.appendFileSync(one, "more"),
          () => fs.unlinkSync(one),
          () => fs.renameSync(one, two),
          () => fs.linkSync(one, two),
          () => fs.symlinkSync(`target ${step}`, one),
          () => fs.mkdirSync(one),
          () => fs.rmdirSync(one),
          () => fs.chmodSync(one, 0o600 + pick(64)),
          () => fs.truncateSync(one, pick(100)),
        ];
        try {
          kinds[pick(kinds.length)]!();
        } catch {
          // Impossible as things are: nothing changed.
        }
      };
      for (let step = 0; step < 1500; step++) {
        change(step);
        const dir = dirs[pick(3)]!;
        if (step % 3 === 0)
          assert.deepEqual(ctx.list(`/${dir}`), fs.readdirSync(w.host(dir)).sort(), `step ${step}: /${dir}`);
        for (const name of names) {
          const stat = new Stat();
          const got = statAt(ctx, null, `/${dir}${name}`, AT_SYMLINK_NOFOLLOW, stat);
          const there = fs.lstatSync(join(w.path, dir, name), { throwIfNoEntry: false });
          const what = `step ${step}: /${dir}${name}`;
          assert.equal(got, there === undefined ? -e.ENOENT : 0, what);
          if (there === undefined) continue;
          assert.deepEqual(
            [stat.mode, stat.size, stat.nlink, stat.mtimeSec],
            [there.mode, there.size, there.nlink, Math.floor(there.mtimeMs / 1000)],
            what,
          );
          if (there.isFile())
            assert.equal(ctx.text(`/${dir}${name}`), fs.readFileSync(join(w.path, dir, name), "latin1"), what);
          if (there.isSymbolicLink())
            assert.equal(readlinkAt(ctx, null, `/${dir}${name}`), fs.readlinkSync(join(w.path, dir, name)), what);
        }
      }
    },
    shared,
  );

  inWorld(
    "a growing file is read on",
    (w) => {
      const { ctx } = w;
      fs.writeFileSync(w.host("log"), "a\n");
      const f = ctx.open("/log");
      assert.equal(readText(f, 100), "a\n");
      assert.equal(readText(f, 100), "");
      fs.appendFileSync(w.host("log"), "b\n");
      const stat = new Stat();
      f.stat(stat);
      assert.equal(stat.size, 4);
      assert.equal(readText(f, 100), "b\n");
      f.decRef();
    },
    shared,
  );

  /** Runs a change outside; what comes behind it is another system call. */
  const outside = (change: () => void): void => {
    change();
    turn.now++;
  };

  inWorld(
    "what did not change is not asked for again",
    (w) => {
      const { ctx } = w;
      const stat = new Stat();
      fs.mkdirSync(w.host("d"));
      for (let i = 0; i < 100; i++) fs.writeFileSync(w.host(`d/f${i}`), "x");
      for (let i = 0; i < 2; i++) {
        turn.now++;
        ctx.stat("/d/f0");
        ctx.stat("/d");
        assert.equal(statAt(ctx, null, "/d/none", 0, stat), -e.ENOENT);
      }
      assert.equal(
        w.cost(() => {
          for (let i = 0; i < 3; i++) {
            turn.now++;
            ctx.stat("/d/f0");
            ctx.stat("/d");
            assert.equal(statAt(ctx, null, "/d/none", 0, stat), -e.ENOENT);
          }
        }),
        0,
      );
      // Who asks for many names has the directory read.
      const cost = w.cost(() => {
        for (let i = 1; i < 100; i++) {
          turn.now++;
          assert.equal(ctx.stat(`/d/f${i}`).size, 1);
          assert.equal(statAt(ctx, null, `/d/none${i}`, 0, stat), -e.ENOENT);
        }
      });
      assert.ok(cost < 25, `${cost} requests`);
      // The guest's own changes do not make it forget.
      turn.now++;
      ctx.put("/d/own", "1");
      turn.now++;
      assert.equal(
        w.cost(() => {
          assert.equal(statAt(ctx, null, "/d/none5", 0, stat), -e.ENOENT);
          turn.now++;
          assert.equal(unlinkAt(ctx, null, "/d/own"), 0);
          turn.now++;
          assert.equal(statAt(ctx, null, "/d/own", 0, stat), -e.ENOENT);
        }),
        1,
      );
    },
    shared,
  );

  inWorld(
    "a change through another name of the file, or of its mode, is seen",
    (w) => {
      const { ctx } = w;
      fs.mkdirSync(w.host("d"));
      fs.writeFileSync(w.host("f"), "1");
      turn.now++;
      assert.equal(ctx.stat("/f").nlink, 1);
      outside(() => fs.linkSync(w.host("f"), w.host("d/g")));
      assert.equal(ctx.stat("/f").nlink, 2);
      outside(() => fs.appendFileSync(w.host("d/g"), "23"));
      assert.equal(ctx.stat("/f").size, 3);
      outside(() => fs.chmodSync(w.host("d/g"), 0o400));
      assert.equal(ctx.stat("/f").mode & 0o777, 0o400);
      outside(() => fs.chmodSync(w.host("d"), 0o700));
      assert.equal(ctx.stat("/d").mode & 0o777, 0o700);
    },
    shared,
  );

  inWorld(
    "lost events: everything is asked for once more",
    (w) => {
      const { ctx } = w;
      const stat = new Stat();
      fs.mkdirSync(w.host("d"));
      fs.writeFileSync(w.host("d/a"), "1");
      turn.now++;
      ctx.list("/d");
      ctx.stat("/d/a");
      assert.equal(statAt(ctx, null, "/d/b", 0, stat), -e.ENOENT);
      const most = Number(fs.readFileSync("/proc/sys/fs/inotify/max_queued_events", "latin1"));
      outside(() => {
        for (let i = 0; i <= most / 2; i++) {
          fs.writeFileSync(w.host(`d/x${i & 7}`), "");
          fs.unlinkSync(w.host(`d/x${i & 7}`));
        }
        fs.unlinkSync(w.host("d/a"));
        fs.writeFileSync(w.host("d/b"), "12");
      });
      assert.equal(statAt(ctx, null, "/d/a", 0, stat), -e.ENOENT);
      assert.equal(ctx.stat("/d/b").size, 2);
      assert.deepEqual(ctx.list("/d"), ["b"]);
    },
    shared,
  );

  inWorld(
    "a thousand random changes on both sides, compared after each",
    (w) => {
      const { ctx } = w;
      let seed = 12345;
      const random = (n: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
      const dirs = ["", "/p", "/p/q"];
      fs.mkdirSync(w.host("p/q"), { recursive: true });
      const pick = (): string => `${dirs[random(3)]!}/${"abcdef"[random(6)]!}`;
      const attempt = (run: () => unknown): void => {
        try {
          run();
        } catch {
          // The name is not there, or is a directory: the same for both sides.
        }
      };
      const hostShape = (path: string): string => {
        const s = fs.lstatSync(path);
        const target = s.isSymbolicLink() ? fs.readlinkSync(path) : "";
        return `${s.mode} ${s.nlink} ${s.isFile() ? s.size : 0} ${Math.floor(s.mtimeMs)} ${target}`;
      };
      const guestShape = (path: string): string => {
        const stat = new Stat();
        const err = statAt(ctx, null, path, AT_SYMLINK_NOFOLLOW, stat);
        if (err < 0) return `error ${-err}`;
        const isLink = (stat.mode & S_IFMT) === S_IFLNK;
        const target = isLink ? readlinkAt(ctx, null, path) : "";
        const mtime = Math.floor(stat.mtimeSec * 1000 + stat.mtimeNsec / 1e6);
        return `${stat.mode} ${stat.nlink} ${(stat.mode & S_IFMT) === S_IFREG ? stat.size : 0} ${mtime} ${target}`;
      };
      for (let i = 0; i < 1000; i++) {
        const a = pick();
        const b = pick();
        const inside = random(3) === 0;
        turn.now++;
        switch (random(9)) {
          case 0:
          case 1:
            attempt(() =>
              inside ? ctx.put(a, "x".repeat(random(50))) : fs.writeFileSync(w.path + a, "y".repeat(random(50))),
            );
            break;
          case 2:
            attempt(() => (inside ? unlinkAt(ctx, null, a) : fs.unlinkSync(w.path + a)));
            break;
          case 3:
          case 4:
            attempt(() => (inside ? renameAt2(ctx, null, a, null, b, 0) : fs.renameSync(w.path + a, w.path + b)));
            break;
          case 5:
            attempt(() => (inside ? linkAt(ctx, null, a, null, b, 0) : fs.linkSync(w.path + a, w.path + b)));
            break;
          case 6:
            attempt(() => (inside ? symlinkAt(ctx, b, null, a) : fs.symlinkSync(b, w.path + a)));
            break;
          case 7:
            attempt(() =>
              inside ? chmodAt(ctx, null, a, 0o600 + random(64), 0) : fs.chmodSync(w.path + a, 0o600 + random(64)),
            );
            break;
          default:
            attempt(() => fs.appendFileSync(w.path + a, "more"));
        }
        turn.now++;
        const dir = dirs[random(3)]!;
        for (const name of "abcdef") {
          const path = `${dir}/${name}`;
          turn.now++;
          let there = "error 2";
          attempt(() => (there = hostShape(w.path + path)));
          assert.equal(guestShape(path), there, `step ${i}: ${path}`);
        }
        if (random(4) === 0)
          assert.deepEqual(ctx.list(dir === "" ? "/" : dir), fs.readdirSync(w.path + dir).toSorted(), `step ${i}`);
      }
    },
    shared,
  );
});
