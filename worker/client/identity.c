/*
 * identity.c - who a client is, for the log and for SHOW.
 *
 * Writes the client's row in the segment.  Never blocks.
 */
#include "worker/client/client.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "conf/clock.h"
#include "conf/compat.h"
#include "shm/segment.h"
#include "worker/backend/target.h"
#include "worker/self.h"

static void
peer_text(const struct clientrow_info *i, char *out, size_t size)
{
	struct slot_addr a = { 0 };
	struct sockaddr_in in4 = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (i->peer.family == 1) {
		snprintf(out, size, "unix(%d):%d", (int)i->remote_pid,
		    self.conf->listen_port);
		return;
	}
	if (i->peer.family == 4) {
		memcpy(&in4.sin_addr, i->peer.addr, 4);
		in4.sin_port = htons(i->peer.port);
		memcpy(a.sa, &in4, sizeof(in4));
		a.len = sizeof(in4);
	} else {
		memcpy(&in6.sin6_addr, i->peer.addr, 16);
		in6.sin6_port = htons(i->peer.port);
		memcpy(a.sa, &in6, sizeof(in6));
		a.len = sizeof(in6);
	}
	target_text(&a, out);
}

void
client_who(const struct client *c, struct log_who *who)
{
	struct clientrow_info i;
	char peer[TARGET_TEXT];
	const char *db = "(nodb)", *user = "(nouser)";

	if (!clientrow_info_look(c->row, &i)) {
		log_who_set(who, "C-?");
		return;
	}
	if (c->lend != NULL)
		db = pool_db_name(c->lend->row);
	else if (c->state == CLIENT_CONSOLE)
		db = "pgbouncer";
	else if (c->greet != NULL)
		db = greet_database(c);
	if (i.user[0] != '\0')
		user = i.user;
	peer_text(&i, peer, sizeof(peer));
	log_who_set(who, "C-0x%llx: %s/%s@%s", (unsigned long long)i.id, db,
	    user, peer);
}

static struct clientrow_addr
address_of(const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *in4 = (const void *)ss;
	const struct sockaddr_in6 *in6 = (const void *)ss;
	struct clientrow_addr a = { 0 };

	if (ss->ss_family == AF_INET) {
		a.family = 4;
		a.port = ntohs(in4->sin_port);
		memcpy(a.addr, &in4->sin_addr, 4);
	} else if (ss->ss_family == AF_INET6) {
		a.family = 6;
		a.port = ntohs(in6->sin6_port);
		memcpy(a.addr, &in6->sin6_addr, 16);
	}
	return a;
}

void
client_describe(struct client *c, int fd, const struct sockaddr_storage *peer)
{
	struct clientrow_info i = { .id = segment_next_id(),
		.connect_wall_us = clock_wall_us() };
	struct sockaddr_storage local = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(local);

	if (c->is_unix) {
		i.peer.family = i.local.family = 1;
		i.remote_pid = compat_peer_pid(fd);
	} else {
		(void)getsockname(fd, (struct sockaddr *)&local, &len);
		i.peer = address_of(peer);
		i.local = address_of(&local);
	}
	clientrow_info_write(c->row, &i);
}
