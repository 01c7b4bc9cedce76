/**
 * A recording double of the host for unit tests: every call is noted, and answered from a script.
 *
 * Without a script a call returns 0 (`spawn`, `fork` and `runSteps`: pid 1, no error; `isatty`: false; `readlinkat`: "").
 */
import type { Host, SpawnResult } from "./host.ts";

/** Names of the host's functions. */
export type HostCall = keyof Host;

/** One call as it came in. Typed arrays are the caller's own, so look at them at once or in a scripted function. */
export interface RecordedCall {
  readonly name: HostCall;
  readonly args: readonly unknown[];
}

/** A scripted answer: the result itself, or a function in place of the call (to fill buffers, say). */
export type Answer<K extends HostCall> = ReturnType<Host[K]> | ((...args: Parameters<Host[K]>) => ReturnType<Host[K]>);

/** The double: hand {@link host} to the code under test. */
export class FakeHost {
  readonly host: Host;
  /** Every call so far, in order. */
  readonly calls: RecordedCall[] = [];
  readonly #once: Map<HostCall, unknown[]> = new Map();
  readonly #always: Map<HostCall, unknown> = new Map();

  constructor() {
    const functions: Map<string | symbol, (...args: unknown[]) => unknown> = new Map();
    this.host = new Proxy({} as Host, {
      get: (_target: Host, name: string | symbol): unknown => {
        let call = functions.get(name);
        if (call === undefined) {
          call = (...args: unknown[]): unknown => this.#answer(name as HostCall, args);
          functions.set(name, call);
        }
        return call;
      },
    });
  }

  #answer(name: HostCall, args: unknown[]): unknown {
    this.calls.push({ name, args });
    const queue = this.#once.get(name);
    const answer = queue !== undefined && queue.length > 0 ? queue.shift() : this.#always.get(name);
    if (typeof answer === "function") return (answer as (...args: unknown[]) => unknown)(...args);
    if (answer !== undefined) return answer;
    if (name === "isatty") return false;
    if (name === "readlinkat") return "";
    if (name === "spawn" || name === "fork") return { pid: 1, pidfd: -1, error: 0, step: 0 } satisfies SpawnResult;
    if (name === "runSteps") return { pid: -1, pidfd: -1, error: 0, step: 0 } satisfies SpawnResult;
    return 0;
  }

  /** The next calls of `name` get these answers, one each; after them the standing answer. */
  once<K extends HostCall>(name: K, ...answers: Answer<K>[]): void {
    const queue = this.#once.get(name);
    if (queue === undefined) this.#once.set(name, answers);
    else queue.push(...answers);
  }

  /** Every call of `name` gets this answer, unless `once` has one. */
  always<K extends HostCall>(name: K, answer: Answer<K>): void {
    this.#always.set(name, answer);
  }

  /** The calls of `name` so far. */
  callsOf(name: HostCall): RecordedCall[] {
    return this.calls.filter((call) => call.name === name);
  }
}
