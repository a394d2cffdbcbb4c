/*
 * hbasim.h - for tests: pg_hba.conf from a text, with what it may name.
 */
#ifndef T_UNIT_HBASIM_H
#define T_UNIT_HBASIM_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conf/hba.h"
#include "t/unit/conf_text.h"

static struct conf_files files;
static struct conf_faults faults;
static struct ident *maps;

static inline struct hba *
load_len(const char *text, size_t n)
{
	conf_files_free(&files);
	conf_faults_free(&faults);
	text_add_len(&files, "hba", text, n);
	text_add(&files, "users", "al, bo\n\"c d\"  # and no one else\n");
	text_add(&files, "nobody", "");
	text_add(&files, "more", "host inc all all md5\n");
	text_add(&files, "maps", "m al bo\n");
	text_add(&files, "\naddresses of this host",
	    "192.168.7.5 255.255.255.0\n127.0.0.1 255.0.0.0\n"
	    "fd00:1::5 ffff:ffff::\n");
	ident_free(maps);
	maps = ident_new(&files, "maps", &faults);
	ck_assert_ptr_nonnull(maps);
	return hba_new(&files, "hba", maps, &faults);
}

static inline struct hba *
load(const char *text)
{
	return load_len(text, strlen(text));
}

/* `from`: an address, with "s " before it when by TLS; "l": a Unix socket. */
static inline struct hba_query
query(const char *from, const char *database, const char *user)
{
	struct hba_query q = { .database = database, .user = user };

	q.is_local = strcmp(from, "l") == 0;
	q.is_tls = strncmp(from, "s ", 2) == 0;
	q.is_replication = strcmp(database, "*") == 0;
	if (!q.is_local)
		ck_assert_int_eq(
		    netaddr_parse(q.is_tls ? from + 2 : from, &q.addr), 0);
	return q;
}

/*
 * A text cut at every byte, and with a byte of every kind in
 * every place: taken or refused, but nothing breaks, and who is refused by no
 * rule is let in by none that says reject.
 */
static inline void
try(const char *text, size_t n)
{
	struct hba_query q = query("s 10.0.0.1", "d", "u");
	struct hba *h = load_len(text, n);
	const struct hba_rule *r = hba_find(h, &q);

	ck_assert(h != NULL || faults.faults > 0);
	ck_assert(r == NULL || r->line > 0);
	hba_free(h);
}

static inline void
tear(const char *text)
{
	static const char bytes[] = "\0\n\\\"#,@/ +(\xff";
	size_t n = strlen(text);
	char copy[512];

	ck_assert_uint_lt(n, sizeof(copy));
	for (size_t cut = 0; cut < n; cut++)
		try(text, cut);
	for (size_t i = 0; i < n; i++) {
		memcpy(copy, text, n);
		for (size_t b = 0; b < sizeof(bytes) - 1; b++) {
			copy[i] = bytes[b];
			try(copy, n);
		}
	}
}

#endif
