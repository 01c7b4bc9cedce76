import assert from "node:assert/strict";
import { test } from "node:test";
import { Children } from "./children.ts";
import type { ThreadGroup } from "./thread-group.ts";

function child(id: number): ThreadGroup {
  return { id, childPlace: 0, hasNews: false } as unknown as ThreadGroup;
}

function setNews(children: Children, c: ThreadGroup, hasNews: boolean): void {
  (c as { hasNews: boolean }).hasNews = hasNews;
  if (hasNews) children.note(c);
}

function changed(children: Children): number[] {
  const out: number[] = [];
  for (let c = children.nextChanged(null); c !== null; c = children.nextChanged(c)) out.push(c.id);
  return out;
}

test("children with something to report come in the order in which they were made", () => {
  const children = new Children();
  const all = [1, 2, 3, 4, 5].map(child);
  for (const c of all) children.add(c);
  for (const i of [3, 1, 4, 1]) setNews(children, all[i]!, true);
  assert.deepEqual(changed(children), [2, 4, 5]);
  setNews(children, all[3]!, false);
  assert.deepEqual(changed(children), [2, 5]);
  children.delete(all[1]!);
  children.delete(all[0]!);
  children.delete(all[0]!);
  assert.deepEqual(changed(children), [5]);
  setNews(children, all[3]!, true);
  assert.deepEqual(changed(children), [4, 5]);
  assert.equal(children.size, 3);
  assert.deepEqual(
    [...children].map((c) => c.id),
    [3, 4, 5],
  );
});

test("a child that changed parents keeps what it has to report, behind the others", () => {
  const before = new Children();
  const after = new Children();
  const [a, b] = [child(1), child(2)];
  before.add(a!);
  after.add(b!);
  setNews(before, a!, true);
  setNews(after, b!, true);
  before.delete(a!);
  after.add(a!);
  assert.deepEqual(changed(before), []);
  assert.deepEqual(changed(after), [2, 1]);
  assert.equal(after.has(a!), true);
});
