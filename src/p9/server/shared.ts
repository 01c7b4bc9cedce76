/** Small steps that several requests share. */
import { EINVAL, EMSGSIZE, ENAMETOOLONG } from "../../abi/errno.ts";
import { AT_EMPTY_PATH, AT_NO_AUTOMOUNT, O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../../abi/fcntl.ts";
import { NAME_MAX } from "../wire/constants.ts";
import type { Qid } from "../wire/records.ts";
import { ATTR_SIZE, encodeAttr, qidType } from "../wire/records.ts";
import type { PathHandle } from "./fid.ts";
import type { P9Server } from "./server.ts";

/** For {@link P9Backend.readdirAttrs}: no device, but the attributes of all entries. */
export const ALL_ATTRS = -1;

/** 0 when `name` is one harmless component, else -EINVAL, or -ENAMETOOLONG. */
export function checkName(name: string): number {
  if (name.length > NAME_MAX) return -ENAMETOOLONG;
  if (name === "" || name === "." || name === "..") return -EINVAL;
  return name.includes("/") || name.includes("\0") ? -EINVAL : 0;
}

/** Fills a qid from the attributes that the server read last. */
export function fillQid(s: P9Server, qid: Qid): void {
  qid.type = qidType(s.stat.mode);
  qid.version = 0;
  qid.path = s.stat.ino;
}

/** Writes the attributes that the server read last as the reply: AttrOnly of the extension. */
export function replyAttr(s: P9Server): number {
  encodeAttr(s.w, s.stat);
  return 0;
}

/** Writes the attributes that the file of an fd has now as the reply. 0 or -errno. */
export function replyAttrOf(s: P9Server, fd: number): number {
  const at = s.w.reserve(ATTR_SIZE);
  return at < 0 ? -EMSGSIZE : s.host.attrAt(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, s.w.buf, at);
}

/** Opens a directory for reading: by ".", which needs no /proc and cannot be anything else. An fd or -errno. */
export function openDir(s: P9Server, handle: PathHandle): number {
  return s.host.openat(handle.fd, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
}
