/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The container engine, asked over its socket: `GET /_ping` of Docker's API (docs.docker.com, Engine
 * API, "Ping"), which Docker, balenaEngine and Podman answer with status 200 when they are well. The
 * answer is hostile.
 */
#pragma once

#include <stddef.h>

/* Asks; 0 when it is well. -EPROTO for an answer that is no HTTP, -EREMOTEIO for another status than
 * 200 (*ret_status), -ETIMEDOUT, -ENOENT and -ECONNREFUSED without one who listens. */
int engine_ping(const char *socket_path, unsigned timeout_ms, unsigned *ret_status);

/* The status of an answer, 100 to 599; -EPROTO, or -EAGAIN when its first line is not whole. */
int engine_parse_status(const char *answer, size_t size);

/* The units that an engine which listens there may have, as distributions call them, NULL-terminated; empty
 * when it is not known. */
const char *const *engine_units(const char *socket_path);
