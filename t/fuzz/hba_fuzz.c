/*
 * hba_fuzz.c - pg_hba.conf, with a file that it names and the maps.
 *
 * Form feeds divide the input: pg_hba.conf, pg_ident.conf, the file "more",
 * then the user and the database that are asked for.
 */
#include "conf/hba.h"

#include "t/fuzz/fuzz.h"

static const char interfaces[] = "192.168.7.5 255.255.255.0\n"
				 "fd00:1::5 ffff:ffff::\n";

static const char *const from[] = { "", "192.168.7.9", "10.0.0.1", "::1" };

static char *
cut(const uint8_t **data, size_t *size)
{
	const uint8_t *part;
	size_t len = fuzz_part(data, size, '\f', &part);

	return fuzz_text(part, len);
}

static void
put(struct conf_files *files, const char *name, const char *bytes, size_t len)
{
	MUST(conf_files_put(files, name, bytes, len, NULL) == 0);
}

static void
check_faults(const struct conf_faults *f)
{
	for (size_t i = 0; i < f->count; i++) {
		MUST(f->v[i].file != NULL && f->v[i].text[0] != '\0');
		MUST_END(f->v[i].text);
	}
}

static void
check_rule(const struct hba *h, size_t i, const struct ident *maps)
{
	const struct hba_rule *r = hba_at(h, i);

	MUST(r->line >= 1 && r->file != NULL);
	MUST(hba_method_name(r->method) != NULL);
	MUST(r->map == NULL || ident_has(maps, r->map));
	MUST(r->method != HBA_CERT ||
	    (r->type == HBA_HOSTSSL && r->clientcert == HBA_VERIFY_FULL));
	MUST(r->clientcert == HBA_NO_CERT || r->type == HBA_HOSTSSL);
	MUST(r->method != HBA_PEER || r->type == HBA_LOCAL);
	for (size_t k = 0; k < r->n_options; k++)
		MUST(hba_option(r, r->options[k].name) != NULL);
}

/* Who asks gets a rule for that kind of connection, or none. */
static void
check_query(const struct hba *h, const struct hba_query *q)
{
	const struct hba_rule *r = hba_find(h, q);
	size_t i = 0;

	if (r == NULL)
		return;
	while (i < hba_count(h) && hba_at(h, i) != r)
		i++;
	MUST(i < hba_count(h));
	MUST((r->type == HBA_LOCAL) == q->is_local);
	MUST(r->type != HBA_HOSTSSL || q->is_tls);
	MUST(r->type != HBA_HOSTNOSSL || !q->is_tls);
	MUST(r->type != HBA_HOSTGSSENC);
}

static void
check_all(const struct hba *h, const struct ident *maps, const char *user,
    const char *database)
{
	struct hba_query q = { .user = user, .database = database };

	for (size_t i = 0; i < hba_count(h); i++) {
		check_rule(h, i, maps);
		/* a map's answer to a hostile name */
		if (hba_at(h, i)->map != NULL)
			(void)ident_allows(
			    maps, hba_at(h, i)->map, user, database);
	}
	for (unsigned i = 0; i < 4 * sizeof(from) / sizeof(*from); i++) {
		q.is_local = i / 4 == 0;
		q.is_tls = (i & 1) != 0;
		q.is_replication = (i & 2) != 0;
		MUST(q.is_local || netaddr_parse(from[i / 4], &q.addr) == 0);
		check_query(h, &q);
	}
	MUST(!ident_has(NULL, "m"));
	MUST(ident_allows(maps, NULL, user, database) ==
	    (strcmp(user, database) == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_faults faults, map_faults;
	struct conf_files files;
	struct ident *maps;
	struct hba *h;
	const uint8_t *part;
	size_t len;
	char *user, *database;

	conf_files_init(&files);
	conf_faults_init(&faults);
	conf_faults_init(&map_faults);
	put(&files, "\naddresses of this host", interfaces,
	    sizeof(interfaces) - 1);
	len = fuzz_part(&data, &size, '\f', &part);
	put(&files, "hba", (const char *)part, len);
	len = fuzz_part(&data, &size, '\f', &part);
	put(&files, "ident", (const char *)part, len);
	len = fuzz_part(&data, &size, '\f', &part);
	put(&files, "more", (const char *)part, len);
	user = cut(&data, &size);
	database = cut(&data, &size);

	maps = ident_new(&files, "ident", &map_faults);
	MUST((maps == NULL) == (map_faults.faults > 0));
	h = hba_new(&files, "hba", maps, &faults);
	MUST((h == NULL) == (faults.faults > 0));
	check_faults(&faults);
	check_faults(&map_faults);
	if (h != NULL)
		check_all(h, maps, user, database);
	hba_free(h);
	ident_free(maps);
	conf_faults_free(&faults);
	conf_faults_free(&map_faults);
	conf_files_free(&files);
	free(user);
	free(database);
	return 0;
}
