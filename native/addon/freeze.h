/* A process made from an image (freeze.c) gives back the pages of it that nobody wrote to: the host's page cache has them. */
#ifndef TSVISOR_FREEZE_H
#define TSVISOR_FREEZE_H

#include <stdbool.h>

void image_give_back(void);

/* Whether the build trains. */
bool is_training(void);

#endif
