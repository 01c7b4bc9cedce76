/** Kinds of files in /proc/sys. */
import { EACCES, EINVAL, EPERM } from "../../../abi/errno.ts";
import { CAP_SYS_ADMIN } from "../../../abi/capability.ts";
import type { Credentials } from "../../auth/credentials.ts";
import { KernfsFile } from "../../fs/kernfs/kernfs.ts";
import type { KernfsFs } from "../../fs/kernfs/kernfs.ts";
import { ATTR_GID, ATTR_MODE, ATTR_UID } from "../../vfs/inode.ts";
import type { PathContext } from "../../vfs/path.ts";
import type { NameCache } from "../../vfs/name-cache.ts";
import { parseNumber } from "./format.ts";

/** Base: as in Linux, the mode bits count for root by user id, not by capability, and cannot be changed. */
export abstract class SysctlFile extends KernfsFile {
  override permission(creds: Credentials, mask: number): number {
    const bits =
      creds.euid === 0 ? this.mode >> 6 : creds.egid === 0 || creds.groups.includes(0) ? this.mode >> 3 : this.mode;
    return (bits & mask & 7) === mask ? 0 : -EACCES;
  }

  protected override get fixedAttributes(): number {
    return ATTR_MODE | ATTR_UID | ATTR_GID;
  }

  override get canPoll(): boolean {
    return true;
  }

  /** Takes the new value: 0 or -errno. */
  protected abstract set(ctx: PathContext, text: string): number;

  override writeText(ctx: PathContext, data: string, offset: number): number {
    // Further pieces of a value that came in several writes are not put together (kernel.sysctl_writes_strict).
    if (offset > 0) return data.length;
    const r = this.set(ctx, data);
    return r < 0 ? r : data.length;
  }
}

/** One or several numbers, separated by tabs. What is written is kept and shown; nothing else follows from it. */
export class NumberSysctl extends SysctlFile {
  private values: number[];
  private readonly min: number;
  private readonly max: number;

  constructor(
    fs: KernfsFs,
    values: readonly number[],
    perm: number = 0o644,
    min: number = -2147483648,
    max: number = Number.MAX_SAFE_INTEGER,
  ) {
    super(fs, perm);
    this.values = [...values];
    this.min = min;
    this.max = max;
  }

  override text(): string {
    return `${this.values.join("\t")}\n`;
  }

  protected override set(_ctx: PathContext, text: string): number {
    const words = text.trim().split(/\s+/);
    if (words.length > this.values.length) return -EINVAL;
    const given: number[] = [];
    for (const w of words) {
      const v = parseNumber(w);
      if (Number.isNaN(v) || v < this.min || v > this.max) return -EINVAL;
      given.push(v);
    }
    for (let i = 0; i < given.length; i++) this.values[i] = given[i]!;
    return 0;
  }
}

/** A number that lives elsewhere. */
export class LinkedSysctl extends SysctlFile {
  private readonly get: () => number;
  private readonly put: (v: number) => void;
  private readonly max: number;

  /** Values 0 to max. */
  constructor(fs: KernfsFs, get: () => number, put: (v: number) => void, max: number) {
    super(fs, 0o644);
    this.get = get;
    this.put = put;
    this.max = max;
  }

  override text(): string {
    return `${this.get()}\n`;
  }

  protected override set(_ctx: PathContext, text: string): number {
    const v = parseNumber(text);
    if (Number.isNaN(v) || v < 0 || v > this.max) return -EINVAL;
    this.put(v);
    return 0;
  }
}

/** A computed or fixed text that cannot be changed. */
export class ShownSysctl extends SysctlFile {
  private readonly make: () => string;

  constructor(fs: KernfsFs, make: () => string, perm: number = 0o444) {
    super(fs, perm);
    this.make = make;
  }

  override text(): string {
    return `${this.make()}\n`;
  }

  protected override set(): number {
    return -EPERM;
  }
}

/** A line of text that lives elsewhere: host name, domain name, core pattern. */
export class StringSysctl extends SysctlFile {
  private readonly get: () => string;
  private readonly put: (v: string) => void;
  private readonly maxLength: number;

  constructor(fs: KernfsFs, get: () => string, put: (v: string) => void, maxLength: number) {
    super(fs, 0o644);
    this.get = get;
    this.put = put;
    this.maxLength = maxLength;
  }

  override text(): string {
    return `${this.get()}\n`;
  }

  protected override set(ctx: PathContext, text: string): number {
    if (!ctx.creds.hasCap(CAP_SYS_ADMIN)) return -EPERM;
    const end = text.search(/[\n\0]/);
    this.put((end < 0 ? text : text.slice(0, end)).slice(0, this.maxLength));
    return 0;
  }
}

/** vm.drop_caches: bit 1 forgets names and files that nobody uses. Of bit 0, the files' contents, nothing is kept. */
export class DropCaches extends SysctlFile {
  private readonly names: NameCache;

  constructor(fs: KernfsFs, names: NameCache) {
    super(fs, 0o200);
    this.names = names;
  }

  override text(): string {
    return "0\n";
  }

  protected override set(_ctx: PathContext, text: string): number {
    const v = parseNumber(text);
    if (!(v >= 1 && v <= 4)) return -EINVAL;
    if ((v & 2) !== 0) this.names.dropAll();
    return 0;
  }
}
