/** Futex wait queues: futex(2), futex(7). */
export class FutexTable {}
