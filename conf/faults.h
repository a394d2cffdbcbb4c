/*
 * faults.h - everything that is wrong with a configuration, told at once.
 *
 * A fault refuses the configuration; a warning does not.  Each has its file
 * and line.  No text holds a secret: it names the key, not the value, where
 * the value could be one.
 *
 * Written by who loads a configuration.  Never blocks.
 */
#ifndef CONF_FAULTS_H
#define CONF_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

struct conf_fault {
	char *file;    /* as it was named; "" when it is about no file */
	unsigned line; /* 0 when it is about no line */
	bool is_warning;
	char text[256];
};

struct conf_faults {
	struct conf_fault *v;
	size_t count;  /* faults and warnings, in the order of the file */
	size_t faults; /* those that refuse */
	size_t halves; /* of these: a certificate and a key that are no pair */
};

#define CONF_FAULTS_MAX 1000 /* the rest is counted, not kept */

void conf_faults_init(struct conf_faults *f);
void conf_faults_free(struct conf_faults *f);

void conf_faults_add(struct conf_faults *f, const char *file, unsigned line,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void conf_faults_warn(struct conf_faults *f, const char *file, unsigned line,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* One line each: ERROR or WARNING, "FILE:LINE: TEXT". */
void conf_faults_log(const struct conf_faults *f);

#endif
