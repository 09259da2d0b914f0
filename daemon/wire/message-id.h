/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* MESSAGE_ID of each record that execd writes to the journal; packaging/catalog has their texts. The one of
 * output lines, which the runner writes, is in wire/runner-spec.h. */

#define MESSAGE_EXEC_CREATED    "0dfec8a647e04ac0a3fe00b9f09e7f71"
#define MESSAGE_EXEC_DENIED     "9b64e2bb69b54967818a6c2220391d34"
#define MESSAGE_EXEC_STARTED    "2d9eb6cdb21246ac865c9a1f8e96efb1"
#define MESSAGE_EXEC_DETACHED   "beff354cc5d649adad99ffed1fc6a798"
#define MESSAGE_EXEC_EXITED     "586f48d9a8ed4ba6b00269860c91198f"
#define MESSAGE_EXEC_FAILED     "5c8344070b3b4af9897722fa45477b5d"
#define MESSAGE_EXEC_KILLED     "275bea0bc5c546c7a3d6cab2ddd068f9"
#define MESSAGE_EXEC_ATTACHED   "9603e61fa62d45c5b7ef7b6789840a47"
#define MESSAGE_EXEC_REPLAYED   "6cc08ddb78f647efa36aede32d9bcb00"
#define MESSAGE_EXEC_RESIZED    "b3b42f685a824974b7f761171425f5a3"
#define MESSAGE_DENIALS_COUNTED "7f3a1c6f0b5e4d0c9a82d4e6b1c05f37"
#define MESSAGE_EXEC_UNRECORDED "8f02e7f8bfda4441bee1cc2bf21487b2"
