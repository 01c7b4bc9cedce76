/** SOL_SOCKET options that are a number, which is kept: socket(7). What some of them do is in the sockets. */
import { EACCES, EINVAL, EPERM } from "../../abi/errno.ts";
import { CAP_NET_ADMIN, CAP_NET_RAW } from "../../abi/capability.ts";
import {
  SO_BINDTOIFINDEX,
  SO_BROADCAST,
  SO_BUF_LOCK,
  SO_BUSY_POLL,
  SO_DEBUG,
  SO_DONTROUTE,
  SO_INCOMING_CPU,
  SO_KEEPALIVE,
  SO_LOCK_FILTER,
  SO_MARK,
  SO_NO_CHECK,
  SO_NOFCS,
  SO_OOBINLINE,
  SO_PASSSEC,
  SO_PREFER_BUSY_POLL,
  SO_PRIORITY,
  SO_RCVMARK,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_RXQ_OVFL,
  SO_SELECT_ERR_QUEUE,
  SO_WIFI_STATUS,
} from "../../abi/socket.ts";
import type { Credentials } from "../auth/credentials.ts";

/** How an option's number is taken. */
interface NumberOption {
  readonly initial: number;
  /** Everything but 0 is 1. */
  readonly isFlag: boolean;
  /** -errno where the number is refused, else 0. */
  readonly check: (value: number, old: number, creds: Credentials) => number;
}

function fine(): number {
  return 0;
}

function mayMark(value: number, _old: number, creds: Credentials): number {
  return value === 0 || creds.hasCap(CAP_NET_RAW) || creds.hasCap(CAP_NET_ADMIN) ? 0 : -EPERM;
}

function flag(check: NumberOption["check"] = fine): NumberOption {
  return { initial: 0, isFlag: true, check };
}

function number(check: NumberOption["check"], initial = 0): NumberOption {
  return { initial, isFlag: false, check };
}

/** By option. */
export const numberOptions: ReadonlyMap<number, NumberOption> = new Map([
  [SO_DEBUG, flag((value, _old, creds) => (value === 0 || creds.hasCap(CAP_NET_ADMIN) ? 0 : -EACCES))],
  [SO_REUSEADDR, flag()],
  [SO_DONTROUTE, flag()],
  [SO_BROADCAST, flag()],
  [SO_KEEPALIVE, flag()],
  [SO_OOBINLINE, flag()],
  [SO_NO_CHECK, flag()],
  [
    SO_PRIORITY,
    // Priorities above 6 are for the privileged.
    number((value, _old, creds) => (value >= 0 && value <= 6 ? 0 : mayMark(value, 0, creds))),
  ],
  [SO_REUSEPORT, flag()],
  [SO_PASSSEC, flag()],
  [SO_MARK, number((_value, _old, creds) => mayMark(1, 0, creds))],
  [SO_RXQ_OVFL, flag()],
  [SO_WIFI_STATUS, flag()],
  [SO_NOFCS, flag()],
  // Once locked, it stays so.
  [SO_LOCK_FILTER, flag((value, old) => (value === 0 && old === 1 ? -EPERM : 0))],
  [SO_SELECT_ERR_QUEUE, flag()],
  [SO_BUSY_POLL, number((value) => (value < 0 ? -EINVAL : 0))],
  [SO_INCOMING_CPU, number(fine, -1)],
  [
    SO_BINDTOIFINDEX,
    number((value, old, creds) => (old !== 0 && !creds.hasCap(CAP_NET_RAW) ? -EPERM : value < 0 ? -EINVAL : 0)),
  ],
  [SO_PREFER_BUSY_POLL, flag((value, _old, creds) => (value === 0 || creds.hasCap(CAP_NET_ADMIN) ? 0 : -EPERM))],
  [SO_BUF_LOCK, number((value) => ((value & ~3) === 0 ? 0 : -EINVAL))],
  [SO_RCVMARK, flag()],
]);
