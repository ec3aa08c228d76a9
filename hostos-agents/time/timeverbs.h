/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one-shots of `tugboot-agent time`, and the resident agent; each returns an exit status. */
#pragma once

#define TIME_STATUS "time"	       /* of the resident agent, in STATUS_DIR */
#define TIME_STATUS_BOOT "time.boot"   /* of `time boot` */
#define TIME_STATUS_HTTPS "time.https" /* of the last attempt at HTTPS time */
#define TIME_HTTPS_UNIT "tugboot-time-https.service"

int time_boot(void);
int time_save(void);
int time_https(void);
int time_wait(void);
int time_resident(void);
