/* Sockets, pipes, event fds, poll, and messages that carry file descriptors. Every fd made here has FD_CLOEXEC. */
#include "addon.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Most fds in one message: FDS_MAX in host.ts. */
#define FDS_MAX 64

static napi_value js_socketpair(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(domain, 0);
  ARG_I32(type, 1);
  int fds[2];
  int64_t result = RESULT(socketpair(domain, type | SOCK_CLOEXEC, 0, fds));
  return result < 0 ? ret(env, result) : ret_pair(env, fds[0], fds[1]);
}

static napi_value js_pipe2(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_I32(flags, 0);
  int fds[2];
  int64_t result = RESULT(pipe2(fds, flags | O_CLOEXEC));
  return result < 0 ? ret(env, result) : ret_pair(env, fds[0], fds[1]);
}

static napi_value js_eventfd(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_U32(initial, 0);
  ARG_I32(flags, 1);
  return ret(env, RESULT(eventfd(initial, flags | EFD_CLOEXEC)));
}

/* The address of a path socket; returns its length, or -ENAMETOOLONG above 107 bytes. */
static int unix_address(const char *path, struct sockaddr_un *address) {
  size_t len = strlen(path);
  if (len >= sizeof(address->sun_path)) return -ENAMETOOLONG;
  memset(address, 0, sizeof(*address));
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, path, len + 1);
  return (int)(offsetof(struct sockaddr_un, sun_path) + len + 1);
}

static napi_value js_unix_connect(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_PATH(path, 0);
  ARG_I32(type, 1);
  struct sockaddr_un address;
  int len = unix_address(path, &address);
  if (len < 0) return ret(env, len);
  int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return ret(env, -errno);
  int64_t result = RETRY(connect(fd, (struct sockaddr *)&address, (socklen_t)len));
  if (result == 0) return ret(env, fd);
  close(fd);
  return ret(env, result);
}

/* Creates the socket file; -EADDRINUSE when the path exists. */
static napi_value js_unix_listen(napi_env env, napi_callback_info info) {
  ARGS(3);
  ARG_PATH(path, 0);
  ARG_I32(type, 1);
  ARG_I32(backlog, 2);
  struct sockaddr_un address;
  int len = unix_address(path, &address);
  if (len < 0) return ret(env, len);
  int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return ret(env, -errno);
  if (bind(fd, (struct sockaddr *)&address, (socklen_t)len) == 0) {
    if (listen(fd, backlog) == 0) return ret(env, fd);
    int error = errno;
    unlink(path);
    errno = error;
  }
  int error = errno;
  close(fd);
  return ret(env, -error);
}

static napi_value js_accept(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(fd, 0);
  ARG_I32(flags, 1);
  return ret(env, RETRY(accept4(fd, NULL, NULL, flags | SOCK_CLOEXEC)));
}

union control {
  struct cmsghdr header;
  char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

/* A peer that is gone gives -EPIPE, never a signal. */
static napi_value js_sendmsg(napi_env env, napi_callback_info info) {
  ARGS(6);
  ARG_I32(fd, 0);
  ARG_U8S(buf, 1);
  ARG_I64(off, 2);
  ARG_I64(len, 3);
  ARG_I32(flags, 5);
  CHECK_RANGE(off, len, buf_len);
  int32_t fds[FDS_MAX];
  int count = get_i32_list(env, argv[4], fds, FDS_MAX);
  if (count == -EFAULT) return bad_argument(env, 4, "an array of numbers");
  if (count < 0) return ret(env, count);
  struct iovec vector = {.iov_base = buf + off, .iov_len = (size_t)len};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  union control control;
  if (count > 0) {
    memset(&control, 0, sizeof(control));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, (size_t)count * sizeof(int));
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
  }
  return ret(env, RETRY(sendmsg(fd, &message, flags | MSG_NOSIGNAL)));
}

/*
 * The fds of the message go to fds_out[0..], their number to fds_out[FDS_MAX]. When the kernel had to cut the control
 * data, all that arrived are closed and the result is -EMSGSIZE: a message with missing fds is no message.
 */
