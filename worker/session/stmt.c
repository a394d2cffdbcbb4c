#include "worker/session/stmt.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "shm/segment.h"
#include "worker/proto/field.h"
#include "worker/proto/sql.h"
#include "worker/self.h"

enum { FIRST = 64 }; /* chains; a power of two */

static struct stmt **chains;
static uint32_t nchains, number;
static size_t memory;
static EVP_MD_CTX *ctx;

size_t
stmt_memory(void)
{
	return memory;
}

uint32_t
stmt_number(void)
{
	return number;
}

bool
stmt_charge(size_t bytes)
{
	size_t max = (size_t)self.conf->max_statement_memory;

	if (memory > max || bytes > max - memory)
		return false;
	memory += bytes;
	return true;
}

void
stmt_refund(size_t bytes)
{
	memory -= bytes;
}

/* --- names ------------------------------------------------------------------ */

static bool
hash_of(const uint8_t *body, size_t len, uint8_t hash[STMTS_NAME])
{
	uint8_t md[EVP_MAX_MD_SIZE];

	if (ctx == NULL && (ctx = EVP_MD_CTX_new()) == NULL)
		return false;
	if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1 ||
	    EVP_DigestUpdate(ctx, seg->stmt_secret, sizeof(seg->stmt_secret)) !=
		1 ||
	    EVP_DigestUpdate(ctx, body, len) != 1 ||
	    EVP_DigestFinal_ex(ctx, md, NULL) != 1)
		return false;
	memcpy(hash, md, STMTS_NAME);
	return true;
}

void
stmt_spell(char name[STMT_NAME], const uint8_t hash[STMTS_NAME])
{
	static const char digits[] = "0123456789abcdef";
	char *at = name + sizeof(STMT_PREFIX) - 1;

	memcpy(name, STMT_PREFIX, sizeof(STMT_PREFIX));
	for (int i = 0; i < STMTS_NAME; i++) {
		*at++ = digits[hash[i] >> 4];
		*at++ = digits[hash[i] & 15];
	}
	*at = '\0';
}

/* A digit of a name; -1: none. */
static int
digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
stmt_is_name(const uint8_t *text, size_t len, uint8_t hash[STMTS_NAME])
{
	const size_t prefix = sizeof(STMT_PREFIX) - 1;

	if (len < STMT_NAME - 1 || memcmp(text, STMT_PREFIX, prefix) != 0)
		return false;
	for (size_t i = 0; i < STMTS_NAME; i++) {
		int high = digit(text[prefix + 2 * i]);
		int low = digit(text[prefix + 2 * i + 1]);

		if (high == -1 || low == -1)
			return false;
		hash[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool
stmt_is_valid(const uint8_t *body, size_t len)
{
	struct field f;
	uint16_t types;

	field_init(&f, body, len);
	(void)field_str(&f);
	types = (uint16_t)field_int16(&f);
	(void)field_bytes(&f, 4 * (size_t)types);
	return field_is_done(&f);
}

bool
stmt_is_sql(const char *text, size_t len)
{
	struct sql_walk w;
	struct sql_stmt s;

	if (sql_is_plain(text, len))
		return false;
	sql_walk_init(&w, text, len, 0);
	return sql_next(&w, &s) &&
	    (s.kind == SQL_PREPARE || s.kind == SQL_EXECUTE ||
		s.kind == SQL_DEALLOCATE ||
		(s.kind == SQL_DISCARD && s.sub == SQL_ALL));
}

/* --- the table ---------------------------------------------------------------- */

static struct stmt **
chain_of(const uint8_t hash[STMTS_NAME])
{
	uint32_t h;

	memcpy(&h, hash, sizeof(h));
	return &chains[h & (nchains - 1)];
}

/* More chains; that there is no memory for them only makes them longer. */
static bool
grow(void)
{
	uint32_t n = nchains == 0 ? FIRST : 2 * nchains, was = nchains;
	struct stmt **old = chains, **fresh = calloc(n, sizeof(*fresh));

	if (fresh == NULL)
		return old != NULL;
	chains = fresh;
	nchains = n;
	for (uint32_t i = 0; i < was; i++) {
		struct stmt *s, *next;

		for (s = old[i]; s != NULL; s = next) {
			struct stmt **chain = chain_of(s->hash);

			next = s->next;
			s->next = *chain;
			*chain = s;
		}
	}
	free(old);
	return true;
}

struct stmt *
stmt_intern(const uint8_t *body, size_t len)
{
	uint8_t hash[STMTS_NAME];
	struct stmt *s;

	if (!hash_of(body, len, hash) || (number >= nchains && !grow()))
		return NULL;
	for (s = *chain_of(hash); s != NULL; s = s->next)
		if (memcmp(s->hash, hash, sizeof(hash)) == 0) {
			s->refs++;
			return s;
		}
	if (len > UINT32_MAX || !stmt_charge(sizeof(*s) + len))
		return NULL;
	s = malloc(sizeof(*s) + len);
	if (s == NULL) {
		stmt_refund(sizeof(*s) + len);
		return NULL;
	}
	s->refs = 1;
	s->len = (uint32_t)len;
	s->is_plain =
	    sql_is_plain((const char *)body, strnlen((const char *)body, len));
	s->is_sql = stmt_is_sql((const char *)body, len);
	memcpy(s->hash, hash, sizeof(hash));
	stmt_spell(s->name, hash);
	memcpy(s->body, body, len);
	s->next = *chain_of(hash);
	*chain_of(hash) = s;
	number++;
	return s;
}

void
stmt_hold(struct stmt *s)
{
	s->refs++;
}

void
stmt_drop(struct stmt *s)
{
	struct stmt **at;

	if (s == NULL || --s->refs > 0)
		return;
	for (at = chain_of(s->hash); *at != s; at = &(*at)->next)
		;
	*at = s->next;
	number--;
	stmt_refund(sizeof(*s) + s->len);
	free(s);
}

void
stmt_fini(void)
{
	free(chains);
	chains = NULL;
	nchains = 0;
	EVP_MD_CTX_free(ctx);
	ctx = NULL;
}
