# SPDX-License-Identifier: LGPL-3.0
"""The pages in a browser: what scripts, style sheets and people's hands make of them.

browsing.py       a browser without a window, and what it saw
test_pages.py     each page in light, in dark and on a phone; pictures of them in build/screens/
test_moments.py   the slider and the arrow keys go through time
test_pictures.py  what the pictures show, and their tooltips
"""
