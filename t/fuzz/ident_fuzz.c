/*
 * ident_fuzz.c - pg_ident.conf: maps, and who may be whom by them.
 *
 * Form feeds divide the input: the maps, the system's user, the database's.
 */
#include "conf/ident.h"

#include "t/fuzz/fuzz.h"

static char *
cut(const uint8_t **data, size_t *size)
{
	const uint8_t *part;
	size_t len = fuzz_part(data, size, '\f', &part);

	return fuzz_text(part, len);
}

/* A map that has no patterns, written by us: it says what stands there. */
static void
check_plain(const char *system_user, const char *user)
{
	char text[512], back[4] = "\\1";
	struct conf_files files;
	struct conf_faults faults;
	struct ident *t;
	int n;

	if (strpbrk(system_user, "\"\n\r\\") != NULL ||
	    strpbrk(user, "\"\n\r\\") != NULL || strstr(user, back) != NULL ||
	    *system_user == '/' || *user == '/')
		return;
	n = snprintf(
	    text, sizeof(text), "m \"%s\" \"%s\"\n", system_user, user);
	if (n >= (int)sizeof(text))
		return;
	conf_files_init(&files);
	conf_faults_init(&faults);
	MUST(conf_files_put(&files, "ident", text, (size_t)n, NULL) == 0);
	t = ident_new(&files, "ident", &faults);
	MUST(t != NULL && ident_has(t, "m"));
	MUST(ident_allows(t, "m", system_user, user));
	MUST(!ident_allows(t, "other", system_user, user));
	MUST(ident_allows(t, "m", user, system_user) ==
	    (strcmp(user, system_user) == 0));
	ident_free(t);
	conf_faults_free(&faults);
	conf_files_free(&files);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_faults faults;
	struct conf_files files;
	struct ident *t;
	const uint8_t *part;
	size_t len = fuzz_part(&data, &size, '\f', &part);
	char *system_user = cut(&data, &size), *user = cut(&data, &size);

	conf_files_init(&files);
	conf_faults_init(&faults);
	MUST(conf_files_put(&files, "ident", (const char *)part, len, NULL) ==
	    0);
	t = ident_new(&files, "ident", &faults);
	MUST((t == NULL) == (faults.faults > 0));
	for (size_t i = 0; i < faults.count; i++)
		MUST_END(faults.v[i].text);
	/* who is allowed is so by a map that is there */
	if (ident_allows(t, "m", system_user, user))
		MUST(ident_has(t, "m"));
	ident_free(t);
	conf_faults_free(&faults);
	conf_files_free(&files);
	check_plain(system_user, user);
	free(system_user);
	free(user);
	return 0;
}
