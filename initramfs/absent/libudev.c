/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libudev.so.1 for a system without udev: libdevmapper asks whether it runs, and hears that it does
 * not. Debian's own would bring 76 kB to say the same.
 */
struct udev;
struct udev_queue;

struct udev *udev_new(void);
struct udev *udev_unref(struct udev *udev);
struct udev_queue *udev_queue_new(struct udev *udev);
struct udev_queue *udev_queue_unref(struct udev_queue *queue);
int udev_queue_get_udev_is_active(struct udev_queue *queue);

struct udev *udev_new(void)
{
	return (void *)0;
}

struct udev *udev_unref(struct udev *udev)
{
	(void)udev;
	return (void *)0;
}

struct udev_queue *udev_queue_new(struct udev *udev)
{
	(void)udev;
	return (void *)0;
}

struct udev_queue *udev_queue_unref(struct udev_queue *queue)
{
	(void)queue;
	return (void *)0;
}

int udev_queue_get_udev_is_active(struct udev_queue *queue)
{
	(void)queue;
	return 0;
}
