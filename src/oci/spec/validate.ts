/**
 * Checks a parsed config.json and gives it its type. Every complaint names the field, as `process.args[1]`.
 */
import { rlimitNames } from "../../abi/resource.ts";
import { CliError } from "../errors.ts";
import type { OciCapabilities, OciLinux, OciMount, OciProcess, OciRlimit, OciSpec, OciUser } from "./types.ts";

const RLIMITS = new Set(rlimitNames.map((n) => `RLIMIT_${n}`));

type Json = { [key: string]: unknown };

class Checker {
  private readonly file: string;
  constructor(file: string) {
    this.file = file;
  }

  fail(field: string, problem: string): never {
    throw new CliError(`${this.file}: ${field}: ${problem}`);
  }

  object(value: unknown, field: string): Json {
    if (typeof value !== "object" || value === null || Array.isArray(value)) this.fail(field, "must be an object");
    return value as Json;
  }

  string(value: unknown, field: string): string {
    if (typeof value !== "string") this.fail(field, value === undefined ? "is missing" : "must be a string");
    const text = value as string;
    if (text.includes("\0")) this.fail(field, "must not contain NUL");
    return Buffer.from(text, "utf8").toString("latin1");
  }

  optionalString(value: unknown, field: string): string | undefined {
    return value === undefined ? undefined : this.string(value, field);
  }

  boolean(value: unknown, field: string): boolean {
    if (value === undefined) return false;
    if (typeof value !== "boolean") this.fail(field, "must be true or false");
    return value as boolean;
  }

  integer(value: unknown, field: string, max: number): number {
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > max) {
      this.fail(field, value === undefined ? "is missing" : `must be an integer from 0 to ${max}`);
    }
    return value as number;
  }

  list<T>(value: unknown, field: string, item: (v: unknown, f: string) => T): T[] {
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) this.fail(field, "must be an array");
    return (value as unknown[]).map((v, i) => item(v, `${field}[${i}]`));
  }

  strings(value: unknown, field: string): string[] {
    return this.list(value, field, (v, f) => this.string(v, f));
  }
}

const UINT32 = 0xffffffff;

function checkUser(c: Checker, value: unknown): OciUser {
  if (value === undefined) return { uid: 0, gid: 0 };
  const o = c.object(value, "process.user");
  const user: OciUser = {
    uid: o["uid"] === undefined ? 0 : c.integer(o["uid"], "process.user.uid", UINT32 - 1),
    gid: o["gid"] === undefined ? 0 : c.integer(o["gid"], "process.user.gid", UINT32 - 1),
    additionalGids: c.list(o["additionalGids"], "process.user.additionalGids", (v, f) => c.integer(v, f, UINT32 - 1)),
  };
  if (o["umask"] !== undefined) user.umask = c.integer(o["umask"], "process.user.umask", 0o777);
  return user;
}

function checkRlimit(c: Checker, value: unknown, field: string): OciRlimit {
  const o = c.object(value, field);
  const type = c.string(o["type"], `${field}.type`);
  if (!RLIMITS.has(type)) c.fail(`${field}.type`, `unknown resource limit '${type}'`);
  const limit = (name: string): number => {
    const v = o[name];
    if (typeof v !== "number" || v < 0) c.fail(`${field}.${name}`, v === undefined ? "is missing" : "must be >= 0");
    return (v as number) >= Number.MAX_SAFE_INTEGER ? Infinity : (v as number);
  };
  const soft = limit("soft");
  const hard = limit("hard");
  if (soft > hard) c.fail(`${field}.soft`, "must not be above the hard limit");
  return { type, soft, hard };
}

function checkCapabilities(c: Checker, value: unknown): OciCapabilities | undefined {
  if (value === undefined) return undefined;
  const o = c.object(value, "process.capabilities");
  const names = (set: string): string[] => c.strings(o[set], `process.capabilities.${set}`);
  return {
    bounding: names("bounding"),
    effective: names("effective"),
    inheritable: names("inheritable"),
    permitted: names("permitted"),
    ambient: names("ambient"),
  };
}

