// Timers, futexes.
#include "interp.h"
#include <linux/futex.h>
#include <sys/personality.h>

// A time far in the future, or none.
static void far(struct itimerspec *value, long interval, long time) {
	*value = (struct itimerspec){{interval, 0}, {time == 0 ? 0 : 2000000000 + time, 0}};
}
static void say_timer(const struct itimerspec *old) { say("interval=%ld armed=%d ", (long)old->it_interval.tv_sec, old->it_value.tv_sec != 0); }

#define TIMERS 4
static int timers[TIMERS];
static void op_timercreate(struct op *op) {
	// slot, clock, kind, signal
	struct sigevent event = {.sigev_notify = FD(2), .sigev_signo = FD(3), .sigev_value = {.sival_int = 6}};
	int id = -1;
	if (!is_sendable(FD(3)) || FD(2) == SIGEV_THREAD_ID) {
		say("no\n");
		return;
	}
	long value = syscall(SYS_timer_create, FD(1), FD(2) == -1 ? NULL : &event, &id);
	if (value == 0) timers[ARG(0) & (TIMERS - 1)] = id + 1;
	result(value);
}
static int timer_of(long slot) { return slot < 0 ? 1000 : timers[slot & (TIMERS - 1)] - 1; }
// What becomes of the signal of a timer that is set anew or deleted depends on the version.
static int has_pending(void) {
	uint64_t pending = 0;
	syscall(SYS_rt_sigpending, &pending, sizeof pending);
	if (pending != 0) say("signals are pending\n");
	return pending != 0;
}
static void op_timersettime(struct op *op) {
	// slot, flags, interval, time, nanoseconds
	if (has_pending()) return;
	struct itimerspec new, old;
	memset(&old, 0, sizeof old);
	far(&new, ARG(2), ARG(3));
	if (ARG(4) != 0) new.it_value.tv_nsec = ARG(4);
	if (new.it_value.tv_sec == 0 && new.it_value.tv_nsec > 0 && new.it_value.tv_nsec < 1000000000) new.it_value.tv_nsec = 0;
	long value = syscall(SYS_timer_settime, timer_of(ARG(0)), FD(1), &new, &old);
	say_timer(&old);
	result(value);
}
static void op_timergettime(struct op *op) {
	struct itimerspec old;
	memset(&old, 0, sizeof old);
	long value = syscall(SYS_timer_gettime, timer_of(ARG(0)), &old);
	say_timer(&old);
	result(value);
}
static void op_timeroverrun(struct op *op) { result(syscall(SYS_timer_getoverrun, timer_of(ARG(0)))); }
static void op_timerdelete(struct op *op) {
	if (!has_pending()) result(syscall(SYS_timer_delete, timer_of(ARG(0))));
}
// timerfire SLOT: in the past; its signal comes, or is pending, before the call that follows has ended.
static void op_timerfire(struct op *op) {
	struct itimerspec new = {{0, 0}, {0, 1}};
	long value = syscall(SYS_timer_settime, timer_of(ARG(0)), TIMER_ABSTIME, &new, NULL);
	struct timespec pause = {0, 3000000};
	clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	result(value);
}
static void op_itimer(struct op *op) {
	// which, interval, time
	struct itimerval new = {{ARG(1), 0}, {ARG(2) == 0 ? 0 : 2000000 + ARG(2), 0}}, old;
	memset(&old, 0, sizeof old);
	long value = setitimer(FD(0), &new, &old);
	say("interval=%ld armed=%d ", (long)old.it_interval.tv_sec, old.it_value.tv_sec != 0);
	result(value);
}
static void op_getitimer(struct op *op) {
	struct itimerval old;
	memset(&old, 0, sizeof old);
	long value = getitimer(FD(0), &old);
	say("interval=%ld armed=%d ", (long)old.it_interval.tv_sec, old.it_value.tv_sec != 0);
	result(value);
}
static void op_alarm(struct op *op) { say("%d\n", alarm(ARG(0) == 0 ? 0 : 2000000) != 0); }
static void op_timerget(struct op *op) {
	struct itimerspec old;
	memset(&old, 0, sizeof old);
	long value = timerfd_gettime(FD(0), &old);
	say_timer(&old);
	result(value);
}
// tick FD: a time in the past is over at once.
static void op_tick(struct op *op) {
	struct itimerspec new = {{0, 0}, {0, 1}};
	long value = timerfd_settime(FD(0), TFD_TIMER_ABSTIME, &new, NULL);
	struct pollfd wait = {FD(0), POLLIN, 0};
	if (value == 0) poll(&wait, 1, 2000);
	result(value);
}
// clock_nanosleep with times that end at once, which those of the processor never do.
static void op_sleep(struct op *op) {
	struct timespec time = {ARG(2), ARG(3)};
	// clock, flags; never into the future
	if (ARG(2) > 0 || (ARG(3) > 1000 && ARG(3) < 1000000000)) time = (struct timespec){0, 0};
	long value = syscall(SYS_clock_nanosleep, FD(0), FD(1), &time, NULL);
	result(value);
}

// futex PAGE OFFSET OPERATION VALUE PAGE OFFSET VALUE3: none that waits or writes thread numbers.
static void op_futex(struct op *op) {
	struct timespec none = {0, 0};
	uint32_t *word = (uint32_t *)arena(ARG(0), ARG(1)), *other = (uint32_t *)arena(ARG(4), ARG(5));
	int command = FD(2) & FUTEX_CMD_MASK;
	long value;
	if (command == FUTEX_LOCK_PI || command == FUTEX_UNLOCK_PI || command == FUTEX_TRYLOCK_PI || command == FUTEX_LOCK_PI2 || command == FUTEX_WAIT_REQUEUE_PI || command == FUTEX_CMP_REQUEUE_PI) {
		say("no\n");
		return;
	}
	if (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET) value = syscall(SYS_futex, word, FD(2), (uint32_t)ARG(3), &none, other, (uint32_t)ARG(6));
	else value = syscall(SYS_futex, word, FD(2), (uint32_t)ARG(3), 1L, other, (uint32_t)ARG(6));
	result(value);
}

static long personality_of(long set, long value) {
	// Only what changes nothing for what follows.
	if (!set) return personality(0xffffffff) & ADDR_NO_RANDOMIZE ? 1 : 0;
	return personality((unsigned long)value & (ADDR_NO_RANDOMIZE | SHORT_INODE | WHOLE_SECONDS | STICKY_TIMEOUTS | UNAME26));
}
