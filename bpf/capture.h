/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* A frame that is not received but read from a capture, and comes by a test run (BPF_PROG_TEST_RUN). */
#ifndef PLUMB_CAPTURE_H
#define PLUMB_CAPTURE_H

#include <linux/types.h>

/* What a test run has not. */
struct capture_frame {
	__u64 time_ns;
	__u64 length; /* as it was on the wire: the capture may have cut it */
};

#endif
