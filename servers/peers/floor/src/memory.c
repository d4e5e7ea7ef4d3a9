/* Memory that is there, or the end. */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>

void *reallocate(void *memory, size_t size)
{
    void *moved = realloc(memory, size > 0 ? size : 1);
    if (!moved) {
        fprintf(stderr, "error: %zu bytes of memory are not to be had\n", size);
        exit(1);
    }
    return moved;
}

void *allocate(size_t size)
{
    return reallocate(NULL, size);
}

void release(void *memory)
{
    free(memory);
}
