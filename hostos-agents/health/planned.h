/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the running good system leaves for the health run of the next boot. */
#pragma once

/*
 * A slot has been put on trial: what an earlier trial left is removed, the network as it is now is
 * recorded (netrecord.h), breadcrumbs are left (breadcrumb.h). Called after the environment is
 * written: of a trial without breadcrumbs the next boot knows by the environment. A trial goes on
 * without any of this, so what fails is said on standard error and no more.
 */
void health_planned(char slot);
