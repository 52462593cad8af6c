"""Memory of programs that tests start."""
import pathlib
import time


def peak_kib(process):
    """Waits until the process ends; its peak resident memory, KiB. What rusage says begins with the memory of this Python."""
    peak, status = 0, pathlib.Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        said = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        peak = max(peak, int(said[0].split()[1])) if said else peak  # one that has ended has none
        time.sleep(0.005)
    assert peak > 0
    return peak
