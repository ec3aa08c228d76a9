/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as an event log. Input: the log. */
#include "tcglog.h"

#include <errno.h>

#include "macro.h"
#include "must.h"

struct seen {
	struct tcglog *log;
	unsigned extends;
};

static void digest_lies_in(const struct tcglog *log, const uint8_t *digest, size_t size)
{
	must_lie_in(slice_of((const char *)digest, size), log->data);
}

/* Not a hash, but each digest counts. */
static int extend(uint16_t alg, uint8_t *value, const uint8_t *digest, size_t size, void *data)
{
	struct seen *seen = data;

	(void)alg; /* one of the log's: size is what matters */
	MUST(size > 0 && size <= TCGLOG_DIGEST_MAX);
	digest_lies_in(seen->log, digest, size);
	seen->extends++;
	for (size_t i = 0; i < size; i++)
		value[i] = (uint8_t)(value[i] * 5 + digest[i]);
	return 0;
}

/* All events; *ret_extends those that extend each bank. */
static int walk(const struct tcglog *log, unsigned extends[TCGLOG_BANKS_MAX], uint32_t *ret_pcrs)
{
	struct tcglog_event event;
	size_t pos = 0, last = 0;
	int r;

	while ((r = tcglog_next(log, &pos, &event)) > 0) {
		MUST(pos > last && pos > log->first && pos <= log->data.len);
		last = pos;
		must_lie_in(event.data, log->data);
		MUST(event.data.data + event.data.len == log->data.data + pos);
		MUST(event.digests > 0 && event.digests <= log->banks);
		MUST(event.pcr < TCGLOG_PCRS || event.type == TCGLOG_NO_ACTION);
		for (unsigned i = 0; i < log->banks; i++) {
			const uint8_t *digest = tcglog_digest(&event, log->bank[i].alg);

			if (!digest)
				continue;
			digest_lies_in(log, digest, log->bank[i].size);
			if (event.type != TCGLOG_NO_ACTION) {
				extends[i]++;
				*ret_pcrs |= 1u << event.pcr;
			}
		}
		MUST(tcglog_type_name(event.type));
	}
	MUST(r == 0 || r == -EBADMSG);
	MUST(pos == last);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	/* Of its own size, so that a read past its end is seen. */
	uint8_t *bytes = malloc(input_size > 0 ? input_size : 1);
	unsigned extends[TCGLOG_BANKS_MAX] = {0};
	static struct tcglog_values values;
	struct tcglog log;
	uint32_t pcrs = 0;
	int r, dma;

	MUST(bytes);
	if (input_size > 0)
		memcpy(bytes, input, input_size);
	r = tcglog_open(bytes, input_size, &log);
	MUST(r == 0 || r == -EBADMSG || r == -ENOTSUP || r == -E2BIG);
	if (r == 0) {
		MUST(log.banks > 0 && log.banks <= TCGLOG_BANKS_MAX);
		r = walk(&log, extends, &pcrs);
		dma = tcglog_dma_disabled(&log);
		/* A damaged log is never one that says that all is well. */
		MUST(dma == 1 || dma == r);
		for (unsigned i = 0; i < log.banks; i++) {
			struct seen seen = {.log = &log};
			int s = tcglog_replay(&log, log.bank[i].alg, extend, &seen, &values);

			MUST(s == 0 || s == -EBADMSG);
			MUST(s < 0 || r == 0);
			if (s < 0)
				continue;
			MUST(seen.extends == extends[i]);
			MUST((values.pcrs & ~pcrs) == 0 && values.size == log.bank[i].size);
			MUST((values.pcrs == 0) == (extends[i] == 0));
		}
	}
	free(bytes);
	return 0;
}
