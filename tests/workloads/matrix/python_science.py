"""numpy with its threads, pandas, and a picture by matplotlib."""

import io
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

matrix = np.random.default_rng(1).normal(size=(400, 400))
assert np.allclose(matrix @ np.linalg.inv(matrix), np.eye(400), atol=1e-6)
mapped = np.memmap("array.bin", dtype="f8", mode="w+", shape=(1000,))
mapped[:] = 1
mapped.flush()
assert mapped.sum() == 1000

frame = pd.DataFrame({"group": ["a", "b"] * 500, "value": range(1000)})
assert frame.groupby("group")["value"].sum().to_dict() == {"a": 249500, "b": 250000}
frame.to_csv("frame.csv", index=False)
assert pd.read_csv("frame.csv").equals(frame)

figure, axes = plt.subplots()
axes.plot(frame["value"])
axes.set_title("a title")
buffer = io.BytesIO()
figure.savefig(buffer, format="png")
assert buffer.getvalue().startswith(b"\x89PNG")
figure.savefig("picture.pdf")
assert Path("picture.pdf").stat().st_size > 1000
