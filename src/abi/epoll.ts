/** epoll(7) constants; `struct epoll_event` is packed on amd64: events u32 @0, data u64 @4, 12 bytes. */

export const EPOLL_CLOEXEC = 0o2000000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 0x001;
export const EPOLLPRI = 0x002;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDNORM = 0x040;
export const EPOLLRDBAND = 0x080;
export const EPOLLWRNORM = 0x100;
export const EPOLLWRBAND = 0x200;
export const EPOLLMSG = 0x400;
export const EPOLLRDHUP = 0x2000;
export const EPOLLEXCLUSIVE = 0x10000000;
export const EPOLLWAKEUP = 0x20000000;
export const EPOLLONESHOT = 0x40000000;
/** 1 << 31 as an unsigned number; in int32 arithmetic it is the sign bit. */
export const EPOLLET = 0x80000000;
export const EPOLL_EVENT_SIZE = 12;
/** Deepest chain of epoll instances watching each other (EP_MAX_NESTS + 1). */
export const EPOLL_MAX_NESTS = 4;
