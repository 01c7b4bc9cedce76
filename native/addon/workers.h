/*
 * V8 hands jobs to threads of Node, one at each collection of young objects even when it then does all of the work itself. A copy made by
 * fork has no such threads: what nobody takes out of their queue stays in it for ever.
 */
#ifndef TSVISOR_WORKERS_H
#define TSVISOR_WORKERS_H

/* From now on V8 is told that there are none. Needs an open handle scope. Without effect on a Node that is made otherwise. */
void workers_gone(void);

#endif
