/** POSIX interval timers: timer_create(2). */
export class PosixTimer {
  id = 0;
}
