/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts a decision of timepolicy.h into effect, and says so. */
#pragma once

#include "timepolicy.h"

#define TIME_TEXT_MAX 32

/* As 2026-11-23T08:30:00Z; "none" for TIME_NONE. In buf, which is returned. */
const char *time_text(int64_t time, char buf[static TIME_TEXT_MAX]);

/* Steps the clock, which read `clock`, when the decision is to; one line in the log either way but
 * for a clock that is good as it is. A negative errno when it cannot be set. */
int timestep_apply(const struct time_decision *decision, enum time_kind kind, int64_t clock);
