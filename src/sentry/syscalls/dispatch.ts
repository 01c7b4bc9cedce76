/** Runs system call attempts: from the number in rax to the handler of the table. */
import type { Task } from "../kernel/task.ts";
import type { SyscallArgs } from "./args.ts";

/** A system call attempt: >= 0, -errno, BLOCKED, NO_RETURN_VALUE. */
export type Handler = (t: Task, a: SyscallArgs) => number;
