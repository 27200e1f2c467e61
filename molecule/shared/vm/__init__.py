# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disposable virtual machines for the tests and the demo: one baked disk image, three engines, throw-away overlays.

Run as ``python3 molecule/shared/vm VERB``; it needs nothing but the standard library.
"""
