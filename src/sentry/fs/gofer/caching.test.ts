import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { describe } from "node:test";
import * as e from "../../../abi/errno.ts";
import { O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR } from "../../../abi/fcntl.ts";
import { S_IFDIR, S_IFMT, Stat } from "../../../abi/stat.ts";
import { chmodAt, statAt, truncateAt } from "../../vfs/attributes.ts";
import { openAt } from "../../vfs/open.ts";
import { mkdirAt, readlinkAt, renameAt2, unlinkAt } from "../../vfs/operations.ts";
import { inWorld } from "./world.testing.ts";

describe("caching when nobody else changes the files", () => {
  const fill = (path: string): void => {
    fs.mkdirSync(join(path, "usr/lib/deep"), { recursive: true });
    fs.writeFileSync(join(path, "usr/lib/deep/file"), "contents");
    fs.symlinkSync("lib", join(path, "usr/lib64"));
  };

  inWorld(
    "a path is walked in one request, and then never again",
    (w) => {
      const { ctx } = w;
      assert.equal(
        w.cost(() => ctx.stat("/usr/lib/deep/file")),
        1,
      );
      assert.equal(
        w.cost(() => ctx.stat("/usr/lib/deep/file")),
        0,
      );
      assert.equal(
        w.cost(() => ctx.stat("/usr/lib")),
        0,
      );
      assert.equal(
        w.cost(() => assert.equal(statAt(ctx, null, "/usr/lib/deep/none", 0, new Stat()), -e.ENOENT)),
        1,
      );
      assert.equal(
        w.cost(() => assert.equal(statAt(ctx, null, "/usr/lib/deep/none", 0, new Stat()), -e.ENOENT)),
        0,
      );
      assert.equal(
        w.cost(() => assert.equal(statAt(ctx, null, "/x/y/z", 0, new Stat()), -e.ENOENT)),
        1,
      );
      assert.equal(
        w.cost(() => assert.equal(statAt(ctx, null, "/x/y", 0, new Stat()), -e.ENOENT)),
        0,
      );
      assert.equal(
        w.cost(() => assert.equal(ctx.text("/usr/lib/deep/file"), "contents")),
        1,
      );
      assert.equal(
        w.cost(() => assert.equal(ctx.text("/usr/lib/deep/file"), "contents")),
        0,
      );
      assert.equal(
        w.cost(() => ctx.stat("/usr/lib64/deep/file")),
        1,
      );
      assert.equal(
        w.cost(() => readlinkAt(ctx, null, "/usr/lib64")),
        0,
      );
    },
    false,
    false,
    fill,
  );

  inWorld("reading a directory answers later lookups in it", (w) => {
    const { ctx } = w;
    for (let i = 0; i < 100; i++) fs.writeFileSync(w.host(`f${i}`), "x".repeat(i));
    assert.equal(
      w.cost(() => ctx.list("/")),
      1,
    );
    assert.equal(
      w.cost(() => {
        assert.equal(statAt(ctx, null, "/missing", 0, new Stat()), -e.ENOENT);
        ctx.list("/");
      }),
      0,
    );
    // One for the first file, one for all others.
    assert.equal(
      w.cost(() => {
        for (let i = 0; i < 100; i++) assert.equal(ctx.stat(`/f${i}`).size, i);
      }),
      2,
    );
    assert.equal(
      w.cost(() => ctx.text("/f7")),
      1,
    );
  });

  inWorld("making files costs one request each", (w) => {
    const { ctx } = w;
    mkdirAt(ctx, null, "/new", 0o755);
    assert.equal(
      w.cost(() => ctx.put("/new/a", "a")),
      1,
    );
    assert.equal(
      w.cost(() => mkdirAt(ctx, null, "/new/d", 0o755)),
      1,
    );
    assert.equal(
      w.cost(() => ctx.stat("/new/a")),
      0,
    );
    assert.equal(
      w.cost(() => assert.deepEqual(ctx.list("/new"), ["a", "d"])),
      0,
    );
    assert.equal(
      w.cost(() => unlinkAt(ctx, null, "/new/a")),
      1,
    );
    assert.equal(
      w.cost(() => assert.equal(statAt(ctx, null, "/new/a", 0, new Stat()), -e.ENOENT)),
      0,
    );
  });

  inWorld("evicted names are found again, and their fids were given back", (w) => {
    const { ctx } = w;
    for (let d = 0; d < 30; d++) {
      fs.mkdirSync(w.host(`d${d}`));
      fs.writeFileSync(w.host(`d${d}/f`), `${d}`);
    }
    w.gofer.dentryLimit = 10;
    for (let round = 0; round < 2; round++) {
      for (let d = 0; d < 30; d++) assert.equal(ctx.text(`/d${d}/f`), `${d}`);
    }
    w.gofer.client.flushClunks();
    assert.ok(w.transport.server.fids.size < 20, `${w.transport.server.fids.size} fids`);
  });

  inWorld("a file that somebody replaced nevertheless is opened as it is now", (w) => {
    const { ctx } = w;
    fs.writeFileSync(w.host("file"), "old");
    assert.equal(ctx.stat("/file").size, 3);
    fs.writeFileSync(w.host("new"), "newer");
    fs.renameSync(w.host("new"), w.host("file"));
    assert.equal(ctx.text("/file"), "newer");
    assert.equal(ctx.stat("/file").size, 5);
    fs.writeFileSync(w.host("gone"), "x");
    ctx.stat("/gone");
    fs.unlinkSync(w.host("gone"));
    assert.equal(openAt(ctx, null, "/gone", O_RDONLY, 0), -e.ENOENT);
  });

  inWorld("more open directories than fids are kept", (w) => {
    const { ctx } = w;
    let deep = "";
    for (let d = 0; d < 60; d++) {
      deep += `/d${d}`;
      fs.mkdirSync(w.host(deep));
    }
    fs.writeFileSync(w.host(`${deep}/f`), "deep");
    assert.equal(ctx.text(`${deep}/f`), "deep");
    // As if there were too many.
    for (let d = ctx.root.dentry.children!.get("d0"); d !== undefined; d = [...(d.children?.values() ?? [])][0]) {
      const inode = d.inode as unknown as { canDropFid: boolean; fid: number; dropFid(): void };
      if (inode.canDropFid && inode.fid !== 0xffffffff) inode.dropFid();
    }
    ctx.put(`${deep}/g`, "new");
    assert.equal(ctx.text(`${deep}/g`), "new");
  });
});