static napi_value js_recvmsg(napi_env env, napi_callback_info info) {
  ARGS(6);
  ARG_I32(fd, 0);
  ARG_U8S(buf, 1);
  ARG_I64(off, 2);
  ARG_I64(len, 3);
  ARG_I32S(fds_out, 4);
  ARG_I32(flags, 5);
  CHECK_RANGE(off, len, buf_len);
  if (fds_out_len <= FDS_MAX) return bad_range(env);
  struct iovec vector = {.iov_base = buf + off, .iov_len = (size_t)len};
  union control control;
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control};
  fds_out[FDS_MAX] = 0;
  int64_t result;
  do {
    message.msg_controllen = sizeof(control);
    result = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
  } while (result == -1 && errno == EINTR);
  if (result < 0) return ret(env, -errno);
  int count = 0;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t received = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    /* `control` has room for FDS_MAX in all, so that they always fit. */
    for (size_t i = 0; i < received && count < FDS_MAX; i++)
      memcpy(&fds_out[count++], CMSG_DATA(header) + i * sizeof(int), sizeof(int));
  }
  if (message.msg_flags & MSG_CTRUNC) {
    for (int i = 0; i < count; i++) close(fds_out[i]);
    return ret(env, -EMSGSIZE);
  }
  fds_out[FDS_MAX] = count;
  return ret(env, result);
}

/* Room for one descriptor. */
union one_fd {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

/* sendFd(socket, fd): a byte, and a descriptor with it. 0 or -errno. */
static napi_value js_send_fd(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(socket, 0);
  ARG_I32(fd, 1);
  char byte = 0;
  struct iovec vector = {.iov_base = &byte, .iov_len = 1};
  union one_fd control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
  memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
  int64_t result = RETRY(sendmsg(socket, &message, MSG_NOSIGNAL));
  return ret(env, result > 0 ? 0 : result);
}

/* recvFd(socket): takes what sendFd sent; the descriptor, or -errno. -EBADMSG: there was no byte, or not one descriptor with it. */
static napi_value js_recv_fd(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_I32(socket, 0);
  char byte;
  struct iovec vector = {.iov_base = &byte, .iov_len = 1};
  union one_fd control;
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control};
  int64_t result;
  do {
    /* Without the padding, in which a second one would find room. */
    message.msg_controllen = CMSG_LEN(sizeof(int));
    result = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (result == -1 && errno == EINTR);
  if (result < 0) return ret(env, -errno);
  int fd = -1;
  const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header != NULL && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)))
    memcpy(&fd, CMSG_DATA(header), sizeof(int));
  if (fd >= 0 && result == 1 && (message.msg_flags & MSG_CTRUNC) == 0) return ret(env, fd);
  if (fd >= 0) close(fd);
  return ret(env, -EBADMSG);
}

static napi_value js_shutdown(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(fd, 0);
  ARG_I32(how, 1);
  return ret(env, RESULT(shutdown(fd, how)));
}

/* Sets that are polled often are small; larger ones take memory from the heap. */
#define POLL_SMALL 32

/*
 * `set` holds n triples fd, events, revents. The timeout is in milliseconds, fractions count. EINTR is given back: the
 * caller looks at its signal pipe, which is in the set, and knows its own deadline.
 */
static napi_value js_poll(napi_env env, napi_callback_info info) {
  ARGS(3);
  ARG_I32S(set, 0);
  ARG_I32(n, 1);
  ARG_F64(timeout, 2);
  if (n < 0 || (size_t)n > set_len / 3) return bad_range(env);
  struct pollfd small[POLL_SMALL];
  struct pollfd *fds = small;
  if (n > POLL_SMALL && (fds = malloc((size_t)n * sizeof(*fds))) == NULL) return ret(env, -ENOMEM);
  for (int i = 0; i < n; i++)
    fds[i] = (struct pollfd){.fd = set[3 * i], .events = (short)set[3 * i + 1], .revents = 0};
  struct timespec limit;
  bool has_limit = timeout >= 0 && timeout < 1e15;
  if (has_limit) {
    limit.tv_sec = (time_t)(timeout / 1000);
    limit.tv_nsec = (long)((timeout - (double)limit.tv_sec * 1000) * 1e6);
  }
  int64_t result = RESULT(ppoll(fds, (nfds_t)n, has_limit ? &limit : NULL, NULL));
  for (int i = 0; i < n; i++) set[3 * i + 2] = result < 0 ? 0 : (uint16_t)fds[i].revents;
  if (fds != small) free(fds);
  return ret(env, result);
}

void sock_register(napi_env env, napi_value exports) {
  static const struct method methods[] = {
      {"socketpair", js_socketpair}, {"pipe2", js_pipe2},        {"eventfd", js_eventfd},
      {"unixConnect", js_unix_connect}, {"unixListen", js_unix_listen}, {"accept", js_accept},
      {"sendmsg", js_sendmsg},       {"recvmsg", js_recvmsg},    {"shutdown", js_shutdown},
      {"sendFd", js_send_fd},        {"recvFd", js_recv_fd},     {"poll", js_poll},
  };
  DEFINE_METHODS(env, exports, methods);
}
