/** The System V objects of a sandbox: one IPC namespace. */
import { MsgTable } from "./msg.ts";
import { SemTable } from "./sem.ts";
import { ShmTable } from "./shm.ts";

/** What they need of the kernel. */
export interface IpcEnv {
  /** Real time, whole seconds. */
  seconds(): number;
  /** Pid of the process whose call runs, 0 between calls. */
  callerPid(): number;
}

/** See the header. */
export class IpcNamespace {
  readonly shm: ShmTable;
  readonly sem: SemTable;
  readonly msg: MsgTable;

  constructor(env: IpcEnv) {
    this.shm = new ShmTable(env);
    this.sem = new SemTable(env);
    this.msg = new MsgTable(env);
  }
}
