"""A program of somebody else that reads a lake: attaches it once, asks for the bills until a file is there, prints what it saw.

usage: python lake_reader.py ADDRESS STOP TABLE...     a JSON line [table, [[month, rows, cost], ...]] for each look
"""
import json
import pathlib
import sys

from lakes import attached

TOTALS = ("SELECT billing_period, count(*), sum(line_item_unblended_cost)::VARCHAR FROM lake.aws_billing.%s "
          "GROUP BY 1 ORDER BY 1")


def main(address, stop, *tables):
    with attached(address) as lake:
        while not pathlib.Path(stop).exists():
            for table in tables:
                print(json.dumps([table, lake.sql(TOTALS % table).fetchall()]), flush=True)


main(*sys.argv[1:])
