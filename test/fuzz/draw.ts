/** What the arguments of the fuzzer's operations are drawn from. */
import fc from "fast-check";
import type { Arbitrary } from "fast-check";

export type Argument = Arbitrary<string | number>;

/** A weighted choice of constants; numbers that come first are likelier. */
export function some(...values: readonly (string | number)[]): Argument {
  return fc.oneof(
    ...values.map((value, i) => ({ arbitrary: fc.constant(value), weight: 1 + Math.round(4 / (i + 1)) })),
  );
}

/** The union of some of these bits, most often of few. */
export function bits(...values: readonly number[]): Argument {
  return fc.oneof(
    { arbitrary: fc.constant(0), weight: 3 },
    { arbitrary: fc.constantFrom(...values), weight: 5 },
    // No bit operators: flags may be beyond 32 bits.
    { arbitrary: fc.subarray([...new Set(values)]).map((set) => set.reduce(unite, 0)), weight: 2 },
  );
}

export function unite(a: number, b: number): number {
  return Number(BigInt(a) | BigInt(b));
}

export const fd: Argument = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: 3 }), weight: 10 },
  { arbitrary: fc.integer({ min: 4, max: 8 }), weight: 6 },
  { arbitrary: fc.constantFrom(-1, 39, 1000), weight: 1 },
);
export const at: Argument = fc.oneof({ arbitrary: fc.constant("cwd"), weight: 8 }, { arbitrary: fd, weight: 3 });
export const name: Argument = fc.constantFrom("a", "b", "c", "d", "e");
export const path: Argument = fc.oneof(
  { arbitrary: name, weight: 14 },
  { arbitrary: fc.tuple(name, name).map(([a, b]) => `${a}/${b}`), weight: 8 },
  { arbitrary: fc.tuple(name, name, name).map((names) => names.join("/")), weight: 2 },
  {
    arbitrary: fc.tuple(name, fc.constantFrom("/", "/.", "/..", "//", "/../a", "/./b")).map((parts) => parts.join("")),
    weight: 2,
  },
  { arbitrary: fc.constantFrom(".", "..", "~", "/", "/a", "/b/c", "./a", "%255", "%256", "%4095", "%4096"), weight: 2 },
);
export const mode: Argument = some(
  0o644,
  0o755,
  0o600,
  0o777,
  0o000,
  0o400,
  0o200,
  0o111,
  0o4755,
  0o2775,
  0o1777,
  0o10644,
);
export const length: Argument = some(100, 10, 4096, 1, 0, 5000, 8192, 65536, 65537, 200000, -1);
export const smallLength: Argument = some(10, 100, 1, 0, 4096, 5000);
export const offset: Argument = some(0, 10, 100, 4096, 5000, 8192, 65536, -1, 1048576, -10);
export const number: Argument = fc.integer({ min: 0, max: 9 });
export const page: Argument = fc.integer({ min: 0, max: 24 });
export const pages: Argument = some(1, 2, 3, 4, 8, 0, 16, -1);
export const signal: Argument = some(10, 12, 15, 34, 35, 17, 23, 14, 1, 28, 13, 9, 19, 0, 64, 65);
export const signals: Argument = fc.oneof(
  fc.constantFrom(0, "0x7fffffff", "0x200", "0x800", "0x4000", "0x200000000", "0x10000", "0x600000000"),
  fc.constantFrom("0xa00", "0x200000a00", "0xffffffffffffffff", "0x400000", "0x12000"),
);
export const openFlags: Argument = fc
  .tuple(
    fc.constantFrom(0, 1, 2, 2, 2, 3),
    fc.constantFrom(0, 0o100, 0o100, 0o300, 0o1100, 0o1000, 0o2000, 0o2100),
    bits(0o2000000, 0o200000, 0o400000, 0o10000000, 0o20200000, 0o4010000, 0o1000000),
    fc.integer({ min: 0, max: 4 }),
  )
  .map(([access, create, more, die]) => unite(access | create, die === 0 ? Number(more) : 0));
export const uid: Argument = some(1000, 0, -1, 1001, 65534);
export const whence: Argument = some(0, 1, 2, 3, 4, 5);
export const word: Argument = some("user.a", "user.b", "trusted.a", "user.", "system.x", "a", "security.z");
export const protection: Argument = some(3, 1, 0, 2, 7, 5);
// No MSG_OOB: out-of-band data of unix sockets depends on the kernel's configuration.
export const socketFlags: Argument = bits(0x2, 0x4000, 0x20, 0x100, 0x40000000, 0x80);

/** One operation: its name, how often it comes, what its arguments are. */
export interface Kind {
  readonly name: string;
  readonly weight: number;
  readonly args: readonly Argument[];
}

export function kind(name: string, weight: number, ...args: readonly Argument[]): Kind {
  return { name, weight, args };
}
