/** Every message by type number: for tests, traces and tools. Servers and clients call the classes directly. */
import * as base from "./base.ts";
import * as c from "./constants.ts";
import * as ext from "./extension.ts";
import * as linux from "./linux.ts";
import { Empty, FidOnly, type Message } from "./message.ts";

export interface MessageInfo {
  readonly type: number;
  readonly name: string;
  readonly create: new () => Message;
}

function pair(type: number, name: string, request: new () => Message, reply: new () => Message): MessageInfo[] {
  return [
    { type, name: `T${name}`, create: request },
    { type: type + 1, name: `R${name}`, create: reply },
  ];
}

export const MESSAGES: readonly MessageInfo[] = [
  { type: c.RLERROR, name: "Rlerror", create: linux.Rlerror },
  ...pair(c.TSTATFS, "statfs", FidOnly, linux.Rstatfs),
  ...pair(c.TLOPEN, "lopen", linux.Tlopen, linux.Ropen),
  ...pair(c.TLCREATE, "lcreate", linux.Tlcreate, linux.Ropen),
  ...pair(c.TSYMLINK, "symlink", linux.Tsymlink, base.QidOnly),
  ...pair(c.TMKNOD, "mknod", linux.Tmknod, base.QidOnly),
  ...pair(c.TRENAME, "rename", linux.Trename, Empty),
  ...pair(c.TREADLINK, "readlink", FidOnly, linux.Rreadlink),
  ...pair(c.TGETATTR, "getattr", linux.Tgetattr, linux.Rgetattr),
  ...pair(c.TSETATTR, "setattr", linux.Tsetattr, Empty),
  ...pair(c.TXATTRWALK, "xattrwalk", linux.Txattrwalk, linux.Rxattrwalk),
  ...pair(c.TXATTRCREATE, "xattrcreate", linux.Txattrcreate, Empty),
  ...pair(c.TREADDIR, "readdir", linux.Treaddir, base.Data),
  ...pair(c.TFSYNC, "fsync", linux.Tfsync, Empty),
  ...pair(c.TLOCK, "lock", linux.Tlock, linux.Rlock),
  ...pair(c.TGETLOCK, "getlock", linux.Tgetlock, linux.Rgetlock),
  ...pair(c.TLINK, "link", linux.Tlink, Empty),
  ...pair(c.TMKDIR, "mkdir", linux.Tmkdir, base.QidOnly),
  ...pair(c.TRENAMEAT, "renameat", linux.Trenameat, Empty),
  ...pair(c.TUNLINKAT, "unlinkat", linux.Tunlinkat, Empty),
  ...pair(c.TVERSION, "version", base.Version, base.Version),
  ...pair(c.TAUTH, "auth", base.Tauth, base.QidOnly),
  ...pair(c.TATTACH, "attach", base.Tattach, base.QidOnly),
  ...pair(c.TFLUSH, "flush", base.Tflush, Empty),
  ...pair(c.TWALK, "walk", base.Twalk, base.Rwalk),
  ...pair(c.TREAD, "read", base.Tread, base.Data),
  ...pair(c.TWRITE, "write", base.Twrite, base.Rwrite),
  ...pair(c.TCLUNK, "clunk", FidOnly, Empty),
  ...pair(c.TREMOVE, "remove", FidOnly, Empty),
  ...pair(c.TWALKATTR, "walkattr", ext.Twalkattr, ext.Rwalkattr),
  ...pair(c.TOPENAT, "openat", ext.Topenat, ext.AttrOnly),
  ...pair(c.TCREATEAT, "createat", ext.Tcreateat, ext.AttrOnly),
  ...pair(c.TMAKEAT, "makeat", ext.Tmakeat, ext.AttrOnly),
  ...pair(c.TREADDIRATTR, "readdirattr", ext.Treaddirattr, ext.Rreaddirattr),
  ...pair(c.TCLUNKBATCH, "clunkbatch", ext.Numbers, Empty),
  ...pair(c.TALLOCATE, "allocate", ext.Tallocate, ext.AttrOnly),
  ...pair(c.TSETATTRX, "setattrx", ext.Tsetattrx, ext.AttrOnly),
  ...pair(c.TSETATTRAT, "setattrat", ext.Tsetattrat, ext.AttrOnly),
  ...pair(c.TRENAME2, "rename2", ext.Trename2, ext.AttrOnly),
  ...pair(c.TGETXATTR, "getxattr", ext.FidName, base.Data),
  ...pair(c.TLISTXATTR, "listxattr", FidOnly, base.Data),
  ...pair(c.TSETXATTR, "setxattr", ext.Tsetxattr, Empty),
  ...pair(c.TREMOVEXATTR, "removexattr", ext.FidName, Empty),
  ...pair(c.TLINKATTR, "linkattr", linux.Tlink, ext.AttrOnly),
  ...pair(c.TXATTRNAMES, "xattrnames", ext.Treaddirs, base.Data),
  ...pair(c.TNOTIFY, "notify", Empty, Empty),
  ...pair(c.TWATCH, "watch", ext.Twatch, ext.Rwatch),
  ...pair(c.TUNWATCH, "unwatch", ext.Numbers, Empty),
  ...pair(c.TCHANNEL, "channel", Empty, ext.Rchannel),
  ...pair(c.TUNLINKX, "unlinkx", ext.Tunlinkx, Empty),
  ...pair(c.TREADDIRS, "readdirs", ext.Treaddirs, ext.Rreaddirs),
];
