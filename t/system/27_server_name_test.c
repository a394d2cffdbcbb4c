/*
 * 27_server_name_test.c - verify-full in a list of two hosts, where nobody
 * listens at the first: who serves is looked at by his own name, be it right
 * or wrong, and not by his neighbour's.
 *
 * The server is another pooler, which can listen where a test wants it to.
 */
#include <stdlib.h>

#include "t/lib/certs.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

static const struct {
	const char *listen, *hosts;
	bool is_right; /* the certificate is for localhost and 127.0.0.1 */
} rows[] = {
	{ "127.0.0.1", "127.0.0.2,localhost", true },
	{ "127.0.0.1", "127.0.0.2,127.0.0.1", true },
	{ "127.0.0.2", "localhost,127.0.0.2", false },
	{ "127.0.0.2", "127.0.0.1,127.0.0.2", false },
};

START_TEST(each_by_its_own)
{
	struct pooler *far = pooler_new(), *near = pooler_new();
	PGconn *c;

	far->host = rows[_i].listen;
	pooler_set(far, "listen_addr = %s", far->host);
	pooler_set(far, "client_tls_sslmode = require");
	pooler_set(far, "client_tls_cert_file = %s", cert("server.crt"));
	pooler_set(far, "client_tls_key_file = %s", cert("server.key"));
	pooler_start(far);
	pooler_db(near, "app = host=%s port=%d load_balance_hosts=disable",
	    rows[_i].hosts, far->port);
	pooler_set(near, "server_tls_sslmode = verify-full");
	pooler_set(near, "server_tls_ca_file = %s", cert("ca.crt"));
	pooler_set(near, "server_login_retry = 0.1");
	pooler_start(near);
	if (rows[_i].is_right) {
		c = pooler_conn(near, "");
		ck_assert_int_eq(sql_num(c, "SELECT 8"), 8);
		PQfinish(c);
	} else {
		sql_refused(pooler_at(near, "connect_timeout=3"), "");
		UNTIL(5000, file_has(near->log, "mismatch"));
	}
	pooler_stop(near);
	pooler_stop(far);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("server name");
	TCase *tc = suite_case(s, "server name", 40);

	if (is_standin())
		return EXIT_SUCCESS;
	tcase_add_loop_test(
	    tc, each_by_its_own, 0, (int)(sizeof(rows) / sizeof(*rows)));
	return suite_run(s, SUITE_PG);
}
