# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every size and time that bounds what one conversation can make the proxy hold or wait for."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# One message head.
HEAD_BYTES: Final = 64 * KIB
LINE_BYTES: Final = 16 * KIB
HEAD_FIELDS: Final = 100
# What follows from a head of this size at most may be remembered.
SHORT_HEAD_BYTES: Final = 2 * KIB

# Bodies. The API itself refuses more than 32 MiB; chunked bodies are held until their length is known.
BODY_BYTES: Final = 32 * MIB
HELD_BYTES_TOTAL: Final = 256 * MIB
# The share of one conversation: two of the largest bodies, or one of the largest pages.
HELD_BYTES_EACH: Final = 64 * MIB
PAGE_BYTES: Final = 64 * MIB
# Brackets and commas of an index page in JSON: that many of the smallest objects make 240 MB and 0.5 s of the loop.
PAGE_PARTS: Final = 2_000_000
# Brackets and commas of a prompt, of which each may become a value in memory: at most 45 MB and 0.3 s of the loop.
# 10 MB of conversation from Claude Code, with code in it, hold 177,000.
PROMPT_PARTS: Final = 200_000
CHUNK_LINE_BYTES: Final = 256
TRAILER_BYTES: Final = 8 * KIB
# Reading a chunk takes half a microsecond whatever its size: 64 KiB of single bytes take as long as 50 requests (6 ms),
# of such as these 0.5 ms. A client that writes a small body word by word is served all the same.
SMALL_CHUNKS: Final = 1024
CHUNK_AVERAGE_BYTES: Final = 64

# Flow control: above HIGH_WATER the other side is not read any more until the buffer is empty again.
READ_BYTES: Final = 64 * KIB
SEND_BYTES: Final = 64 * KIB
HIGH_WATER: Final = 256 * KIB

# Seconds.
HEAD_SECONDS: Final = 10.0
BODY_IDLE_SECONDS: Final = 30.0
STREAM_IDLE_SECONDS: Final = 330.0
KEEP_ALIVE_SECONDS: Final = 120.0
DIAL_SECONDS: Final = 10.0
POOL_IDLE_SECONDS: Final = 55.0
LINGER_SECONDS: Final = 2.0
DRAIN_SECONDS: Final = 10.0
ACCEPT_PAUSE_SECONDS: Final = 1.0
CONTROL_SECONDS: Final = 5.0
RESOLVE_CACHE_SECONDS: Final = 60.0

HELLO_SECONDS: Final = 10.0
# Real hellos come in one record or a few; each is read anew whenever more bytes arrive.
HELLO_RECORDS: Final = 32
TUNNEL_IDLE_SECONDS: Final = 300.0
TUNNEL_LIFE_SECONDS: Final = 3600.0
SAVE_SECONDS: Final = 1.0
NOTE_SECONDS: Final = 0.02

# Counts.
CONNECTIONS_PER_CONVERSATION: Final = 128
POOLED_PER_ROUTE: Final = 32
LISTEN_BACKLOG: Final = 128
ACCEPTS_PER_EVENT: Final = 16
# Refusals and local answers of one conversation before it is let in more slowly: with some 300 bytes a line, it can
# then write 260 MB a day. Clients that work come nowhere near.
UNSERVED_AT_ONCE: Final = 1000
UNSERVED_PER_SECOND: Final = 10
CONTROL_LINE_BYTES: Final = 256 * KIB
AUDIT_TEXT: Final = 256
