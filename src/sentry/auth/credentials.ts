/**
 * Credentials of a task: credentials(7), capabilities(7).
 *
 * A Credentials object never changes once a task uses it: whoever changes something works on a `clone()` and puts that
 * into `task.creds`. So file descriptions and path walks may keep a reference.
 */
import { CAP_ALL_HI, CAP_ALL_LO } from "../../abi/capability.ts";
import { WIDE } from "../../base/wide.ts";

/** See the header. All ids are 32-bit unsigned; capability sets are lo/hi pairs of unsigned 32-bit halves. */
export class Credentials {
  ruid = 0;
  euid = 0;
  suid = 0;
  fsuid = 0;
  rgid = 0;
  egid = 0;
  sgid = 0;
  fsgid = 0;
  /** Supplementary groups. */
  groups: readonly number[] = [];
  effectiveLo: number = WIDE;
  effectiveHi = 0;
  permittedLo: number = WIDE;
  permittedHi = 0;
  inheritableLo: number = WIDE;
  inheritableHi = 0;
  boundingLo: number = WIDE;
  boundingHi = 0;
  ambientLo: number = WIDE;
  ambientHi = 0;
  /** SECBIT_* of prctl(PR_SET_SECUREBITS); bit 4 is PR_SET_KEEPCAPS. */
  securebits = 0;
  noNewPrivs = false;

  /** Whether capability `cap` (CAP_*) is effective. */
  hasCap(cap: number): boolean {
    return cap < 32 ? ((this.effectiveLo >>> cap) & 1) !== 0 : ((this.effectiveHi >>> (cap - 32)) & 1) !== 0;
  }

  /** Whether `gid` is the file-system group or a supplementary one. */
  inGroup(gid: number): boolean {
    return gid === this.fsgid || this.groups.includes(gid);
  }

  /** Whether `gid` is the effective group or a supplementary one. */
  inEffectiveGroup(gid: number): boolean {
    return gid === this.egid || this.groups.includes(gid);
  }

  /** A copy that may be changed until a task gets it. */
  clone(): Credentials {
    const c = new Credentials();
    c.ruid = this.ruid;
    c.euid = this.euid;
    c.suid = this.suid;
    c.fsuid = this.fsuid;
    c.rgid = this.rgid;
    c.egid = this.egid;
    c.sgid = this.sgid;
    c.fsgid = this.fsgid;
    c.groups = this.groups;
    c.effectiveLo = this.effectiveLo;
    c.effectiveHi = this.effectiveHi;
    c.permittedLo = this.permittedLo;
    c.permittedHi = this.permittedHi;
    c.inheritableLo = this.inheritableLo;
    c.inheritableHi = this.inheritableHi;
    c.boundingLo = this.boundingLo;
    c.boundingHi = this.boundingHi;
    c.ambientLo = this.ambientLo;
    c.ambientHi = this.ambientHi;
    c.securebits = this.securebits;
    c.noNewPrivs = this.noNewPrivs;
    return c;
  }

  /** The credentials with which access(2) checks: real ids as file-system ids, capabilities as after setuid to ruid. */
  forAccess(): Credentials {
    const c = this.clone();
    c.fsuid = this.ruid;
    c.fsgid = this.rgid;
    if (this.ruid === 0) {
      c.effectiveLo = this.permittedLo;
      c.effectiveHi = this.permittedHi;
    } else {
      c.effectiveLo = 0;
      c.effectiveHi = 0;
    }
    return c;
  }
}

/** root with all capabilities. */
export function rootCredentials(): Credentials {
  const c = new Credentials();
  c.effectiveLo = c.permittedLo = c.boundingLo = CAP_ALL_LO;
  c.effectiveHi = c.permittedHi = c.boundingHi = CAP_ALL_HI;
  return c;
}

/** A user's credentials: given capabilities for root and for others alike (an OCI process' user and capability sets are independent). */
export function userCredentials(uid: number, gid: number, groups: readonly number[]): Credentials {
  const c = new Credentials();
  c.ruid = c.euid = c.suid = c.fsuid = uid;
  c.rgid = c.egid = c.sgid = c.fsgid = gid;
  c.groups = groups;
  c.boundingLo = CAP_ALL_LO;
  c.boundingHi = CAP_ALL_HI;
  if (uid === 0) {
    c.effectiveLo = c.permittedLo = CAP_ALL_LO;
    c.effectiveHi = c.permittedHi = CAP_ALL_HI;
  }
  return c;
}
