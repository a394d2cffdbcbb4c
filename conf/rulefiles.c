#include "conf/rulefiles.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <netinet/in.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conf/compat.h"
#include "conf/netaddr.h"

/* Names of what is no file's bytes. */
#define ABSENT     "\nabsent "
#define LISTING    "\nfiles of "
#define INTERFACES "\naddresses of this host"

enum {
	PATH_BYTES = 4096,
	DIR_MAX = 1000, /* files of an include_dir */
	LIST_BYTES = 256 * 1024
};

struct reading {
	struct conf_files *files;
	bool wants_interfaces;
};

/* --- what is found ------------------------------------------------------ */

static bool
find_as(const struct conf_files *files, const char *prefix, const char *name,
    struct lex_text *text)
{
	char key[PATH_BYTES + 32];
	int n = snprintf(key, sizeof(key), "%s%s", prefix, name);

	return n >= 0 && (size_t)n < sizeof(key) &&
	    conf_files_text(files, key, text);
}

bool
rulefiles_find(const struct conf_files *files, enum hbalex_what what,
    const char *name, struct lex_text *text)
{
	switch (what) {
	case HBALEX_FILE:
		return find_as(files, "", name, text);
	case HBALEX_MAYBE:
		return find_as(files, "", name, text) ||
		    find_as(files, ABSENT, name, text);
	case HBALEX_DIR:
		return find_as(files, LISTING, name, text);
	}
	return false;
}

bool
rulefiles_interfaces(const struct conf_files *files, struct lex_text *text)
{
	return find_as(files, INTERFACES, "", text);
}

/* --- what is read ------------------------------------------------------- */

static void
note(struct conf_files *files, const char *prefix, const char *name,
    const char *bytes, size_t len)
{
	char key[PATH_BYTES + 32];
	int n = snprintf(key, sizeof(key), "%s%s", prefix, name);

	if (n > 0 && (size_t)n < sizeof(key))
		(void)conf_files_put(files, key, bytes, len, NULL);
}

/* "*.conf", but no hidden file. */
static int
is_wanted(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && n > 5 &&
	    strcmp(d->d_name + n - 5, ".conf") == 0 &&
	    strchr(d->d_name, '\n') == NULL;
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static bool
is_dir(const char *dir, const char *name)
{
	char path[PATH_BYTES];
	struct stat st;
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

	return n > 0 && (size_t)n < sizeof(path) && stat(path, &st) == 0 &&
	    S_ISDIR(st.st_mode);
}

static void
read_listing(struct conf_files *files, const char *dir)
{
	struct dirent **v;
	int n = scandir(dir, &v, is_wanted, by_name);
	char *list = malloc(LIST_BYTES);
	size_t len = 0;
	bool fits = list != NULL && n <= DIR_MAX;

	for (int i = 0; i < n; i++) {
		size_t add = strlen(v[i]->d_name);

		fits = fits && add + 1 <= LIST_BYTES - len;
		if (fits && !is_dir(dir, v[i]->d_name)) {
			memcpy(list + len, v[i]->d_name, add);
			list[len + add] = '\n';
			len += add + 1;
		}
		free(v[i]);
	}
	if (n >= 0)
		free(v);
	if (n >= 0 && fits)
		note(files, LISTING, dir, list, len);
	free(list);
}

/* The bytes of an address; none of a family that is not known. */
static struct netaddr
address_of(const struct sockaddr *sa)
{
	struct netaddr a = { 0 };
	struct sockaddr_in6 in6;
	struct sockaddr_in in4;

	if (sa != NULL && sa->sa_family == AF_INET) {
		memcpy(&in4, sa, sizeof(in4));
		a.family = 4;
		memcpy(a.bytes, &in4.sin_addr, 4);
	} else if (sa != NULL && sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof(in6));
		a.family = 6;
		memcpy(a.bytes, &in6.sin6_addr, 16);
		/* some systems keep a link's number in here */
		if (IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr))
			a.bytes[2] = a.bytes[3] = 0;
	}
	return a;
}

static void
read_interfaces(struct conf_files *files)
{
	static const uint8_t none[16];
	struct ifaddrs *all;
	char *list = malloc(LIST_BYTES);
	size_t len = 0;

	if (list == NULL || getifaddrs(&all) == -1) {
		free(list);
		return;
	}
	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
		struct netaddr addr = address_of(i->ifa_addr);
		struct netaddr mask = address_of(i->ifa_netmask);
		char text[2][NETADDR_TEXT];

		if (addr.family == 0 || len > LIST_BYTES - sizeof(text))
			continue;
		/* no mask, or one that says nothing: this host alone */
		if (mask.family != addr.family ||
		    memcmp(mask.bytes, none, sizeof(none)) == 0) {
			memset(mask.bytes, 0xff, sizeof(mask.bytes));
			mask.family = addr.family;
		}
		len += (size_t)snprintf(list + len, LIST_BYTES - len, "%s %s\n",
		    netaddr_text(&addr, text[0]), netaddr_text(&mask, text[1]));
	}
	freeifaddrs(all);
	note(files, INTERFACES, "", list, len);
	free(list);
}

static bool
find_on_disk(
    void *arg, enum hbalex_what what, const char *name, struct lex_text *text)
{
	struct reading *r = arg;
	struct stat st;

	if (strlen(name) >= PATH_BYTES || strchr(name, '\n') != NULL)
		return false;
	if (rulefiles_find(r->files, what, name, text))
		return true;
	if (what == HBALEX_DIR)
		read_listing(r->files, name);
	else if (what == HBALEX_MAYBE && stat(name, &st) == -1 &&
	    errno == ENOENT)
		note(r->files, ABSENT, name, "", 0);
	else
		(void)conf_files_add(r->files, name, NULL);
	return rulefiles_find(r->files, what, name, text);
}

static void
on_line(void *arg, const struct hbalex_line *line)
{
	struct reading *r = arg;

	for (size_t i = 0; i < line->n; i++)
		for (size_t j = 0; j < line->f[i].n; j++)
			if (strcmp(line->f[i].v[j].text, "samehost") == 0 ||
			    strcmp(line->f[i].v[j].text, "samenet") == 0)
				r->wants_interfaces = true;
}

void
rulefiles_read(struct conf_files *files, const char *name)
{
	struct reading r = { .files = files };
	struct lex_text text;
	struct arena arena;
	struct hbalex lex = { .arena = &arena,
		.find = find_on_disk,
		.take = on_line,
		.arg = &r };

	arena_init(&arena);
	hbalex_run(&lex, name);
	arena_fini(&arena);
	if (r.wants_interfaces && !rulefiles_interfaces(files, &text))
		read_interfaces(files);
}
