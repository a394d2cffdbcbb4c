/*
 * sample.h - the sample configuration, from the table of settings.
 *
 * conf/pooler.conf is what sample_write() writes; a test compares the two.
 * May wait for the stream that it writes to.
 */
#ifndef CONF_SAMPLE_H
#define CONF_SAMPLE_H

#include <stdio.h>

/* 0, or -1 where the stream failed. */
int sample_write(FILE *out);

#endif
