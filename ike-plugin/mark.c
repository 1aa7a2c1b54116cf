/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ike-plugin/mark.h"

#include <stdlib.h>

/* The word of the map that a mark's bit is in. */
static uint64_t *word(struct marks *m, uint32_t mark)
{
	return &m->map[(mark & ~MARK_MASK_SIGN) >> 6];
}

static uint64_t bit(uint32_t mark)
{
	return UINT64_C(1) << (mark & 63);
}

struct marks *marks_new(uint32_t start)
{
	struct marks *m = calloc(1, sizeof(*m));

	for (unsigned e = 0; m && e < CONF_ENGINES_MAX; e++) {
		m->next[e] = start % MARK_NUMBERS;
		marks_reserve(m, mark_make(e, 0));	/* no number */
	}
	return m;
}

uint32_t marks_take(struct marks *m, unsigned engine)
{
	if (engine >= CONF_ENGINES_MAX)
		return 0;
	for (unsigned n = 0; n < MARK_NUMBERS; n++) {
		uint32_t mark = mark_make(engine, m->next[engine]);

		m->next[engine] = (m->next[engine] + 1) % MARK_NUMBERS;
		if (*word(m, mark) & bit(mark))
			continue;
		*word(m, mark) |= bit(mark);
		return mark;
	}
	return 0;
}

void marks_reserve(struct marks *m, uint32_t mark)
{
	if (mark_is_ours(mark))
		*word(m, mark) |= bit(mark);
}

void marks_free(struct marks *m, uint32_t mark)
{
	if (mark_is_ours(mark) && mark & (MARK_NUMBERS - 1))
		*word(m, mark) &= ~bit(mark);
}
