#include "conf/hostlist.h"

#include <string.h>

uint32_t
hostlist_count(const char *list)
{
	uint32_t n = 1;

	for (; *list != '\0'; list++)
		n += *list == ',';
	return n;
}

bool
hostlist_entry(const char *list, uint32_t i, char out[HOSTLIST_HOST])
{
	size_t len;

	for (; i > 0; i--) {
		list += strcspn(list, ",");
		list += *list == ',';
	}
	list += strspn(list, " \t");
	len = strcspn(list, ",");
	while (len > 0 && (list[len - 1] == ' ' || list[len - 1] == '\t'))
		len--;
	if (len >= HOSTLIST_HOST)
		return false;
	memcpy(out, list, len);
	out[len] = '\0';
	return true;
}
