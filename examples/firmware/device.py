"""Send a picture to the firmware that runs on this PC.

    python device.py FIRMWARE PICTURE

The host's side of the serial protocol is `vpr_edge.benchmarks.devices.serial.messages`, which takes
any two functions that write and read bytes, such as those of a `serial.Serial` of pyserial.
"""

import subprocess
import sys
from pathlib import Path

from vpr_edge.benchmarks.devices.serial.messages import Device
from vpr_edge.errors import VprEdgeError
from vpr_edge.preprocessing import Preprocessing, read_image


def main() -> None:
    """Send a picture, as a camera of 320x240 sees it, to the firmware that runs on this PC."""
    if len(sys.argv) != 3:
        sys.exit("Give the firmware that was built for this PC, and a picture.")
    with subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin and program.stdout
        line = program.stdin

        def send(text: bytes) -> None:
            line.write(text)
            line.flush()

        board = Device(send, program.stdout.read)
        try:
            picture = Preprocessing(240, 320).fit(read_image(Path(sys.argv[2])))
            about = board.about()
            place = board.place(picture.reshape(len(picture), -1), 2, picture.shape[1])
        except VprEdgeError as error:
            sys.exit(str(error))
        finally:
            line.close()
    print(f"place {place.id}, similarity {place.score / about.unit**2:.3f}")


if __name__ == "__main__":
    main()
