/** wait4(2), waitid(2): options and the status word. */
export const WNOHANG = 1;
export const WUNTRACED = 2;
export const WSTOPPED = 2;
export const WEXITED = 4;
export const WCONTINUED = 8;
export const WNOWAIT = 0x01000000;
export const __WNOTHREAD = 0x20000000;
export const __WALL = 0x40000000;
export const __WCLONE = 0x80000000;

export const P_ALL = 0;
export const P_PID = 1;
export const P_PGID = 2;
export const P_PIDFD = 3;

/** Status word of a normal exit. */
export function exitStatus(code: number): number {
  return (code & 0xff) << 8;
}

/** Status word of a death by signal; `core`: with the core-dump bit. */
export function signalStatus(sig: number, core: boolean): number {
  return (sig & 0x7f) | (core ? 0x80 : 0);
}

export function stoppedStatus(sig: number): number {
  return (sig << 8) | 0x7f;
}

export const CONTINUED_STATUS = 0xffff;
