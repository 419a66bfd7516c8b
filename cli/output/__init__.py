# SPDX-License-Identifier: LGPL-3.0
"""What the program shows, and where it goes.

colors.py     when there are colors
csv_cells.py  cells of CSV that no spreadsheet takes for a formula
shown.py      texts of users, made harmless for people's eyes and terminals
streams.py    standard input, output and error, whatever they are connected to
"""

__all__ = ["colors", "csv_cells", "shown", "streams"]
