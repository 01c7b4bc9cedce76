/** The public face of the VFS in one import. */
export { VirtualFileSystem } from "./vfs.ts";
export type { FileSystemType, SpecialOpener } from "./vfs.ts";
export { VfsPath } from "./path.ts";
export type { PathContext } from "./path.ts";
export { Dentry } from "./dentry.ts";
export { Mount, MountNamespace } from "./mount.ts";
export { FileSystem } from "./filesystem.ts";
export { Inode, SetAttr } from "./inode.ts";
export { MemInode } from "./meminode.ts";
export { AnonFs, AnonInode, sharedAnonPath } from "./anon.ts";
export { DirectoryFile, FMODE_PATH, FMODE_READ, FMODE_WRITE, FileDescription, PathFile, SeekableFile } from "./file.ts";
export type { IoctlContext, UserMemory } from "./file.ts";
export { DirentBuffer, DirentList } from "./dirent.ts";
export type { DirentSink } from "./dirent.ts";
export { Epoll } from "./epoll.ts";
export { FileLocks, RecordLock, stopWaiting } from "./locks.ts";
export { WALK_DIRECTORY, WALK_EMPTY, WALK_FOLLOW, mayEnter, resolvePath } from "./walk.ts";
export { allowWrites, denyWrites, mayExecute, openAt, openPath, truncateInode } from "./open.ts";
export {
  linkAt,
  mkdirAt,
  mknodAt,
  mknodSocket,
  readlinkAt,
  renameAt2,
  rmdirAt,
  symlinkAt,
  unlinkAt,
} from "./operations.ts";
export {
  accessAt,
  chmodAt,
  chmodInode,
  chownAt,
  chownInode,
  getXattr,
  listXattr,
  removeXattr,
  setXattr,
  statAt,
  statfsAt,
  statfsPath,
  truncateAt,
  utimensAt,
  utimensInode,
} from "./attributes.ts";
export {
  attachMount,
  bindMount,
  copyNamespace,
  cwdString,
  isReachable,
  mountFileSystem,
  moveMount,
  newMountNamespace,
  pathString,
  pivotRoot,
  remountBind,
  umount,
} from "./mounting.ts";
