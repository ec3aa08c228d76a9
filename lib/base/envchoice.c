/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The choice between two keepings of one environment; its argument is in envchoice.h. */
#include "envchoice.h"

enum env_source env_choose(enum env_front front, enum env_copy copy)
{
	if (copy == ENV_COPY_PENDING)
		return ENV_FROM_COPY;
	if (copy == ENV_COPY_SETTLED && front != ENV_FRONT_WHOLE)
		return ENV_FROM_COPY;
	return front == ENV_FRONT_ABSENT ? ENV_FROM_NOTHING : ENV_FROM_FRONT;
}
