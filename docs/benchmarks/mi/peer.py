"""The part of scikit-learn in main.go: problems in, answers out."""

import struct
import sys
import time

import numpy as np
import sklearn
from sklearn.feature_selection import mutual_info_regression

out = sys.stdout.buffer
out.write(sklearn.__version__.encode() + b"\n")
while head := sys.stdin.buffer.read(16):
    n, p = struct.unpack("<qq", head)
    x, y = (
        np.frombuffer(sys.stdin.buffer.read(8 * n * m), "<f8").reshape(n, m)
        for m in (p, 1)
    )
    start = time.perf_counter()
    v = mutual_info_regression(x, y[:, 0], n_neighbors=3, random_state=0, n_jobs=1)
    seconds = time.perf_counter() - start
    out.write(v.astype("<f8").tobytes() + struct.pack("<d", seconds))
