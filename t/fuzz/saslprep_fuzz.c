/* saslprep_fuzz.c - a password of any bytes. */
#include "worker/proto/saslprep.h"

#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *once, *same;
	size_t ascii = 0;

	while (text[ascii] >= 0x20 && text[ascii] < 0x7f)
		ascii++;
	once = saslprep_new(text);
	MUST(once != NULL);
	/* the longest that one character becomes: 18 of 3 bytes each */
	MUST(strlen(once) <= 18 * strlen(text) + 1);
	MUST(text[ascii] != '\0' || strcmp(once, text) == 0);
	same = saslprep_new(text);
	MUST(same != NULL && strcmp(once, same) == 0);
	saslprep_free(once);
	saslprep_free(same);
	free(text);
	return 0;
}
