/**
 * Makes a failing sequence small: many candidates are tried in one batch, and the smallest that still fails the same way
 * goes on. Removing lines and simplifying arguments keeps every sequence valid.
 */
import { compareBatch } from "./batch.ts";
import type { Bench, Difference } from "./batch.ts";
import type { Sequence } from "./generate.ts";

/** What kind of failure it is: the operation whose line differs, and both answers. Shrinking must not wander to another. */
function kindOf(difference: Difference): string {
  return difference.first.map((line) => line.replace(/[0-9a-f]*\d[0-9a-f]*/g, "N")).join(" | ");
}

/** Candidates that lack some lines. */
function shorter(sequence: Sequence): Sequence[] {
  const candidates: Sequence[] = [];
  for (let size = Math.ceil(sequence.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < sequence.length; start += size) {
      if (sequence.length > size) candidates.push([...sequence.slice(0, start), ...sequence.slice(start + size)]);
    }
  }
  return candidates;
}

/** Candidates with one argument made simpler. */
function simpler(sequence: Sequence): Sequence[] {
  const candidates: Sequence[] = [];
  for (const [i, operation] of sequence.entries()) {
    for (let k = 1; k < operation.length; k++) {
      const word = operation[k]!;
      const value = Number(word);
      const smaller = Number.isInteger(value)
        ? [0, 1, 2, Math.trunc(value / 2)].filter((n) => Math.abs(n) < Math.abs(value)).map(String)
        : ["a", "b"].filter((n) => n !== word && word.length > 1 && word !== "cwd");
      for (const text of smaller) {
        const changed = [...operation.slice(0, k), text, ...operation.slice(k + 1)];
        candidates.push([...sequence.slice(0, i), changed, ...sequence.slice(i + 1)]);
      }
    }
  }
  return candidates;
}

/** The smallest sequence found that still differs in the same operation; rounds are bounded. */
export async function shrink(bench: Bench, failure: Difference): Promise<Difference> {
  const kind = kindOf(failure);
  let best = failure;
  let isSimplifying = false;
  for (let round = 0; round < 60; round++) {
    const candidates = isSimplifying ? simpler(best.sequence) : shorter(best.sequence);
    const found = await compareBatch(bench, candidates);
    const [index] = [...found.keys()]
      .filter((i) => kindOf(found.get(i)!) === kind)
      .sort((a, b) => candidates[a]!.length - candidates[b]!.length);
    if (index !== undefined) best = found.get(index)!;
    else if (isSimplifying) break;
    else isSimplifying = true;
  }
  return best;
}
