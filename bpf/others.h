/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Frames that are not IP, or not whole, by what they are. */
#ifndef PLUMB_OTHERS_H
#define PLUMB_OTHERS_H

#include <linux/types.h>

enum others_const {
	OTHERS_KINDS = 64, /* that are told apart */
};

struct other_kind {
	__u16 ethertype;
	__u16 malformed; /* it should be IP by its ethertype */
};

struct other_count {
	__u64 packets;
	__u64 bytes;
};

#endif
