// Which thread handled a signal, and how many were handled.
#ifndef HANDLED_H
#define HANDLED_H
#include "check.h"
#include <stdatomic.h>

static _Atomic pid_t handled_by;
static _Atomic int handled;

static void handler(int sig) {
	(void)sig;
	handled_by = gettid();
	handled++;
}

static void wait_for(int count) {
	for (int i = 0; i < 5000 && handled < count; i++) sleep_ms(1);
}

#endif
