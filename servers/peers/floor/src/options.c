/* Numbers from the command line. */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

long option_number(const char *name, const char *text, long min, long max)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < min || number > max) {
        fprintf(stderr, "error: %s is `%s`: expected a number from %ld to %ld\n", name, text, min, max);
        exit(2);
    }
    return number;
}
