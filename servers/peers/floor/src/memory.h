/* Memory that is there, or the end: a server whose memory is used up says so and ends. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

void *allocate(size_t size);
void *reallocate(void *memory, size_t size);
void release(void *memory);

#endif
