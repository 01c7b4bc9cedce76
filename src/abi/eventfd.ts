/** eventfd(2), timerfd_create(2), signalfd(2), pipe2(2) flags. */

export const EFD_SEMAPHORE = 1;
export const EFD_NONBLOCK = 0o4000;
export const EFD_CLOEXEC = 0o2000000;

export const TFD_NONBLOCK = 0o4000;
export const TFD_CLOEXEC = 0o2000000;
export const TFD_TIMER_ABSTIME = 1;
export const TFD_TIMER_CANCEL_ON_SET = 2;
export const TFD_IOC_SET_TICKS = 0x40085400;

export const SFD_NONBLOCK = 0o4000;
export const SFD_CLOEXEC = 0o2000000;
/** sizeof(struct signalfd_siginfo). */
export const SIGNALFD_SIGINFO_SIZE = 128;
