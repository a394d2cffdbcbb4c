/*
 * pki.c - make certificates on the spot.
 */
#include "t/lib/pki.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t/lib/spawn.h"
#include "t/unit/certs.h"

struct pki {
	char dir[256];
	struct cert ca, stranger;
};

static void
write_pem(const char *path, char *pem)
{
	spew(path, pem);
	free(pem);
}

struct pki *
pki_new(const char *dir)
{
	struct pki *p = calloc(1, sizeof(*p));

	ck_assert_ptr_nonnull(p);
	snprintf(p->dir, sizeof(p->dir), "%s", dir);
	p->ca =
	    cert_make(&(struct cert_want){ .cn = "authority", .is_ca = true });
	p->stranger =
	    cert_make(&(struct cert_want){ .cn = "stranger", .is_ca = true });
	write_pem(text("%s/ca.pem", dir), cert_pem(&p->ca));
	write_pem(text("%s/stranger.pem", dir), cert_pem(&p->stranger));
	return p;
}

void
pki_free(struct pki *p)
{
	cert_free(&p->ca);
	cert_free(&p->stranger);
	free(p);
}

static void
issue(const struct pki *p, const char *name, const struct cert_want *want)
{
	struct cert c = cert_make(want);

	write_pem(text("%s/%s.pem", p->dir, name), cert_pem(&c));
	write_pem(text("%s/%s.key", p->dir, name), cert_key_pem(&c, NULL));
	ck_assert_int_eq(chmod(text("%s/%s.key", p->dir, name), 0600), 0);
	cert_free(&c);
}

void
pki_issue(struct pki *p, const char *name, const char *cn, const char *san)
{
	issue(
	    p, name, &(struct cert_want){ .cn = cn, .san = san, .by = &p->ca });
}

void
pki_forge(struct pki *p, const char *name, const char *cn)
{
	issue(p, name, &(struct cert_want){ .cn = cn, .by = &p->stranger });
}

void
pki_for_us(const struct pki *p, const char *name)
{
	ck_assert_int_eq(
	    chown(text("%s/%s.key", p->dir, name), getuid(), (gid_t)-1), 0);
}
