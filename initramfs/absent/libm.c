/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libm.so.6 as far as libdevmapper uses it: four functions, for the widths of columns, percentages and
 * sizes in reports, which no boot makes. What a long cannot hold is not rounded. Debian's own would bring 360 kB.
 */
double log10(double x);
long lround(double x);
long double floorl(long double x);
long double nearbyintl(long double x);

#define WHOLE_FROM 0x1p62L /* long doubles of this size have no fraction worth one */

long double floorl(long double x)
{
	long double whole;

	if (!(x > -WHOLE_FROM && x < WHOLE_FROM))
		return x;
	whole = (long double)(long)x;
	return whole > x ? whole - 1 : whole;
}

/* To nearest, halves to even: the rounding that nobody changes. */
long double nearbyintl(long double x)
{
	long double below = floorl(x), rest = x - below;

	if (rest > 0.5L || (rest == 0.5L && (long)below % 2 != 0))
		return below + 1;
	return below;
}

/* Halves away from zero; what a long cannot hold is undefined, as in C. */
long lround(double x)
{
	long whole = (long)x;
	double rest = x - (double)whole;

	return whole + (rest >= 0.5) - (rest <= -0.5);
}

/* ln x by the series of artanh: x = m * 2^e with m in [1, 2), ln m = 2 artanh((m - 1) / (m + 1)). */
double log10(double x)
{
	const double ln2 = 0.693147180559945309417, ln10 = 2.302585092994045684018;
	double sum = 0, z, power;
	int e = 0;

	if (x != x || x < 0)
		return (x - x) / (x - x);
	if (x == 0)
		return -1 / x;
	if (x == 2 * x)
		return x;
	for (; x >= 2; e++)
		x /= 2;
	for (; x < 1; e--)
		x *= 2;
	z = (x - 1) / (x + 1);
	power = z;
	for (int k = 1; k < 40; k += 2, power *= z * z)
		sum += power / k;
	return (e * ln2 + 2 * sum) / ln10;
}
