"""stub"""
from pathlib import Path
def write(store, results, out, settings): Path(out).write_text("x")
