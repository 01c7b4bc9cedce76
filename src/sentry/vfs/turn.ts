/** Which attempt of a system call is under way. */

/**
 * A number that no two attempts share. What a file system has asked the host within an attempt holds until its end: one
 * answer per call is as good as asking again. Like `watching` of notify.ts it belongs to the process, not to a kernel.
 */
export const turn: { now: number } = { now: 0 };
