/* SPDX-License-Identifier: GPL-2.0 */
#include "bpf_helpers.h"
