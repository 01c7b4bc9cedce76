/**
 * Serves a directory on a Unix socket, for foreign 9P clients in tests: `node listen.testing.ts SOCKET DIR [ANAME]`. Serves one
 * connection after the other until it is killed; prints "ready" when it listens.
 */
import process from "node:process";
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH } from "../abi/fcntl.ts";
import { linuxHost } from "../host/linux.unsafe.ts";
import { DEFAULT_MSIZE } from "../p9/wire/constants.ts";
import { Connection, serve } from "./serve.ts";

const host = linuxHost();
const [, , socket, path, aname] = process.argv;
const listener = host.unixListen(socket!, 1, 8);
const rootFd = host.openat(AT_FDCWD, path!, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
const procFd = host.openat(AT_FDCWD, "/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
if (listener < 0 || rootFd < 0 || procFd < 0) throw new Error(`listen: ${listener} ${rootFd} ${procFd}`);
process.stdout.write("ready\n");
for (;;) {
  const fd = host.accept(listener, O_CLOEXEC);
  if (fd < 0) break;
  const options = {
    rootFd,
    procFd,
    procPath: "/proc/self/fd",
    isReadonly: false,
    aname: aname ?? path!,
    hasExtension: true,
    maxMsize: DEFAULT_MSIZE,
  };
  serve(host, [new Connection(host, fd, options)]);
}
