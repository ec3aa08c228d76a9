/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between bus.c and service.c. */
#pragma once

#include <systemd/sd-bus.h>

struct bus;

/* The connection, which stays the bus's. */
sd_bus *bus_connection(struct bus *bus);
