/*
 * A Sentry that has nothing to do gives back the pages of its program that it used last: more of them than of anything
 * else, and the host's page cache has them; and garbage (garbage.h), for which it is looked once a second while it has much
 * to do. Times are looked at by a timer, so that no wait costs more.
 */
#ifndef TSVISOR_REST_H
#define TSVISOR_REST_H

#include <stdint.h>

/* The timer's descriptor, to be waited for, or -errno. */
int rest_start(void);
void rest_stop(void);
/* The timer's time has come. `happened`: a number that grows with all that happens. */
void rest_look(uint64_t happened);
/* Something happened. */
void rest_over(uint64_t happened);

#endif
