/* users_fuzz.c - the user file: names, secrets, verifiers. */
#include "conf/users.h"

#include "t/fuzz/fuzz.h"

static void
check_user(const struct users *u, const struct user *user)
{
	struct user_scram scram;

	MUST(user->name[0] != '\0' && strlen(user->name) <= USERS_NAME_MAX);
	MUST(strlen(user->secret) <= USERS_SECRET_MAX);
	MUST(users_find(u, user->name) == user);
	MUST(user->kind == users_kind(user->secret));
	MUST((user->kind == USER_SCRAM) == (user->scram != NULL));
	if (user->scram == NULL)
		return;
	MUST(users_parse_scram(user->secret, &scram) == 0);
	MUST(scram.iterations > 0 && scram.iterations <= INT32_MAX);
	MUST(scram.salt_len > 0 && scram.salt_len <= USERS_SALT_MAX);
}

static char *
put_quoted(char *to, const char *text)
{
	*to++ = '"';
	for (; *text != '\0'; text++) {
		if (*text == '"')
			*to++ = '"';
		*to++ = *text;
	}
	*to++ = '"';
	return to;
}

/* Written and read again, they are the same users. */
static void
check_again(const struct users *u, size_t room)
{
	struct conf_faults faults;
	char *text = malloc(room), *end = text;
	struct users *again;

	MUST(text != NULL);
	for (size_t i = 0; i < users_count(u); i++) {
		end = put_quoted(end, users_at(u, i)->name);
		*end++ = ' ';
		end = put_quoted(end, users_at(u, i)->secret);
		*end++ = '\n';
	}
	MUST(end <= text + room);
	conf_faults_init(&faults);
	again = users_new(text, (size_t)(end - text), "again", &faults);
	MUST(again != NULL && users_count(again) == users_count(u));
	for (size_t i = 0; i < users_count(u); i++) {
		const struct user *was = users_at(u, i);
		const struct user *is = users_find(again, was->name);

		MUST(is != NULL && strcmp(is->secret, was->secret) == 0);
		MUST(is->kind == was->kind);
	}
	users_free(again);
	conf_faults_free(&faults);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_faults faults;
	struct users *u;

	conf_faults_init(&faults);
	u = users_new((const char *)data, size, "users", &faults);
	MUST((u == NULL) == (faults.faults > 0));
	for (size_t i = 0; i < users_count(u); i++)
		check_user(u, users_at(u, i));
	MUST(users_at(u, users_count(u)) == NULL);
	if (u != NULL)
		check_again(u, 2 * size + 8 * users_count(u) + 1);
	users_free(u);
	conf_faults_free(&faults);
	return 0;
}