function checkProcess(c: Checker, value: unknown): OciProcess {
  if (value === undefined) c.fail("process", "is missing");
  const o = c.object(value, "process");
  const args = c.strings(o["args"], "process.args");
  if (args.length === 0) c.fail("process.args", "must name at least the program");
  const cwd = c.string(o["cwd"], "process.cwd");
  if (!cwd.startsWith("/")) c.fail("process.cwd", "must be an absolute path");
  const process: OciProcess = {
    terminal: c.boolean(o["terminal"], "process.terminal"),
    user: checkUser(c, o["user"]),
    args,
    env: c.strings(o["env"], "process.env"),
    cwd,
    rlimits: c.list(o["rlimits"], "process.rlimits", (v, f) => checkRlimit(c, v, f)),
    noNewPrivileges: c.boolean(o["noNewPrivileges"], "process.noNewPrivileges"),
  };
  const caps = checkCapabilities(c, o["capabilities"]);
  if (caps !== undefined) process.capabilities = caps;
  return process;
}

function checkMount(c: Checker, value: unknown, field: string): OciMount {
  const o = c.object(value, field);
  const destination = c.string(o["destination"], `${field}.destination`);
  if (!destination.startsWith("/")) c.fail(`${field}.destination`, "must be an absolute path");
  const mount: OciMount = { destination, options: c.strings(o["options"], `${field}.options`) };
  const type = c.optionalString(o["type"], `${field}.type`);
  if (type !== undefined) mount.type = type;
  const source = c.optionalString(o["source"], `${field}.source`);
  if (source !== undefined) mount.source = source;
  return mount;
}

/** linux.resources.memory.limit and linux.resources.pids.limit; 0 or less is no limit, as for runc. */
function checkLinux(c: Checker, value: unknown): OciLinux | undefined {
  if (value === undefined || value === null) return undefined;
  const resources = c.object(value, "linux")["resources"];
  if (resources === undefined || resources === null) return undefined;
  const o = c.object(resources, "linux.resources");
  const limit = (controller: string, least: number): { limit?: number } => {
    const field = `linux.resources.${controller}`;
    const v = o[controller];
    if (v === undefined || v === null) return {};
    const n = c.object(v, field)["limit"];
    if (n === undefined || n === null) return {};
    if (typeof n !== "number" || !Number.isInteger(n)) c.fail(`${field}.limit`, "must be an integer");
    if (n <= 0 || n >= Number.MAX_SAFE_INTEGER) return { limit: -1 };
    if (n < least) c.fail(`${field}.limit`, `must be at least ${least}`);
    return { limit: n };
  };
  return { resources: { memory: limit("memory", MIN_MEMORY), pids: limit("pids", 1) } };
}

/** Least memory that a sandbox can have, bytes. */
export const MIN_MEMORY: number = 4 * 1024 * 1024;

/** Validates the parsed JSON of `file` (its name is for messages). Throws CliError naming the field. */
export function validateSpec(value: unknown, file: string): OciSpec {
  const c = new Checker(file);
  const o = c.object(value, "config");
  const ociVersion = c.string(o["ociVersion"], "ociVersion");
  if (!/^1\.\d+\.\d+/.test(ociVersion)) c.fail("ociVersion", `'${ociVersion}' is not supported (1.x is)`);
  if (o["root"] === undefined) c.fail("root", "is missing");
  const root = c.object(o["root"], "root");
  const path = c.string(root["path"], "root.path");
  if (path === "") c.fail("root.path", "must not be empty");
  const spec: OciSpec = {
    ociVersion,
    process: checkProcess(c, o["process"]),
    root: { path, readonly: c.boolean(root["readonly"], "root.readonly") },
    mounts: c.list(o["mounts"], "mounts", (v, f) => checkMount(c, v, f)),
  };
  const hostname = c.optionalString(o["hostname"], "hostname");
  if (hostname !== undefined) {
    if (hostname.length > 64) c.fail("hostname", "must not be longer than 64 bytes");
    spec.hostname = hostname;
  }
  const linux = checkLinux(c, o["linux"]);
  if (linux !== undefined) spec.linux = linux;
  return spec;
}