inWorld(
  "a read-only tree refuses changes",
  (w) => {
    const { ctx } = w;
    assert.equal(ctx.text("/file"), "x");
    assert.equal(openAt(ctx, null, "/file", O_RDWR, 0), -e.EROFS);
    assert.equal(openAt(ctx, null, "/new", O_CREAT | O_RDWR, 0o644), -e.EROFS);
    assert.equal(mkdirAt(ctx, null, "/d", 0o755), -e.EROFS);
    assert.equal(unlinkAt(ctx, null, "/file"), -e.EROFS);
    assert.equal(chmodAt(ctx, null, "/file", 0o600, 0), -e.EROFS);
  },
  false,
  true,
  (path) => fs.writeFileSync(join(path, "file"), "x"),
);

describe("reading trees", () => {
  const fillTree = (path: string): void => {
    for (let d = 0; d < 20; d++) {
      fs.mkdirSync(join(path, `d${d}`, "sub"), { recursive: true });
      for (let f = 0; f < 5; f++) fs.writeFileSync(join(path, `d${d}`, `f${f}`), "x".repeat(f));
    }
    fs.mkdirSync(join(path, "large"));
    for (let f = 0; f < 1500; f++) fs.writeFileSync(join(path, "large", `file with a name that takes room ${f}`), "");
  };
  inWorld(
    "the directories beside one that was read come along, and changes show",
    (w) => {
      const { ctx } = w;
      const top = ctx.list("/").filter((name) => name.startsWith("d"));
      assert.equal(top.length, 20);
      const cost = w.cost(() => {
        for (const name of top) {
          assert.deepEqual(ctx.list(`/${name}`), ["f0", "f1", "f2", "f3", "f4", "sub"]);
          assert.equal(ctx.stat(`/${name}/f3`).size, 3);
        }
      });
      assert.ok(cost <= 3, `${cost} requests`);
      assert.equal(ctx.list("/large").length, 1500);
      const [first, , third] = top;
      assert.equal(mkdirAt(ctx, null, `/${third}/new`, 0o755), 0);
      assert.equal(unlinkAt(ctx, null, `/${third}/f0`), 0);
      assert.equal(renameAt2(ctx, null, `/${first}`, null, `/${third}/moved`, 0), 0);
      w.gofer.shrink();
      assert.deepEqual(ctx.list(`/${third}`), ["f1", "f2", "f3", "f4", "moved", "new", "sub"]);
      assert.deepEqual(ctx.list(`/${third}/moved`), ["f0", "f1", "f2", "f3", "f4", "sub"]);
      // Deep in, with no fid on the way.
      assert.equal(ctx.text(`/${third}/moved/f2`), "xx");
    },
    false,
    false,
    fillTree,
  );
  inWorld(
    "who walks a tree gets what is below the directories, too",
    (w) => {
      const { ctx } = w;
      const seen: string[] = [];
      const visit = (dir: string): void => {
        for (const name of ctx.list(dir)) {
          const path = `${dir}/${name}`;
          seen.push(path);
          if ((ctx.stat(path).mode & S_IFMT) === S_IFDIR) visit(path);
        }
      };
      const cost = w.cost(() => {
        visit("/top");
      });
      const expected = fs.readdirSync(join(w.path, "top"), { recursive: true, encoding: "utf8" });
      assert.deepEqual(seen.sort(), expected.map((name) => `/top/${name}`).sort());
      assert.ok(cost <= 60, `${cost} requests for ${expected.length} entries`);
    },
    false,
    false,
    (path) => {
      // Deeper than one reply goes, more than one reply has, and directories that are too large for it.
      const deep = Array.from({ length: 20 }, (_, i) => `level${i}`).join("/");
      fs.mkdirSync(join(path, "top/c", deep), { recursive: true });
      for (const name of ["a", "b", "d"]) {
        for (let i = 0; i < 20; i++) fs.mkdirSync(join(path, "top", name, `d${i}`, "sub"), { recursive: true });
      }
      fs.mkdirSync(join(path, "top/e/large"), { recursive: true });
      for (let f = 0; f < 1500; f++)
        fs.mkdirSync(join(path, "top/e/large", `directory with a name that takes room ${f}`));
      fs.writeFileSync(join(path, "top/e/large/file"), "");
    },
  );
  inWorld("a file that was just made gets its attributes in one request each", (w) => {
    const { ctx } = w;
    const file = ctx.open("/new", O_CREAT | O_RDWR);
    for (const mode of [0o600, 0o640, 0o755]) {
      const cost = w.cost(() => assert.equal(chmodAt(ctx, null, "/new", mode, 0), 0));
      assert.equal(cost, 1);
      assert.equal(fs.statSync(join(w.path, "new")).mode & 0o777, mode);
      assert.equal(ctx.stat("/new").mode & 0o777, mode);
    }
    file.decRef();
  });
  inWorld(
    "attributes of files that left the cache are remembered, and changes before that, too",
    (w) => {
      const { ctx } = w;
      assert.equal(ctx.list("/d3").length, 6);
      for (let f = 0; f < 5; f++) assert.equal(ctx.stat(`/d3/f${f}`).size, f);
      const before = ctx.stat("/d3/f1");
      assert.equal(truncateAt(ctx, null, "/d3/f2", 100), 0);
      assert.equal(chmodAt(ctx, null, "/d3/f4", 0o600, 0), 0);
      assert.equal(unlinkAt(ctx, null, "/d3/f3"), 0);
      ctx.put("/d3/f3", "new");
      // The directory itself stays.
      const open = ctx.open("/d3", O_RDONLY | O_DIRECTORY);
      w.gofer.shrink();
      const cost = w.cost(() => {
        assert.deepEqual(ctx.stat("/d3/f1"), before);
        assert.equal(ctx.stat("/d3/f4").mode & 0o777, 0o600);
      });
      assert.equal(cost, 0);
      assert.equal(ctx.stat("/d3/f2").size, 100);
      assert.equal(ctx.text("/d3/f3"), "new");
      open.decRef();
    },
    false,
    false,
    fillTree,
  );
  inWorld(
    "a file that was known before its directory was read does not get the attributes back that it had then",
    (w) => {
      const { ctx } = w;
      assert.equal(ctx.stat("/d3/f2").size, 2);
      assert.equal(ctx.stat("/d4/sub").mode & 0o777, 0o755);
      for (const dir of ["/d3", "/d4"]) {
        assert.equal(ctx.list(dir).length, 6);
        for (const file of ["f0", "f1"]) ctx.stat(`${dir}/${file}`);
      }
      assert.equal(truncateAt(ctx, null, "/d3/f2", 100), 0);
      assert.equal(chmodAt(ctx, null, "/d4/sub", 0o700, 0), 0);
      const open = ["/d3", "/d4"].map((dir) => ctx.open(dir, O_RDONLY | O_DIRECTORY));
      w.gofer.shrink();
      assert.equal(ctx.stat("/d3/f2").size, 100);
      assert.equal(ctx.stat("/d4/sub").mode & 0o777, 0o700);
      for (const file of open) file.decRef();
    },
    false,
    false,
    fillTree,
  );
  inWorld(
    "listings take so much memory and no more; those that were asked lately stay",
    (w) => {
      const { ctx, gofer } = w;
      const dirs = ctx.list("/").filter((name) => name.startsWith("d"));
      ctx.list("/large");
      const { weight } = gofer.listings;
      assert.ok(weight > 100_000 && weight < 400_000, `${weight} bytes`);
      gofer.listings.limit = 30_000;
      let again = 0;
      for (let round = 0; round < 2; round++) {
        for (const dir of dirs) {
          assert.deepEqual(ctx.list(`/${dir}`), ["f0", "f1", "f2", "f3", "f4", "sub"]);
          assert.equal(ctx.stat(`/${dir}/f3`).size, 3);
          assert.equal(statAt(ctx, null, `/${dir}/none`, 0, new Stat()), -e.ENOENT);
          again += w.cost(() => ctx.list("/"));
        }
      }
      assert.ok(again < 10, `the root was read ${again} times`);
      assert.ok(gofer.listings.weight < 35_000, `${gofer.listings.weight} bytes`);
      gofer.dropCaches();
      assert.equal(gofer.listings.weight, 0);
      assert.equal(ctx.list("/large").length, 1500);
    },
    false,
    false,
    fillTree,
  );
});
