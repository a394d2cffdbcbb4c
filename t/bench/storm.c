/*
 * storm.c - many logins at once, through libpq, as fast as they are let in.
 *
 * storm COUNT AT_ONCE CONNINFO   COUNT logins, AT_ONCE of them at a time; each
 *                                leaves when it is in.  Prints "logins N",
 *                                "failed N", "seconds S", login_p50_us, ...;
 *                                exit code 1 if one failed.
 * storm --verifier PASSWORD N    a SCRAM-SHA-256 secret with N rounds: with
 *                                few the server's work is the same and the
 *                                driver's is less, so that it is not the driver
 *                                who is slow.
 *
 * CONNINFO names a numeric hostaddr, and one sslmode that has no second try.
 * One thread; waits only in ready_wait().
 */
#include "t/bench/clock_us.h"
#include "t/bench/load_stat.h"
#include "t/bench/ready.h"

#include <err.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { EVENTS = 256, PATIENCE_MS = 30000, SALT = 16, SHOWN = 3 };

struct login {
	PGconn *conn; /* NULL: rests */
	int64_t from_us;
};

static struct login *logins;
static const char *conninfo;
static uint32_t left, in_flight, well, failed;
static struct hist took;

static void
end(struct login *l, bool is_in)
{
	if (is_in) {
		well++;
		hist_add(&took, clock_us() - l->from_us);
	} else if (failed++ < SHOWN) {
		fprintf(stderr, "storm: %s", PQerrorMessage(l->conn));
	}
	if (PQsocket(l->conn) != -1)
		ready_drop(PQsocket(l->conn));
	PQfinish(l->conn);
	l->conn = NULL;
	in_flight--;
}

static void
go_on(struct login *l)
{
	PostgresPollingStatusType s = PQconnectPoll(l->conn);

	if (s == PGRES_POLLING_OK || s == PGRES_POLLING_FAILED) {
		end(l, s == PGRES_POLLING_OK);
		return;
	}
	if (ready_want(PQsocket(l->conn), s == PGRES_POLLING_READING,
		s == PGRES_POLLING_WRITING, (uint32_t)(l - logins)) == -1)
		err(2, "watch");
}

static void
begin(struct login *l)
{
	left--;
	in_flight++;
	l->from_us = clock_us();
	l->conn = PQconnectStart(conninfo);
	if (l->conn == NULL)
		errx(2, "out of memory");
	if (PQstatus(l->conn) == CONNECTION_BAD) {
		end(l, false);
		return;
	}
	/* libpq: as if it had said that it wants to write */
	if (ready_want(
		PQsocket(l->conn), false, true, (uint32_t)(l - logins)) == -1)
		err(2, "watch");
}

static void
run(uint32_t at_once)
{
	struct ready_event ev[EVENTS];
	int n;

	for (uint32_t i = 0; i < at_once && left > 0; i++)
		begin(&logins[i]);
	while (in_flight > 0) {
		n = ready_wait(ev, EVENTS, PATIENCE_MS);
		if (n <= 0)
			errx(
			    2, "nothing has come for %d s", PATIENCE_MS / 1000);
		for (int i = 0; i < n; i++) {
			struct login *l = &logins[ev[i].tag];

			if (l->conn != NULL)
				go_on(l);
			if (l->conn == NULL && left > 0)
				begin(l);
		}
	}
}

static void
base64(const uint8_t *p, int len, const char *after)
{
	unsigned char text[64];

	EVP_EncodeBlock(text, p, len);
	printf("%s%s", (const char *)text, after);
}

/* RFC 5803, as PostgreSQL keeps it. */
static int
verifier(const char *password, int rounds)
{
	static const uint8_t salt[SALT] = "not for anything";
	uint8_t salted[32], client[32], stored[32], server[32];

	if (PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, SALT,
		rounds, EVP_sha256(), sizeof(salted), salted) != 1 ||
	    HMAC(EVP_sha256(), salted, sizeof(salted),
		(const uint8_t *)"Client Key", 10, client, NULL) == NULL ||
	    HMAC(EVP_sha256(), salted, sizeof(salted),
		(const uint8_t *)"Server Key", 10, server, NULL) == NULL)
		errx(2, "libcrypto");
	SHA256(client, sizeof(client), stored);
	printf("SCRAM-SHA-256$%d:", rounds);
	base64(salt, SALT, "$");
	base64(stored, sizeof(stored), ":");
	base64(server, sizeof(server), "\n");
	return 0;
}

int
main(int argc, char **argv)
{
	struct rlimit rl;
	int64_t from_us;
	int at_once;

	if (argc == 4 && strcmp(argv[1], "--verifier") == 0)
		return verifier(argv[2], atoi(argv[3]));
	if (argc != 4 || atoi(argv[1]) <= 0 || (at_once = atoi(argv[2])) <= 0)
		errx(2, "usage: storm COUNT AT_ONCE CONNINFO");
	left = (uint32_t)atoi(argv[1]);
	conninfo = argv[3];
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
	signal(SIGPIPE, SIG_IGN);
	logins = calloc((size_t)at_once, sizeof(*logins));
	if (logins == NULL || ready_open(at_once + 64) == -1)
		err(2, "start");
	from_us = clock_us();
	run((uint32_t)at_once);
	printf("logins %" PRIu32 "\nfailed %" PRIu32 "\nseconds %.3f\n", well,
	    failed, (double)(clock_us() - from_us) / 1e6);
	hist_print(&took, "login");
	free(logins);
	return failed > 0;
}
