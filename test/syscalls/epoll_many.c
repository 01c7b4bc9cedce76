// epoll_wait(2) gives as many events as are ready and asked for, also when that is thousands.
#define CHECK_FILES 10000
#include "check.h"
#include <sys/epoll.h>

#define FDS 9000

static struct epoll_event events[FDS + 1];

int main(void) {
	int fds[2];
	MUST(pipe(fds));
	int ep = epoll_create1(0);
	for (int i = 0; i < FDS; i++) {
		int fd = dup(fds[1]);
		struct epoll_event event = {.events = EPOLLOUT, .data.u32 = (uint32_t)i};
		MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
	}
	SHOW(epoll_wait(ep, events, FDS + 1, 0));
	unsigned sum = 0;
	for (int i = 0; i < FDS; i++) sum += events[i].data.u32;
	YES("each once", sum == (unsigned)FDS * (FDS - 1) / 2);
	SHOW(epoll_wait(ep, events, 7000, 0));
	SHOW(epoll_wait(ep, events, 10, 0));
	// Not even one can be stored.
	SHOW(epoll_wait(ep, NIL, 7000, 0));
	close(fds[0]);
	SHOW(epoll_wait(ep, events, FDS, 0));
	return 0;
}
