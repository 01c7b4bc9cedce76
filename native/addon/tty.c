/* Terminal attributes, see ioctl_tty(2). The window size goes through ioctlBuf. */
#include "addon.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <sys/syscall.h>
#include <unistd.h>

/* By system call: <sys/ioctl.h> and <asm/termbits.h> do not go together. */
static int64_t termios_ioctl(int fd, unsigned long request, uint8_t *buf) {
  return RETRY(syscall(SYS_ioctl, fd, request, buf));
}

static napi_value js_tcgets(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(fd, 0);
  ARG_U8S(buf, 1);
  if (buf_len < sizeof(struct termios2)) return bad_range(env);
  return ret(env, termios_ioctl(fd, TCGETS2, buf));
}

static napi_value js_tcsets(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(fd, 0);
  ARG_U8S(buf, 1);
  if (buf_len < sizeof(struct termios2)) return bad_range(env);
  return ret(env, termios_ioctl(fd, TCSETS2, buf));
}

static napi_value js_isatty(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_I32(fd, 0);
  struct termios2 termios;
  napi_value out;
  napi_get_boolean(env, termios_ioctl(fd, TCGETS2, (uint8_t *)&termios) == 0, &out);
  return out;
}

void tty_register(napi_env env, napi_value exports) {
  static const struct method methods[] = {
      {"tcgets", js_tcgets},
      {"tcsets", js_tcsets},
      {"isatty", js_isatty},
  };
  DEFINE_METHODS(env, exports, methods);
}
