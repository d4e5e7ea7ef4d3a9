/* Numbers from the command line. */
#ifndef OPTIONS_H
#define OPTIONS_H

/* Reads a number from min to max; otherwise says what was expected of the option `name` and ends with status 2. */
long option_number(const char *name, const char *text, long min, long max);

#endif
